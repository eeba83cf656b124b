/**
 * The numbers of a person. Only a proven one is anybody's: a claim blocks nobody and falls to the owner.
 * Who may change them (a fresh sign-in) is the caller's to ask.
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { sms } from '../notify'
import { announce } from './announce'
import { broughtSince, type Foreign, provenLongest } from './emails'
import { normalizePhone, readable } from './phone-number'
import { lockUser } from './store'
import * as store from './store-phones'
import { keepsWayBack } from './ways-back'

const within = <T>(tx: Tx | null, fn: (tx: Tx) => Promise<T>): Promise<T> => (tx ? fn(tx) : inTx(fn))

/** Numbers a person may have, claims included. */
export const MAX_PHONES = 5

export interface PhoneView {
  id: string
  /** E.164. */
  number: string
  /** As people read it: "+49 1512 3456789". */
  readable: string
  isPrimary: boolean
  verifiedAt: Date | null
  createdAt: Date
}

/** A number to send a code to. */
export interface PhoneClaim extends PhoneView {
  /** It is proven by somebody else: send a decoy, and show nobody this flag (ENU1). */
  taken: boolean
}

const toClaim = (row: store.PhoneRow): PhoneClaim => ({
  id: row.id,
  number: row.number,
  readable: readable(row.number),
  isPrimary: row.is_primary,
  verifiedAt: row.verified_at,
  createdAt: row.created_at,
  taken: row.taken,
})

/** A user's numbers, primary first. */
export async function list(userId: string): Promise<PhoneView[]> {
  if (!isUuid(userId)) return []
  return (await store.readPhones(userId)).map((row) => {
    const { taken: _, ...view } = toClaim(row)
    return view
  })
}

/** One of a user's own numbers, to send a code to; null for anybody else's (AZ3). */
export async function claim(userId: string, id: string): Promise<PhoneClaim | null> {
  if (!isUuid(userId) || !isUuid(id)) return null
  const row = (await store.readPhones(userId)).find((phone) => phone.id === id)
  return row ? toClaim(row) : null
}

/** The user whose verified number this is, for a sign-in by SMS code; null for any other number. */
export async function ownerOf(number: string): Promise<string | null> {
  const found = normalizePhone(number)
  return await store.readOwner(found.ok ? found.value : '')
}

/**
 * Notes a number the user claims; it counts for nothing before `verify`. Claiming the same one twice is
 * no error. A number that is somebody else's is noted as well, and looks no different.
 * @param input.number as typed; @param input.country ISO 3166, for a number without a leading +
 * @returns refusals `invalid_phone`, `phone_country`, `already_exists` (it is verified), `too_many`, `sms_off`
 */
export async function add(
  userId: string,
  input: { number: string; country?: string },
  caller: Caller,
): Promise<Result<PhoneClaim>> {
  if (!isUuid(userId)) return refuse('not_found')
  if (!sms.enabled()) return refuse('sms_off')
  const number = normalizePhone(input.number, input.country)
  if (!number.ok) return number
  const made = await inTx(async (tx) => {
    if (!(await lockUser(tx, userId))) return refuse('not_found')
    const row = await store.claimPhone(tx, userId, number.value, MAX_PHONES)
    if (!row) return refuse('too_many')
    if (row.verified) return refuse('already_exists', { field: 'number' })
    if (row.added) await record(tx, { type: 'phone.added', userId, caller })
    return ok(row.id)
  })
  if (!made.ok) return made
  const claimed = await claim(userId, made.value)
  return claimed ? ok(claimed) : refuse('not_found')
}

/**
 * Records that the user proved a number they claim. The first proven one becomes the primary;
 * unverified claims of others to it disappear. Verifying twice is no error. `tx` must come from `inTx`
 * (null: a transaction of its own). The caller has seen the code.
 * @returns whether it is new; refusal `already_exists` when somebody else proved it first, `not_found`
 *   when it is not claimed
 */
export async function verify(
  tx: Tx | null,
  userId: string,
  number: string,
  caller: Caller,
): Promise<Result<{ fresh: boolean }>> {
  if (!isUuid(userId)) return refuse('not_found')
  return within(tx, async (tx) => {
    await store.lockNumber(tx, number)
    const { outcome, voided } = await store.verifyNumber(tx, userId, number)
    if (outcome === 'taken') return refuse('already_exists', { field: 'number' })
    if (outcome === 'unclaimed') return refuse('not_found')
    if (outcome === 'already') return ok({ fresh: false })
    await record(tx, { type: 'phone.verified', userId, caller })
    await claimsVoided(tx, voided)
    announce(tx, 'updated', userId)
    return ok({ fresh: true })
  })
}

