import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { security, sessions } from '@/lib'
import { undoOutcome } from '../outcome'

/** Takes a change of the primary address back; this browser is signed out with all others. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token = '' }, caller) => {
    const page = `/undo?token=${encodeURIComponent(token)}`
    const undone = await security.emailChange.undo(token, caller)
    if (!undone.ok) {
      if (undone.refusal.code === 'rate_limited') return comeBackLater(page, undone.refusal)
      if (undone.refusal.code === 'email_taken') await undoOutcome.keep({ refused: 'email_taken' })
      return seeOther(page)
    }
    await undoOutcome.keep({ address: undone.value.address })
    return seeOther('/undo/done', sessions.clearCookies())
  })
