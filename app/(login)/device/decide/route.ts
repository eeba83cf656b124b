import { signInHref } from '@/app/_lib/guard'
import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/** The answer to "did you start this?". Which device it is about is known from the session; the form says which one was shown. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ decision, device = '' }, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts || facts.guest) return seeOther(signInHref('/device'))
    if (decision === 'allow') {
      const next = await oidc.approveDevice(facts, device)
      if (next) return seeOther(next.url, next.setCookies)
    } else if (await oidc.denyDevice(facts, device, caller)) return seeOther('/device/done')
    // Another code was typed meanwhile: its own question is to be answered.
    const view = await oidc.device(facts)
    return seeOther(view?.state === 'waiting' ? '/device/confirm' : '/device/done')
  })
