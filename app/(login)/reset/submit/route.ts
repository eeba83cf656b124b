import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { recovery, sessions } from '@/lib'
import { resetOutcome } from '../outcome'

/** Sets the password a link was sent for. Signs nobody in, and this browser out with all others. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token = '', password = '' }, caller) => {
    const page = `/reset?token=${encodeURIComponent(token)}`
    const done = await recovery.reset({ token, password }, caller)
    if (done.ok) {
      await resetOutcome.keep({ done: true })
      const own = await sessions.check(caller.cookies)
      return seeOther('/reset/done', own ? [] : sessions.clearCookies())
    }
    // A dead link says so by itself.
    if (done.refusal.code === 'link_over') return seeOther(page)
    await resetOutcome.keep({ refused: toRefused(done.refusal) })
    return done.refusal.retryAfterSeconds === undefined ? seeOther(page) : comeBackLater(page, done.refusal)
  })
