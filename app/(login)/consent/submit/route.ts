import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/** The answer to "may this app know you?", and the way back from an app that lets somebody in not at all. What is granted is read from the waiting request, never from the form. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ request: uid = '', decision }, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts) return seeOther(`/signin/start?request=${encodeURIComponent(uid)}`)
    const next =
      decision === 'allow' ? await oidc.approve(uid, caller, facts) : await oidc.deny(uid, caller, facts)
    return seeOther(next ?? '/problem?code=request_expired')
  })