const claimsVoided = async (tx: Tx, userIds: string[]): Promise<void> => {
  for (const userId of userIds) await record(tx, { type: 'phone.claim_voided', userId, actor: 'system' })
}

/** Takes a number that now has an owner away from everyone who only claimed it, and tells their history. */
export const voidOtherClaims = async (tx: Tx, ownerId: string, number: string): Promise<void> =>
  claimsVoided(tx, await store.dropOtherClaims(tx, ownerId, number))

/** Makes a verified number the primary. @returns the number; refusal `not_found` (also while unverified) */
export async function makePrimary(
  tx: Tx | null,
  userId: string,
  id: string,
  caller: Caller,
): Promise<Result<{ number: string; changed: boolean }>> {
  if (!isUuid(userId) || !isUuid(id)) return refuse('not_found')
  return within(tx, async (tx) => {
    if (!(await lockUser(tx, userId))) return refuse('not_found')
    const phone = await store.readPhone(tx, userId, id)
    if (!phone?.verifiedAt) return refuse('not_found')
    if (phone.isPrimary) return ok({ number: phone.number, changed: false })
    await store.makePrimary(tx, userId, id)
    await record(tx, { type: 'phone.made_primary', userId, caller })
    announce(tx, 'updated', userId)
    return ok({ number: phone.number, changed: true })
  })
}

/**
 * Removes a number. A verified one that is the last way back in stays.
 * @returns the number that went; refusals `last_way_back`, `not_found`
 */
export async function remove(
  tx: Tx | null,
  userId: string,
  id: string,
  caller: Caller,
): Promise<Result<{ number: string; wasVerified: boolean }>> {
  if (!isUuid(userId) || !isUuid(id)) return refuse('not_found')
  return within(tx, async (tx) => {
    if (!(await lockUser(tx, userId))) return refuse('not_found')
    const phone = await store.readPhone(tx, userId, id)
    if (!phone) return refuse('not_found')
    const wasVerified = phone.verifiedAt !== null
    if (wasVerified) {
      const kept = await keepsWayBack(tx, userId, { phones: 1 })
      if (!kept.ok) return kept
    }
    await store.removePhone(tx, userId, id)
    await record(tx, { type: 'phone.removed', userId, caller, data: { verified: wasVerified } })
    announce(tx, 'updated', userId)
    return ok({ number: phone.number, wasVerified })
  })
}

const digits = (text: string): string => text.replace(/[^+\d]/g, '')

/**
 * Which numbers are foreign. The one they had longest is not, though a notice names it: whoever makes it primary again
 * has one say so. Pure.
 */
export function foreignNumbers<Row extends Pick<PhoneView, 'number' | 'verifiedAt' | 'createdAt'>>(
  all: readonly Row[],
  { since, number }: Foreign,
): Row[] {
  const longest = provenLongest(all)
  const named = (row: Row) => number !== undefined && digits(row.number) === digits(number)
  return all.filter((row) => broughtSince(row, since) || (named(row) && row !== longest))
}

/**
 * Takes away, in `tx`, the numbers that the owner says were not added by them; never the last way back in.
 * @returns the proven ones that went
 */
export async function expel(tx: Tx, userId: string, foreign: Foreign, caller: Caller): Promise<PhoneView[]> {
  const gone: PhoneView[] = []
  for (const phone of foreignNumbers(await list(userId), foreign)) {
    const removed = await remove(tx, userId, phone.id, caller)
    if (removed.ok && removed.value.wasVerified) gone.push(phone)
  }
  return gone
}

/**
 * Takes a number from whoever proved it, in `tx`: for operators, after the carrier gave it to somebody else. Also
 * when it is the last way back in, since it leads a stranger there. Claims of others to it stay.
 * @returns whose it was, or null when nobody had proven it
 */
export async function release(tx: Tx, number: string): Promise<{ userId: string } | null> {
  await store.lockNumber(tx, number)
  const held = await store.ownedPhone(tx, number)
  if (!held || !(await lockUser(tx, held.userId))) return null
  const { userId, id } = held
  await store.removePhone(tx, userId, id)
  const data = { verified: true, released: true }
  await record(tx, { type: 'phone.removed', userId, actor: 'operator', data })
  announce(tx, 'updated', userId)
  return { userId }
}

/** Whether this person wants to be told of security changes by text message too. */
export const wantsTexts = (userId: string): Promise<boolean> => store.readTexts(userId)

/** Switches that on, in `tx`, for whoever has a proven number, or off. Twice is no error. */
export async function setTexts(tx: Tx, userId: string, on: boolean, caller: Caller): Promise<void> {
  if (await store.setTexts(tx, userId, on))
    await record(tx, { type: 'phone.notices_changed', userId, caller, data: { on } })
}
