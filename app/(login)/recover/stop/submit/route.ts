import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { recovery, sessions } from '@/lib'
import { recoverOutcome } from '../../outcome'

/** Stops a recovery: by the link of a notice or, without one, for the account that is signed in here. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token }, caller) => {
    const session = token ? null : await sessions.check(caller.cookies)
    if (!token && !session) return seeOther('/signin/start?to=/account')
    const page = token ? `/recover/stop?token=${encodeURIComponent(token)}` : '/account'
    const stopped = await recovery.veto(
      token ? { token } : { userId: session?.userId ?? '', sid: session?.sid ?? '' },
      caller,
    )
    if (stopped.ok) {
      await recoverOutcome.keep({ stopped: true })
      return seeOther('/recover/stopped')
    }
    if (stopped.refusal.code !== 'rate_limited') return seeOther(page)
    await recoverOutcome.keep({ refused: toRefused(stopped.refusal) })
    return comeBackLater(page, stopped.refusal)
  })
