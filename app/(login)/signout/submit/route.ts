import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/** Signs this browser out; where an app asked for it, the browser then goes back to that app. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ request: asked = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    const outcome = facts && (await oidc.finishLogout(asked, caller, facts))
    if (outcome) return seeOther(outcome.url, outcome.setCookies)
    if (facts)
      await sessions.revoke({ userId: facts.userId, sid: facts.sid }, { reason: 'signed_out', caller })
    return seeOther('/signed-out', sessions.clearCookies())
  })
