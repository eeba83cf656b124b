/**
 * Room: users.
 * Owns: users, profiles, avatars, emails, phones, roles, and which address is whose.
 * Hands off: proofs (factors), sessions (a disabled user's are revoked by the caller), mail.
 * Invariants: what is validated is what is stored and mailed; only a proven address belongs to anyone;
 *   verified flags, ids, status and roles never come from a patch; `user:created` and `user:updated`
 *   are published after the commit, with { userId, at }.
 */
import 'server-only'
import type { Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { normalizeEmail } from './address'
import * as directory from './directory'
import * as emailsOf from './emails'
import * as metadataOf from './metadata'
import { toSummary, type UserSummary } from './person'
import * as phonesOf from './phones'
import * as profileOf from './profile'
import * as store from './store'

export { domainOf, normalizeEmail } from './address'
export { MAX_UPLOAD_BYTES as MAX_AVATAR_BYTES } from './avatar'
export { claims, facts, type UserFacts } from './claims'
export {
  type ClosedAccount,
  close,
  eraseClosed,
  eraseNow,
  findClosed,
  isOver,
  keep,
  listClosed,
} from './closing'
export type { Page } from './directory'
export { type EmailView, type Foreign, foreignAddresses, MAX_ADDRESSES, provenLongest } from './emails'
export { addGuest, idleGuests, removeGuests, upgradeGuest } from './guests'
export { lockDown, unlock } from './lockdown'
export { type Memberships, memberships, roleNames, whenLosing } from './memberships'
export { avatarPath, type UserSummary } from './person'
export { countryOf, normalizePhone, readable as readablePhone } from './phone-number'
export { foreignNumbers, MAX_PHONES, type PhoneClaim, type PhoneView } from './phones'
export type { ProfilePatch, ProfileView } from './profile'
export { type Registration, register } from './register'
export { changeRoles, ROLE, setRoles } from './roles'
export { type Decision, disable, enable, whenDisabling } from './standing'
export { MAX_NAME, plainLine } from './text'
export { keepsWayBack, type WaysBack, waysBack } from './ways-back'

export const { list } = directory
export const { lockAccount } = store

/** What operators keep about a user for their apps: get, set. */
export const metadata = { get: metadataOf.get, set: metadataOf.set }

/** get, update, setAvatar, removeAvatar. */
export const profile = {
  get: profileOf.get,
  update: profileOf.update,
  setAvatar: profileOf.setAvatar,
  removeAvatar: profileOf.removeAvatar,
}

/** list, listIn, get, claim, verify, makePrimary, remove, restorePrimary, expel, reach. */
export const emails = {
  list: emailsOf.list,
  get: emailsOf.get,
  claim: emailsOf.claim,
  verify: emailsOf.verify,
  makePrimary: emailsOf.makePrimary,
  remove: emailsOf.remove,
  restorePrimary: emailsOf.restorePrimary,
  expel: emailsOf.expel,
  listIn: emailsOf.listIn,
  reach: emailsOf.reach,
}

/** list, claim, ownerOf, add, verify, makePrimary, remove, expel, release, wantsTexts, setTexts. */
export const phones = {
  list: phonesOf.list,
  claim: phonesOf.claim,
  ownerOf: phonesOf.ownerOf,
  add: phonesOf.add,
  verify: phonesOf.verify,
  makePrimary: phonesOf.makePrimary,
  remove: phonesOf.remove,
  expel: phonesOf.expel,
  release: phonesOf.release,
  wantsTexts: phonesOf.wantsTexts,
  setTexts: phonesOf.setTexts,
}

/** @returns null when there is no such user; deleted ones are shown as such */
export async function get(id: string): Promise<UserSummary | null> {
  const row = isUuid(id) ? await store.readUser(id) : null
  return row && toSummary(row)
}

/**
 * The user an address leads to: whose verified address it is, else the pending user whose primary it
 * is. Anything that is not one plain mailbox leads to nobody, after the same work.
 */
export async function find({ email }: { email: string }): Promise<UserSummary | null> {
  const address = normalizeEmail(email)
  const row = await store.readUserByAddress(address.ok ? address.value : '')
  return row && toSummary(row)
}

/** The same as a part of a larger statement: a query of one row at most, and what its row says. */
export const found = { sql: store.byAddressSql, read: toSummary }

/**
 * Lets one change of what a person signs in with happen at a time, until `tx` ends. Take it first.
 * @returns false when there is no such user
 */
export const lock = async (tx: Tx, userId: string): Promise<boolean> =>
  isUuid(userId) && (await store.lockUser(tx, userId)) !== null

/** A picture by its key, for the route that serves it. */
export async function avatar(key: string): Promise<{ bytes: Buffer; mimeType: string } | null> {
  if (typeof key !== 'string' || !/^[\w-]{43}$/.test(key)) return null
  const row = await store.readAvatar(key)
  return row && { bytes: row.bytes, mimeType: row.mime_type }
}
