/**
 * Back-channel logout (OpenID Connect Back-Channel Logout 1.0): when a session ends, every app it was signed in to
 * that has an address for it is told by a signed token. Owed in the transaction that ends the session, sent by the
 * delivery queue until the app says yes or a day is over.
 */
import type { Logout } from './store'

/** The kind of delivery; its target is the app's client_id. */
export const KIND = 'backchannel_logout'

/** What names the debt: the app, and the name that it knows the session by. */
export const debtOf = ({ clientId, sid }: Pick<Logout, 'clientId' | 'sid'>) => ({
  target: clientId,
  dedupeKey: sid,
})
