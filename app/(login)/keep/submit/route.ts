import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { security } from '@/lib'
import { keepOutcome } from '../outcome'

/** Keeps a closed account; signs nobody in. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ token = '' }, caller) => {
    const page = `/keep?token=${encodeURIComponent(token)}`
    const kept = await security.closing.keep(token, caller)
    if (!kept.ok) {
      if (kept.refusal.code === 'rate_limited') return comeBackLater(page, kept.refusal)
      if (kept.refusal.code === 'email_taken') await keepOutcome.keep({ refused: 'email_taken' })
      return seeOther(page)
    }
    await keepOutcome.keep({ kept: true })
    return seeOther('/keep/done')
  })
