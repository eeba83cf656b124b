/** The addresses of a person. Only a proven one is anybody's; a claim blocks nobody and falls to the owner. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import { normalizeEmail } from './address'
import { announce } from './announce'
import { isId } from './id'
import * as store from './store'
import * as addresses from './store-emails'
import { keepsWayBack } from './ways-back'

export interface EmailView {
  id: string
  address: string
  isPrimary: boolean
  verifiedAt: Date | null
  createdAt: Date
}

/** A user's addresses, primary first. */
export async function list(userId: string): Promise<EmailView[]> {
  if (!isId(userId)) return []
  return (await store.readEmails(userId)).map(toView)
}

const toView = (row: store.EmailRow): EmailView => ({
  id: row.id,
  address: row.address,
  isPrimary: row.is_primary,
  verifiedAt: row.verified_at,
  createdAt: row.created_at,
})

/**
 * Records that the user proved an address they claim. The first proven one becomes the primary and
 * makes a pending user active; unverified claims of others to it disappear (LNK3). Verifying twice is
 * no error. `tx` must come from `inTx`.
 * @returns refusal `email_taken` when somebody else proved it first, `not_found` when it is not claimed
 */
export async function verify(tx: Tx, userId: string, email: string, caller?: Caller): Promise<Result> {
  const address = normalizeEmail(email)
  if (!address.ok) return address
  if (!isId(userId)) return refuse('not_found')
  await store.lockAddress(tx, address.value)
  const outcome = await store.verifyAddress(tx, userId, address.value)
  if (outcome === 'taken') return refuse('email_taken', { field: 'email' })
  if (outcome === 'unclaimed') return refuse('not_found', { field: 'email' })
  if (outcome === 'already') return ok()
  await record(tx, { type: 'email.verified', userId, caller })
  await voidOtherClaims(tx, userId, address.value)
  announce(tx, 'updated', userId)
  return ok()
}

/** Most addresses of one person: enough for a life, too few to be a list of victims. */
export const MAX_ADDRESSES = 10

/** One address by its id, whoever's it is; null for none. For pages that a link from a mail leads to. */
export async function get(id: string): Promise<(EmailView & { userId: string }) | null> {
  const row = isId(id) ? await addresses.readAddress(id) : null
  return row && { ...toView(row), userId: row.user_id }
}

/**
 * Notes in `tx` that a user says an address is theirs. It blocks nobody and means nothing until `verify`,
 * whoever else has it (LNK3, ENU1). Claiming twice is no error.
 * @returns refusal `invalid_email`, `already_exists` when it is theirs and verified, `too_many`
 */
