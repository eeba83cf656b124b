import { comeBackLater, formPost, seeOther } from '@/app/_lib/login'
import { toRefused } from '@/app/_lib/refused'
import { recovery } from '@/lib'
import { recoverOutcome } from '../outcome'

/** Asks for a recovery. Every address gets a link, at once; whether it leads anywhere shows when it is time. */
export const POST = (request: Request): Promise<Response> =>
  formPost(request, async ({ email = '' }, caller) => {
    const asked = await recovery.delayed.request({ email }, caller)
    if (asked.ok) return seeOther(`/recover/finish?token=${asked.value.token}`)
    await recoverOutcome.keep({ refused: toRefused(asked.refusal), email: email.trim().slice(0, 254) })
    return asked.refusal.retryAfterSeconds === undefined
      ? seeOther('/recover')
      : comeBackLater('/recover', asked.refusal)
  })
