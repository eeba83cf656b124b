import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { recovery, sessions } from '@/lib'
import { recoverOutcome } from '../../outcome'

/** Finishes a recovery whose time has come. Signs nobody in. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token = '', password = '', removeFactors }, caller) => {
    const page = `/recover/finish?token=${encodeURIComponent(token)}`
    const input = { token, password, removeFactors: removeFactors === '1' }
    const done = await recovery.delayed.complete(input, caller)
    if (done.ok) {
      await recoverOutcome.keep({ finished: done.value.email })
      const own = await sessions.check(caller.cookies)
      return seeOther('/recover/done', own ? [] : sessions.clearCookies())
    }
    // A recovery that is over says so by itself.
    if (done.refusal.code === 'recovery_over') return seeOther(page)
    await recoverOutcome.keep({ refused: toRefused(done.refusal) })
    return done.refusal.retryAfterSeconds === undefined ? seeOther(page) : comeBackLater(page, done.refusal)
  })
