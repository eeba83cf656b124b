/** "This wasn't me": no way in by the password until a new one is chosen. What happened stays in the events. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { announce } from './announce'
import * as store from './store'

/**
 * Blocks password sign-in in `tx`. The caller ends sessions and consents in the same transaction.
 * @returns false when it was blocked already
 */
export async function lockDown(tx: Tx, userId: string, caller?: Caller): Promise<boolean> {
  if (!(await store.writeLockedDown(tx, userId, true))) return false
  await record(tx, { type: 'user.locked_down', userId, caller })
  announce(tx, 'updated', userId)
  return true
}

/** Lets the password in again, in `tx`: for whoever just chose a new one by a proven way. False when it was not blocked. */
export async function unlock(tx: Tx, userId: string, caller?: Caller): Promise<boolean> {
  if (!(await store.writeLockedDown(tx, userId, false))) return false
  await record(tx, { type: 'user.unlocked', userId, caller })
  announce(tx, 'updated', userId)
  return true
}
