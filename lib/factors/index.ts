/**
 * Room: factors.
 * Owns: passwords, authenticator apps, passkeys and security keys, backup codes, one-time codes, and what a
 *   user has enrolled.
 * Hands off: who is signed in (sessions), what a proof leads to (signin), how a message travels (notify).
 * Invariants: budget before secret; nothing at rest can be used as it is; an unknown name costs and
 *   answers like a known one; single use is one atomic statement.
 */
import 'server-only'
import type { Tx } from '../base/db'
import { keyIds } from '../base/secrets'
import * as store from './store'

export type { BackupCodes } from './backup-codes'
/** generate, verify, status, voidAll. */
export * as backupCodes from './backup-codes'
/** One-time links: issue, peek, use, voidAll. */
export type { Link, LinkPurpose, NewLink } from './links'
export * as links from './links'
export type { Sent } from './otp'
/** begin, verify, pending, drop. */
export * as otp from './otp'
export type {
  Authenticated,
  PasskeyKind,
  PasskeyRow,
  PasskeyUse,
  Provider as PasskeyProvider,
  ProviderIcon,
} from './passkeys'
/** available, registrationOptions, register, authenticationOptions, authenticate, list, rename, remove, signal. */
export * as passkeys from './passkeys'
/** rules, hash, verify, set, has, vouched, warm. */
export * as password from './password'
export type { PurposeName } from './purposes'
export { spendNotice } from './sending'
export type { Enrolled, Held, HeldRow } from './store'
export type { Enrolment, TotpView } from './totp'
/** begin, pending, confirm, verify, list, rename, remove. */
export * as totp from './totp'
export type { TriesOf } from './tries'
/** spend, giveBack, keysOf; spendSecond, giveBackSecond. */
export * as tries from './tries'

/** What may follow a first proof. */
export type SecondMethod = 'totp' | 'passkey' | 'security_key' | 'backup_code' | 'email_code' | 'sms_code'

/** What a user could prove themselves with. */
export const enrolled = async (userId: string): Promise<store.Enrolled> =>
  (await store.readHeld(userId)).enrolled

/**
 * The same with the password's hash, which is for `password.verify` alone. Or as a part of a larger statement: `sql` is a
 * query of one row (for nobody's id too), whose parameter `keys` is that of `keys()`, and `read` is what its row says.
 */
export const held = { of: store.readHeld, sql: store.heldSql, keys: keyIds, read: store.toHeld }

/**
 * Removes every second factor of a user in `tx`: authenticator apps, passkeys, security keys, backup codes.
 * For a person who lost them and proved otherwise who they are; who calls says so to them first.
 * @returns what was removed
 */
export const removeSecondFactors = (tx: Tx, userId: string): Promise<Omit<store.Enrolled, 'password'>> =>
  store.deleteSecondFactors(tx, userId)

/** After a backup was put back: nothing that was used is good again. */
export { voidUsed as voidAfterRestore } from './store-restored'
