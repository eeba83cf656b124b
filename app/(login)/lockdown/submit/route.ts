import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { security, sessions } from '@/lib'
import { lockdownOutcome } from '../outcome'

/** Locks the account of a link; this browser is signed out with all others. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token = '' }, caller) => {
    const page = `/lockdown?token=${encodeURIComponent(token)}`
    const locked = await security.lockdown.lockDown(token, caller)
    if (!locked.ok) {
      return locked.refusal.code === 'rate_limited' ? comeBackLater(page, locked.refusal) : seeOther(page)
    }
    await lockdownOutcome.keep({ locked: true })
    return seeOther('/lockdown/done', sessions.clearCookies())
  })
