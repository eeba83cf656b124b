/** The last write of every sign-up: a new person, or the guest of this browser made into one. */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt } from './attempt'

/**
 * Makes the account of a sign-up in `tx` (from `inTx`). In a browser that was a guest's when the attempt began, the
 * guest becomes the person: their id, not the one set aside, and consents kept. All that was signed in as the guest is
 * over then, in whatever browser: whoever laid a guest's session into somebody's browser has kept a copy (login CSRF,
 * session fixation). The browser must still be that guest's.
 * @param person.id the id set aside, for an account that no guest becomes
 * @returns the id of the account; refusals of `users.register`; `account_changed` when the guest is none any more, or
 *   no longer here
 */
export async function makeAccount(
  tx: Tx,
  { guest }: Pick<Attempt, 'guest'>,
  person: users.Registration & { caller: Caller },
): Promise<Result<{ id: string }>> {
  if (!guest) return users.register(tx, person)
  const { caller } = person
  const facts = await sessions.check(caller.cookies)
  if (!facts?.guest || facts.userId !== guest) return refuse('account_changed')
  const upgraded = await users.upgradeGuest(tx, guest, person)
  if (upgraded.ok) await sessions.beginAnew(tx, guest, { reason: 'upgraded', caller })
  return upgraded
}
