/**
 * Back-channel logout (OpenID Connect Back-Channel Logout 1.0): when a session ends, every app it was signed in to
 * that has an address for it is told by a signed token. Owed in the transaction that ends the session, sent by the
 * delivery queue until the app says yes or a day is over. LGO2.
 */
import { type Delivery, oweAll, Undeliverable } from '../audit'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { ForbiddenAddress, postForm } from '../base/outbound'
import * as sessions from '../sessions'
import type { Memberships } from '../users'
import * as clients from './clients'
import { entryLacks, wentBy } from './entry'
import type { Provider } from './library'
import * as store from './store'

/** The kind of delivery; its target is the app's client_id. */
export const KIND = 'backchannel_logout'

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** What names the debt: the app, and the name that it knows the session by. */
export const debtOf = ({ clientId, sid }: Pick<store.Logout, 'clientId' | 'sid'>) => ({
  target: clientId,
  dedupeKey: sid,
})

/**
 * What names the debt of an app whose consent was taken back while the session went on: the person may let it in again
 * there, and the end of the session is another debt then.
 */
export const removedDebtOf = (
  grantId: string,
  { clientId, sid }: Pick<store.Logout, 'clientId' | 'sid'>,
) => ({
  target: clientId,
  dedupeKey: `${sid}.${grantId}`,
})

interface Payload {
  sub: string
  sid: string
}

/** Owes every app of the ended sessions its token, in the transaction that ends them. */
export async function oweLogouts(tx: Tx, { sessions: over }: sessions.Ended): Promise<void> {
  const userOf = new Map(over.map(({ sid, userId }) => [sid, userId]))
  const logouts = await store.logoutsIn(tx, [...userOf.keys()])
  await oweAll(
    tx,
    logouts.map((logout) => {
      const sub = userOf.get(logout.sessionId) ?? ''
      const payload: Payload = { sub, sid: logout.sid }
      return { kind: KIND, userId: sub, ...debtOf(logout), payload }
    }),
  )
}

/** Owes one app its tokens for sessions that it is signed out of, in the transaction that takes the consent back. */
export const oweRemoved = (
  tx: Tx,
  userId: string,
  { id, clientId, sids }: { id: string; clientId: string; sids: string[] },
): Promise<void> =>
  oweAll(
    tx,
    sids.map((sid) => {
      const payload: Payload = { sub: userId, sid }
      return { kind: KIND, userId, ...removedDebtOf(id, { clientId, sid }), payload }
    }),
  )

/**
 * Owes its tokens to every app that a person is signed in to and may not enter any more, in the transaction in which they
 * lost what let them in. The sessions go on, and so does what the app has: it is refused while it is so.
 */
export async function oweNoEntry(
  tx: Tx,
  userId: string,
  gone: Memberships,
  left: Memberships | null,
): Promise<void> {
  const sids = await sessions.wouldEnd({ userId }, 1000, tx)
  const logouts = await store.logoutsIn(tx, sids)
  const shut = logouts.filter(
    ({ settings }) => wentBy(settings, gone) && entryLacks(settings, left).length > 0,
  )
  // They may be let in and lose it once more.
  const id = uuid()
  await oweAll(
    tx,
    shut.map(({ clientId, sid }) => {
      const payload: Payload = { sub: userId, sid }
      return { kind: KIND, userId, ...removedDebtOf(id, { clientId, sid }), payload }
    }),
  )
}

/**
 * Sends one logout token, signed at this moment with the app's algorithm: two minutes old it is worth nothing. Its
 * address is the one registered now.
 * @throws Undeliverable when the app is gone; Error when it did not say yes
 */
export async function deliver(
  provider: Provider,
  { target: clientId }: Delivery,
  payload: unknown,
  signal: AbortSignal,
): Promise<void> {
  const row = await clients.active(clientId)
  const uri = row?.metadata.backchannel_logout_uri
  if (!uri) throw new Undeliverable('the app is gone, switched off, or has no address for it any more')
  const logout_token = await logoutToken(provider, clientId, payload as Payload)
  const status = await post(uri, { logout_token }, signal)
  // Section 2.8: 200; frameworks of apps answer 204 to a post without a body in return.
  if (status !== 200 && status !== 204) throw new Error(`the app answered ${status}`)
}

async function post(uri: string, fields: Record<string, string>, signal: AbortSignal): Promise<number> {
  const { backchannelPrivateNetworks, loopback } = env()
  const privateNetworks = loopback ? [...backchannelPrivateNetworks, 'loopback'] : backchannelPrivateNetworks
  try {
    return await postForm(uri, fields, { privateNetworks, signal })
  } catch (error) {
    if (!(error instanceof ForbiddenAddress)) throw error
    throw new Error(`${error.message} (BACKCHANNEL_PRIVATE_NETWORKS)`)
  }
}

/** Section 2.4, issued by the library as it issues ID tokens. */
async function logoutToken(provider: Provider, clientId: string, { sub, sid }: Payload): Promise<string> {
  const client = await provider.Client.find(clientId)
  if (!client) throw new Undeliverable('the app is gone')
  const make = provider.IdToken as unknown as new (
    claims: object,
    options: object,
  ) => {
    mask: object
    set(name: string, value: unknown): void
    issue(options: { use: 'logout' }): Promise<string>
  }
  const token = new make({ sub }, { client, ctx: undefined })
  token.mask = { sub: null }
  token.set('sid', sid)
  token.set('jti', uuid())
  token.set('events', { [EVENT]: {} })
  return await token.issue({ use: 'logout' })
}
