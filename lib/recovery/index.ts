/**
 * Room: recovery.
 * Owns: the ways back into an account and the renewal of its password: the forgotten one, the changed one,
 *   delayed recovery, trusted contacts, and what each loss would cost a person.
 * Hands off: addresses (users), links and hashes (factors), sessions, how a message travels (notify).
 * Invariants: whoever asks learns nothing about who has an account, not even by time (what a request leads
 *   to happens after its answer); a new password ends every way of holding on to the old one, in the same
 *   transaction; no recovery signs anybody in; a veto and a completion exclude each other in one statement.
 */
import 'server-only'
import './shut-out'

export { type ChangePassword, change, passwordSuffices } from './change'
export * as contacts from './contacts'
export {
  type Contact,
  type Invitation,
  invitation,
  type Pending,
  type Protege,
  type VouchView,
} from './contacts'
export {
  type DelayedView,
  delayed,
  type Running,
  running,
  type VetoView,
  veto,
  vetoView,
} from './delayed'
export { type Item, type Loss, type Outlook, outlook, rehearse } from './outlook'
export { forgot, type ResetView, reset, resetView } from './reset'

/** After a backup was put back: no recovery is under way. */
export { endRecoveries as endAfterRestore } from './store-restored'
