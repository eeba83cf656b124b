/** Guests: people who use apps without an account, and may make one of it later. They have no address and no way back. */
import { record, recordAll } from '../audit'
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { normalizeEmail } from './address'
import { announce } from './announce'
import { voidOtherClaims } from './emails'
import { orNull, type Registration } from './register'
import * as store from './store'
import * as guests from './store-guests'
import { localeSchema } from './text'

/**
 * Writes a guest with an id set aside before, in `tx` (from `inTx`), and announces it after the commit. Asked twice
 * for one id, there is one.
 */
export async function addGuest(
  tx: Tx,
  { id, locale, caller }: { id: string; locale: string; caller: Caller },
): Promise<void> {
  const spoken = localeSchema.safeParse(locale)
  if (!(await guests.insertGuest(tx, id, spoken.success ? spoken.data : 'en'))) return
  await record(tx, { type: 'user.registered', userId: id, caller, data: { guest: true } })
  announce(tx, 'created', id)
}

/**
 * Makes a person of a guest in `tx` (from `inTx`): the same id, a proven address, the role of people. Whoever was here
 * as that guest must be signed out in the same transaction (`sessions.beginAnew`): a guest's session proves nothing, and
 * may have been laid into the person's browser by somebody who kept a copy.
 * @param person.verified must be true: a guest who proves nothing stays one
 * @returns refusal `email_taken` and `invalid_email` (nothing was written, the transaction is still good);
 *   `account_changed` when there is no such guest any more: of two upgrades at once, one wins
 */
export async function upgradeGuest(
  tx: Tx,
  userId: string,
  person: Registration,
): Promise<Result<{ id: string }>> {
  const address = normalizeEmail(person.email)
  if (!address.ok) return address
  if (!isUuid(userId) || !person.verified) return refuse('account_changed')
  const locale = localeSchema.safeParse(person.locale)
  await store.lockAddress(tx, address.value)
  const outcome = await guests.upgrade(tx, {
    id: userId,
    address: address.value,
    firstName: orNull(person.firstName),
    lastName: orNull(person.lastName),
    locale: locale.success ? locale.data : 'en',
  })
  if (outcome === 'taken') return refuse('email_taken', { field: 'email' })
  if (outcome === 'no_guest') return refuse('account_changed')
  await record(tx, { type: 'user.upgraded', userId, actor: person.actor, caller: person.caller })
  await voidOtherClaims(tx, userId, address.value)
  announce(tx, 'updated', userId)
  return ok({ id: userId })
}

/** Guests who were not signed in anew since `before`, longest gone first; page on with `after` = the last one. */
export const idleGuests = (
  before: Date,
  after: guests.GuestRow | null,
  limit: number,
): Promise<guests.GuestRow[]> => guests.readIdleGuests(before, after, limit)

/** Deletes guests whom nobody can be any more. What they did stays in the events. @returns how many went */
export async function removeGuests(ids: string[]): Promise<number> {
  if (ids.length === 0) return 0
  return inTx(async (tx) => {
    const gone = await guests.deleteGuests(tx, ids)
    await recordAll(
      tx,
      gone.map((userId) => ({
        type: 'user.deleted' as const,
        userId,
        actor: 'system',
        data: { guest: true },
      })),
    )
    for (const userId of gone) announce(tx, 'updated', userId)
    return gone.length
  })
}
