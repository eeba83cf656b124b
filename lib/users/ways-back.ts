/**
 * The ways back in that a person has proven: where a code or a link reaches them when all else is lost.
 * Whoever takes one away asks here first, in the same transaction.
 */
import type { Tx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import { sms } from '../notify'
import { countVerified } from './store-phones'

export interface WaysBack {
  /** Verified addresses. */
  emails: number
  /** Verified numbers; none where no text messages are sent. */
  phones: number
}

/**
 * Counts a user's verified ways back; without `tx` by itself. To decide by it, hold `lockUser` in `tx`,
 * so that two removals at once do not each see the other's.
 */
export async function waysBack(tx: Tx | null, userId: string): Promise<WaysBack> {
  const { emails, phones } = await countVerified(tx, userId)
  return { emails, phones: sms.enabled() ? phones : 0 }
}

/**
 * Whether a user who gives up these verified ways keeps another. Call under `lockUser`.
 * @param giving how many verified ones of each kind would go
 * @returns refusal `last_way_back`
 */
export async function keepsWayBack(tx: Tx, userId: string, giving: Partial<WaysBack>): Promise<Result> {
  const { emails, phones } = await countVerified(tx, userId)
  const left = emails - (giving.emails ?? 0)
  // Where no text messages are sent, a number leads nobody back; and giving it up loses nobody anything.
  if (!sms.enabled()) return left > 0 || !giving.emails ? ok() : refuse('last_way_back')
  return left + phones - (giving.phones ?? 0) > 0 ? ok() : refuse('last_way_back')
}
