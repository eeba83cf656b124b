import { signInHref } from '@/app/_lib/guard'
import { formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'

/** The answer to "did you start this?". Which device it is about is known from the session, never from the form. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ decision }, caller) => {
    const facts = await sessions.check(caller.cookies)
    if (!facts || facts.guest) return seeOther(signInHref('/device'))
    if (decision !== 'allow') {
      await oidc.denyDevice(facts, caller)
      return seeOther('/device/done')
    }
    const next = await oidc.approveDevice(facts)
    return next ? seeOther(next.url, next.setCookies) : seeOther('/device/done')
  })
