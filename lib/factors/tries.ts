/**
 * Tries of a password and of a second factor, counted before anything is compared. One count for every
 * door at which the same secret is asked for, so that no second door buys more of them (RL5).
 */
import { env } from '../base/env'
import { backOff, budget, budgetKeys, budgets, giveBack as giveOneBack, refund } from '../base/limits'
import type { Result } from '../base/refusals'

/**
 * Whose tries: an address as typed, with whose it is (nobody's: null, or left out), or a browser that the account knows,
 * which has tries of its own.
 */
export type TriesOf = { email: string; userId?: string | null } | { userId: string; device: string }

const WINDOW_SECONDS = 15 * 60
/** NIST SP 800-63B-4 section 3.2.2: at most 100 consecutive failures for one account; a success resets. */
const HARD_STOP = { max: 90, windowSeconds: 30 * 86_400 }

/** Addresses compare without case, and so must their tries. */
const subjectOf = (whose: TriesOf): string =>
  'device' in whose
    ? `password-device:${whose.userId}:${whose.device}`
    : `password:${whose.email.toLowerCase()}`

/**
 * The hard stop is the account's: somebody with ten addresses has one password. The tries before each pause are the
 * address's alone, or the pause would tell whose other address is whose (ENU3).
 */
const hardStopOf = (whose: TriesOf): string =>
  `${!('device' in whose) && whose.userId ? `password-account:${whose.userId}` : subjectOf(whose)}:hard`

/**
 * Spends one try. @returns refusal `rate_limited` with an honest `retryAfterSeconds`
 * @throws StoresDown
 */
export function spend(whose: TriesOf): Promise<Result<{ left: number }>> {
  return budgets([
    { subject: subjectOf(whose), max: env().limits.passwordTries, windowSeconds: WINDOW_SECONDS },
    { subject: hardStopOf(whose), ...HARD_STOP },
  ])
}

const subjectsOf = (all: TriesOf[]): string[] => all.flatMap((whose) => [subjectOf(whose), hardStopOf(whose)])

/** Gives the tries back: after a right one, or after the password was chosen anew. */
export const giveBack = (...all: TriesOf[]): Promise<void> => refund(...subjectsOf(all))

/** What `giveBack` would give back, for a statement that does it along with something else. */
export const keysOf = (whose: TriesOf): string[] => budgetKeys(subjectsOf([whose]))

/** Whose second step: the account's, or that of a browser the account knows, which has tries of its own. */
export interface SecondTriesOf {
  userId: string
  /** From `sessions.knownDevice`; null or absent for a stranger's browser. */
  device?: string | null
}

const MINUTE = 60
const HOUR = 3600
const DAY = 86_400

/**
 * Ten at once, then one after each wait, a day apart in the end, and none after the ninetieth until there
 * was none for thirty days. Whoever has the password and no second factor gets some 340 guesses a year:
 * three codes of a million are right at any time, so it takes about a thousand years to find one by luck.
 */
const SECOND = {
  free: 10,
  waitsSeconds: [15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 4 * HOUR, 8 * HOUR, 16 * HOUR, DAY],
  max: 90,
  forgetSeconds: 30 * DAY,
}

/**
 * What all browsers that an account knows may try on their own, together. Whoever had the password before there was
 * a second factor can have made themselves known in a thousand of them; a person does not mistype as often.
 */
const KNOWN = { max: 30, windowSeconds: SECOND.forgetSeconds }
const knownSubjectOf = (userId: string): string => `second-known:${userId}`

const secondSubjectOf = ({ userId, device }: SecondTriesOf): string =>
  device ? `second-device:${userId}:${device}` : `second:${userId}`

/**
 * Spends one try of the second step, before a TOTP code, backup code or code by mail or text message is
 * compared. One count for all of them, whichever attempt asks: a sign-in begun anew brings no new tries
 * (TOTP5), and neither does a new password. A stranger's tries are not those of a browser that the account knows;
 * but known browsers have thirty in thirty days between them, and what is beyond comes out of the account's.
 * A signature of a passkey is not guessed; counting it would only let strangers keep its owner out.
 * @returns refusal `rate_limited` with an honest `retryAfterSeconds`
 * @throws StoresDown
 */
export async function spendSecond({ userId, device }: SecondTriesOf): Promise<Result<{ left: number }>> {
  if (device) {
    const own = await backOff({ subject: secondSubjectOf({ userId, device }), ...SECOND })
    if (!own.ok || (await budget(knownSubjectOf(userId), KNOWN)).ok) return own
  }
  return await backOff({ subject: secondSubjectOf({ userId }), ...SECOND })
}

/** Gives the tries of the second step back, after a right one; of those that known browsers share, the one it took. */
export async function giveBackSecond(whose: SecondTriesOf): Promise<void> {
  await refund(secondSubjectOf(whose))
  if (whose.device) await giveOneBack(knownSubjectOf(whose.userId))
}
