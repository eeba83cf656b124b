/**
 * Shutting an intruder out. Who took over an account brings ways in of their own, and proves them before they change
 * what the owner would notice. So whatever was brought from 72 hours before the owner was told goes, not only
 * what one notice was about; and a way back in that somebody prepared ends with it.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import * as factors from '../factors'
import * as oidc from '../oidc'
import * as sessions from '../sessions'
import * as users from '../users'

/** How long before the owner was told an intruder may have been there. */
export const BEFORE_MS = 72 * 3_600_000

/** Ends, in `tx`, what a room above this one keeps of a user's ways back in and somebody may have prepared since. */
type Shutter = (tx: Tx, userId: string, since: Date, caller: Caller) => Promise<void>

const shutters: Shutter[] = []

/** Names who ends something of their own when an intruder is shut out. Call at import. */
export function whenShutOut(fn: Shutter): void {
  shutters.push(fn)
}

/**
 * Everything that both ways of shutting out have in common, in `tx`: the password takes nobody in until a new one is
 * chosen, every session and consent ends, numbers brought since are gone, links that set a password or lock
 * the account are void. Addresses are the caller's, and so is `users.lockAccount`, taken first.
 */
export async function shutOut(
  tx: Tx,
  userId: string,
  foreign: users.Foreign,
  why: { reason: string; caller: Caller },
): Promise<void> {
  const { caller } = why
  await users.lockDown(tx, userId, caller)
  await users.phones.expel(tx, userId, foreign, caller)
  await factors.links.voidAll(tx, userId, ['password_reset', 'lockdown'])
  for (const shut of shutters) await shut(tx, userId, foreign.since, caller)
  await sessions.revokeIn(tx, { userId, all: true }, why)
  await oidc.grants.revokeAll(tx, userId, { caller })
}
