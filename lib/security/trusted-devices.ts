/** Browsers that are not asked for a second step, as their owner takes that back. */
import { inTx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'
import type { Who } from './gate'

/**
 * Asks a browser for the second step again from now on. Wants no fresh proof: it only ever asks more of
 * whoever holds a stolen cookie.
 * @returns refusal `not_found`, also for a browser of anybody else (AZ3)
 */
export async function forget(who: Who, deviceId: string): Promise<Result> {
  const forgotten = await inTx((tx) => sessions.revokeTrust(tx, who.userId, deviceId))
  return forgotten ? ok() : refuse('not_found')
}
