/** The addresses of a person. Only a proven one is anybody's; a claim blocks nobody and falls to the owner. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { normalizeEmail } from './address'
import { announce } from './announce'
import { lost } from './memberships'
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
  if (!isUuid(userId)) return []
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
  // A closed account that proved one would have it where nobody can use it.
  if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
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
  const row = isUuid(id) ? await addresses.readAddress(id) : null
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
  if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
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
  if (!isUuid(userId) || !isUuid(id) || !(await store.lockUser(tx, userId))) return refuse('not_found')
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

const domainIn = (address: string): string => address.slice(address.lastIndexOf('@') + 1).toLowerCase()

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
  if (!isUuid(userId) || !isUuid(id) || !(await store.lockUser(tx, userId))) return refuse('not_found')
  const all = await addresses.addressesOf(tx, userId)
  const row = all.find((candidate) => candidate.id === id)
  if (!row) return refuse('not_found')
  if (row.verified_at) {
    const kept = await keepsWayBack(tx, userId, { emails: 1 })
    if (!kept.ok) return kept
  }
  if (row.is_primary) return refuse('primary_stays')
  await addresses.deleteAddress(tx, userId, id)
  if (row.verified_at) await lost(tx, userId, { domains: [domainIn(row.address)] })
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
  if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
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

/** What an owner says was not brought by them: everything since a moment, and perhaps one thing by its name. */
export interface Foreign {
  since: Date
  address?: string | undefined
  /** E.164, or as people read it. */
  number?: string | undefined
}

/** Claimed or proven at or after a moment. */
export const broughtSince = (row: { verifiedAt: Date | null; createdAt: Date }, since: Date): boolean =>
  (row.verifiedAt ?? row.createdAt) >= since

/** Of several the one that was proven first; null where none is proven. Pure. */
export const provenLongest = <Row extends { verifiedAt: Date | null }>(all: readonly Row[]): Row | null =>
  all.filter((row) => row.verifiedAt).sort((a, b) => Number(a.verifiedAt) - Number(b.verifiedAt))[0] ?? null

/**
 * Which addresses are foreign, and who inherits. The proven address they had longest always stays, so that there is
 * a way back in, also where it is the named one: whoever makes it primary again has a notice name it. Pure.
 */
export function foreignAddresses<Row extends Pick<EmailView, 'address' | 'verifiedAt' | 'createdAt'>>(
  all: readonly Row[],
  { since, address }: Foreign,
): { go: Row[]; heir: Row | null } {
  const named = (row: Row) => row.address.toLowerCase() === address?.toLowerCase()
  const heir = provenLongest(all)
  return { go: all.filter((row) => row !== heir && (named(row) || broughtSince(row, since))), heir }
}

/**
 * Takes away, in `tx`, the addresses that the owner says were not added by them; the proven one they had
 * longest becomes primary where the primary goes.
 * @returns the proven ones that went
 */
export async function expel(tx: Tx, userId: string, foreign: Foreign, caller?: Caller): Promise<EmailView[]> {
  if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return []
  const all = await listIn(tx, userId)
  const { go, heir } = foreignAddresses(all, foreign)
  if (go.length === 0) return []
  if (heir && go.some((row) => row.isPrimary)) {
    await addresses.movePrimary(tx, userId, heir.id)
    await record(tx, { type: 'email.made_primary', userId, actor: 'system', caller })
  }
  for (const { id, verifiedAt } of go) {
    await addresses.deleteAddress(tx, userId, id)
    const data = { verified: verifiedAt !== null, lockdown: true }
    await record(tx, { type: 'email.removed', userId, caller, data })
  }
  announce(tx, 'updated', userId)
  return go.filter((row) => row.verifiedAt)
}

/** A user's addresses as `tx` sees them, primary first. */
export const listIn = async (tx: Tx, userId: string): Promise<EmailView[]> =>
  (await addresses.addressesOf(tx, userId)).map(toView)

/** Where a person can be told something, and in which language. */
export const reach = (tx: Tx, userId: string): Promise<addresses.Reach | null> =>
  addresses.readReach(tx, userId)

/** Takes an address that now has an owner away from everyone who only claimed it, and tells their history. */
export async function voidOtherClaims(tx: Tx, ownerId: string, address: string): Promise<void> {
  for (const userId of await store.dropOtherClaims(tx, ownerId, address)) {
    await record(tx, { type: 'email.claim_voided', userId, actor: 'system' })
    announce(tx, 'updated', userId)
  }
}