export async function claim(
  tx: Tx,
  userId: string,
  email: string,
  caller?: Caller,
): Promise<Result<EmailView>> {
  const field = 'email'
  const address = normalizeEmail(email)
  if (!address.ok) return address
  if (!isId(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
  const known = (await addresses.addressesOf(tx, userId)).length
  const row = await addresses.claimAddress(tx, userId, address.value)
  if (row.verified_at) return refuse('already_exists', { field })
  if (row.fresh) {
    if (known >= MAX_ADDRESSES) {
      await addresses.deleteAddress(tx, userId, row.id)
      return refuse('too_many', { field, values: { max: MAX_ADDRESSES } })
    }
    await record(tx, { type: 'email.added', userId, caller })
  }
  return ok(toView(row))
}

/**
 * Makes a proven address the primary one, in `tx`.
 * @returns the old primary and the new one; refusal `not_found`, `email_unverified`
 */
export async function makePrimary(
  tx: Tx,
  userId: string,
  id: string,
  caller?: Caller,
): Promise<Result<{ old: EmailView | null; primary: EmailView }>> {
  if (!isId(userId) || !isId(id) || !(await store.lockUser(tx, userId))) return refuse('not_found')
  const all = await addresses.addressesOf(tx, userId)
  const primary = all.find((row) => row.id === id)
  const old = all.find((row) => row.is_primary) ?? null
  if (!primary) return refuse('not_found')
  if (!primary.verified_at) return refuse('email_unverified')
  if (old?.id === id) return ok({ old: null, primary: toView(primary) })
  await addresses.movePrimary(tx, userId, id)
  await record(tx, { type: 'email.made_primary', userId, caller })
  announce(tx, 'updated', userId)
  return ok({ old: old && toView(old), primary: { ...toView(primary), isPrimary: true } })
}

/**
 * Removes an address, in `tx`. The primary one stays until another is made primary, so that there always
 * is a proven way back in.
 * @returns the address; refusal `not_found`, `last_way_back`, `primary_stays`
 */
export async function remove(
  tx: Tx,
  userId: string,
  id: string,
  caller?: Caller,
): Promise<Result<EmailView>> {
  if (!isId(userId) || !isId(id) || !(await store.lockUser(tx, userId))) return refuse('not_found')
  const all = await addresses.addressesOf(tx, userId)
  const row = all.find((candidate) => candidate.id === id)
  if (!row) return refuse('not_found')
  if (row.verified_at) {
    const kept = await keepsWayBack(tx, userId, { emails: 1 })
    if (!kept.ok) return kept
  }
  if (row.is_primary) return refuse('primary_stays')
  await addresses.deleteAddress(tx, userId, id)
  await record(tx, { type: 'email.removed', userId, caller, data: { verified: row.verified_at !== null } })
  announce(tx, 'updated', userId)
  return ok(toView(row))
}

/**
 * Takes a change of the primary address back, in `tx`: the old one is proven and primary again, also when
 * it was removed since, and every address claimed or proven since `since` is gone: whoever changed the
 * primary may have brought others along.
 * @returns refusal `email_taken` when the old address belongs to somebody else by now, `not_found`
 */
export async function restorePrimary(
  tx: Tx,
  userId: string,
  address: string,
  since: Date,
  caller?: Caller,
): Promise<Result> {
  if (!isId(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
  await store.lockAddress(tx, address)
  const id = await addresses.restoreAddress(tx, userId, address)
  if (!id) return refuse('email_taken')
  await addresses.movePrimary(tx, userId, id)
  const gone = await addresses.deleteAddressesSince(tx, userId, id, since)
  await record(tx, { type: 'email.change_undone', userId, caller, data: { removed: gone.length } })
  await voidOtherClaims(tx, userId, address)
  announce(tx, 'updated', userId)
  return ok()
}

/**
 * Takes away, in `tx`, an address that the owner says was not added by them; the proven address they had
 * longest becomes primary in its place. The only proven one stays.
 * @returns whether it went
 */
export async function expel(tx: Tx, userId: string, address: string, caller?: Caller): Promise<boolean> {
  if (!isId(userId) || !(await store.lockUser(tx, userId))) return false
  const proven = (await addresses.addressesOf(tx, userId)).filter((row) => row.verified_at)
  const same = (row: store.EmailRow) => row.address.toLowerCase() === address.toLowerCase()
  const row = proven.find(same)
  const [heir] = proven
    .filter((other) => !same(other))
    .sort((a, b) => Number(a.verified_at) - Number(b.verified_at))
  if (!row || !heir) return false
  if (row.is_primary) {
    await addresses.movePrimary(tx, userId, heir.id)
    await record(tx, { type: 'email.made_primary', userId, actor: 'system', caller })
  }
  await addresses.deleteAddress(tx, userId, row.id)
  await record(tx, { type: 'email.removed', userId, caller, data: { verified: true, lockdown: true } })
  announce(tx, 'updated', userId)
  return true
}

/** Where a person can be told something, and in which language: every proven address, primary first. */
export const reach = (tx: Tx, userId: string): Promise<{ locale: string; addresses: string[] } | null> =>
  addresses.readReach(tx, userId)

/** Takes an address that now has an owner away from everyone who only claimed it, and tells their history. */
export async function voidOtherClaims(tx: Tx, ownerId: string, address: string): Promise<void> {
  for (const userId of await store.dropOtherClaims(tx, ownerId, address)) {
    await record(tx, { type: 'email.claim_voided', userId, actor: 'system' })
    announce(tx, 'updated', userId)
  }
}
