/**
 * Room: federation.
 * Owns: Account (linked identities) and the round trip to other providers: Google, GitHub, Microsoft, Apple, any
 * OpenID or OAuth provider. Next-auth is the catalogue and does the protocol.
 * Hands off: what comes back is a proof, not a session; signin weighs it, and asks for freshness before a link or an unlink.
 * Invariants: an identity is known by provider, issuer and subject, never by an address; a round trip ends once, in the
 * browser that began it, at the provider it began with; nothing here writes a user or a session.
 */
import 'server-only'

/** count, find, link, list, touch, unlink: linked accounts. None of them asks for freshness; callers do. */
export * as accounts from './accounts'
/** For doctor: what is wrong in the variables, and who does not answer. */
export { check, type ProviderCheck } from './check'
/** begin, keepPosted, finish: the round trip. */
export { begin, finish, keepPosted } from './handshake'
/** backchannelLogout, endSessionUrl: the end of sessions, theirs and ours. */
export { backchannelLogout, endSessionUrl } from './logout'
/** problems, provider, providers: what is configured, in the operator's order. */
export { problems, provider, providers } from './registry'
/** get: a provider's access token, renewed when it is over. */
export * as tokens from './tokens'
export type {
  AccountOwner,
  AccountView,
  Context,
  Identity,
  Outcome,
  ProviderLogout,
  ProviderToken,
  ProviderView,
  Purpose,
} from './types'
