/**
 * Room: security.
 * Owns: what a person does about the ways into their account (addresses, numbers, factors) and its end, telling them of
 *   every such change, taking one back, and "this wasn't me".
 * Hands off: whose address is whose (users), codes and links (factors), sessions, consents (oidc), mail
 *   (notify). Has no tables of its own.
 * Invariants: every change is told to all proven addresses in its own transaction; a factor comes or goes by
 *   a fresh proof, and never the last one that is needed; a change of the primary address can be taken back by
 *   the old one; a link does nothing before its POST.
 */
import 'server-only'

/** begin, pending, confirm, rename, remove: of authenticator apps. */
export * as authenticators from './authenticators'
/** generate, missing. */
export * as backupCodes from './backup-codes'
/** keptDays, close, closeFor, peek, keep, keepFor, startErasing: the end of an account. */
export * as closing from './closing'
/** add, resend, pending, verify, makePrimary, remove, whereOpened. */
export * as emails from './emails'
/** totp, passkey, account: a new factor or way in and what comes with it, in the transaction of whoever saw the proofs. */
export * as enrol from './enrol'
/** list, begin, finish, remove: of linked accounts elsewhere. */
export * as linked from './linked'
/** peek, lockDown. */
export * as lockdown from './lockdown'
export { type SecurityNews, tellSecurity } from './news'
/** options, add, rename, remove: of passkeys and security keys. */
export * as passkeys from './passkeys'
/** add, resend, pending, verify, makePrimary, remove, release, setTexts. */
export * as phones from './phones'
export { type Removed, resetFactors } from './reset-factors'
export { whenShutOut } from './shut-out'
export { type Standing, standing } from './standing'
/** make, remove, endAll: of personal access tokens. */
export * as tokens from './tokens'
/** forget. */
export * as devices from './trusted-devices'
/** peek, undo: of a change of the primary address. */
export * as emailChange from './undo'
