/**
 * Room: security.
 * Owns: what a person does about the ways into their account (addresses first), telling them of every
 *   such change, taking one back, and "this wasn't me".
 * Hands off: whose address is whose (users), codes and links (factors), sessions, consents (oidc), mail
 *   (notify). Has no tables of its own.
 * Invariants: every change is told to all proven addresses in its own transaction; a change of the primary
 *   address can be taken back by the old one; a link does nothing before its POST.
 */
import 'server-only'

/** add, resend, pending, verify, makePrimary, remove, whereOpened. */
export * as emails from './emails'
/** peek, lockDown. */
export * as lockdown from './lockdown'
export { type SecurityNews, tellSecurity } from './news'
/** add, resend, pending, verify, makePrimary, remove, release. */
export * as phones from './phones'
export { whenShutOut } from './shut-out'
/** peek, undo: of a change of the primary address. */
export * as emailChange from './undo'
