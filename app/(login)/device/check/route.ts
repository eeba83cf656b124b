import { signInHref } from '@/app/_lib/guard'
import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { oidc, sessions } from '@/lib'
import { deviceOutcome } from '../outcome'

/** Takes a typed code: what it belongs to is shown next. Nothing is allowed by it. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ user_code: code = '' }, caller) => {
    const page = `/device?user_code=${encodeURIComponent(code.slice(0, 20))}`
    const facts = await sessions.check(caller.cookies)
    if (!facts || facts.guest) return seeOther(signInHref(page))
    const taken = await oidc.claimDevice(code, facts, caller)
    if (taken.ok) return seeOther('/device/confirm')
    const { code: why, retryAfterSeconds } = taken.refusal
    if (why === 'rate_limited') {
      await deviceOutcome.keep({ code: why, retryAfterSeconds })
      return comeBackLater('/device', taken.refusal)
    }
    await deviceOutcome.keep({ code: 'device_code_wrong' })
    return seeOther(page)
  })
