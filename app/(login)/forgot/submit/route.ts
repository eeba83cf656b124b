import { at, comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { recovery } from '@/lib'
import { forgotOutcome } from '../outcome'

/** Asks for a link to choose a new password. One answer for all addresses, at once: the look-up comes after it. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ flow = '', email = '' }, caller) => {
    const asked = await recovery.forgot({ email }, caller)
    const typed = email.trim().slice(0, 254)
    if (asked.ok) {
      await forgotOutcome.keep({ sentTo: typed })
      return seeOther(flow ? at('/forgot/sent', flow) : '/forgot/sent')
    }
    await forgotOutcome.keep({ refused: toRefused(asked.refusal), email: typed })
    const page = flow ? at('/forgot', flow) : '/forgot'
    return asked.refusal.retryAfterSeconds === undefined ? seeOther(page) : comeBackLater(page, asked.refusal)
  })
