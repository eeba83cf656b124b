/**
 * Tries of a password, counted before anything is compared. One count for every door at which the same
 * password is asked for (sign-in, a change of the password), so that no second door buys more of them (RL5).
 */
import { env } from '../base/env'
import { budgets, refund } from '../base/limits'
import type { Result } from '../base/refusals'

/** Whose tries: an address as typed, or a browser that the account knows, which has tries of its own. */
export type TriesOf = { email: string } | { userId: string; device: string }

const WINDOW_SECONDS = 15 * 60
/** NIST SP 800-63B-4 section 3.2.2: at most 100 consecutive failures for one account; a success resets. */
const HARD_STOP = { max: 90, windowSeconds: 30 * 86_400 }

/** Addresses compare without case, and so must their tries. */
const subjectOf = (whose: TriesOf): string =>
  'device' in whose
    ? `password-device:${whose.userId}:${whose.device}`
    : `password:${whose.email.toLowerCase()}`

/**
 * Spends one try. @returns refusal `rate_limited` with an honest `retryAfterSeconds`
 * @throws StoresDown
 */
export function spend(whose: TriesOf): Promise<Result<{ left: number }>> {
  const subject = subjectOf(whose)
  return budgets([
    { subject, max: env().limits.passwordTries, windowSeconds: WINDOW_SECONDS },
    { subject: `${subject}:hard`, ...HARD_STOP },
  ])
}

/** Gives the tries back: after a right one, or after the password was chosen anew. */
export const giveBack = (...all: TriesOf[]): Promise<void> =>
  refund(...all.flatMap((whose) => [subjectOf(whose), `${subjectOf(whose)}:hard`]))
