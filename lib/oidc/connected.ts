/** Connected apps: what each app may know of a person, since when, where it is signed in, and what its removal ended. */
import { receipts as deliveryReceipts } from '../audit'
import * as sessions from '../sessions'
import { KIND, removedDebtOf } from './backchannel'
import * as clients from './clients'
import { type Receipt, stateOf, type Told } from './endings'
import { type ApiScope, describeScopes } from './resources'
import { SCOPE_OF_CLAIM } from './scopes'
import * as store from './store-connected'

/** One app that a person lets know something. */
export interface GrantView {
  clientId: string
  clientName: string
  logoUri: string | null
  clientUri: string | null
  policyUri: string | null
  tosUri: string | null
  /** One of the operator's own: nobody was asked, and nobody will be. */
  firstParty: boolean
  /** The operator switched it off: it gets nothing while that lasts. */
  off: boolean
  scopes: string[]
  /** Single claims that it may see beside those of its scopes. */
  claims: string[]
  /** Scopes of APIs that it may use in the person's name, in words. */
  apiScopes: Record<string, ApiScope>
  createdAt: Date
  lastUsedAt: Date | null
  /** Live sessions that are signed in to it, last used there first. */
  sids: string[]
  /** Of its sign-ins, those that it can renew by itself. */
  tokens: number
  /** How it learns that it was removed; null: its next request fails. */
  told: Told
}

const MOST = 200

/** A claim that the app sees through a scope anyway is not named beside it. */
const single = ({ scopes, claims }: store.ConnectedRow): string[] =>
  claims.filter((claim) => !scopes.includes(SCOPE_OF_CLAIM.get(claim) ?? 'openid'))

async function toView(row: store.ConnectedRow): Promise<GrantView> {
  const { metadata: m } = row
  return {
    clientId: row.clientId,
    clientName: row.name,
    logoUri: m.logo_uri ?? null,
    clientUri: m.client_uri ?? null,
    policyUri: m.policy_uri ?? null,
    tosUri: m.tos_uri ?? null,
    firstParty: row.firstParty,
    off: row.disabledAt !== null,
    scopes: row.scopes,
    claims: single(row),
    apiScopes: await describeScopes(row.resources),
    createdAt: row.createdAt,
    lastUsedAt: row.lastUsedAt,
    sids: row.sessions.map(({ sid }) => sid),
    tokens: row.tokens,
    // A frame is loaded by a browser that signs out, and this browser does not.
    told: clients.toldBy(m) === 'back_channel' ? 'back_channel' : null,
  }
}

async function read(userId: string, clientId: string | null, limit: number): Promise<GrantView[]> {
  const sids = await sessions.wouldEnd({ userId })
  return Promise.all((await store.connectedApps(userId, sids, clientId, limit)).map(toView))
}

/**
 * Apps the user allows something, most recently used first; at most `limit` (default and most 200).
 * @throws StoresDown
 */
export const list = (userId: string, limit = MOST): Promise<GrantView[]> =>
  read(userId, null, Math.max(1, Math.min(limit, MOST)))

/** One of them; null when the user allows it nothing. @throws StoresDown */
export const get = async (userId: string, clientId: string): Promise<GrantView | null> =>
  clients.PLAUSIBLE_ID.test(clientId) ? ((await read(userId, clientId, 1))[0] ?? null) : null

/** What the end of a consent ended, and whether the app knows. */
export interface Removal {
  clientId: string
  name: string
  firstParty: boolean
  sessions: number
  tokens: number
  /** `reached`: it said yes for every session; null: it has no address for it, or was signed in nowhere. */
  state: Receipt['state'] | null
}

/**
 * @param id `id` of what `grants.revoke` gave; another user's gives nothing
 * @throws StoresDown
 */
export async function removal(userId: string, id: string): Promise<Removal | null> {
  const found = /^[\w-]{10,64}$/.test(id) ? await store.endedGrant(userId, id) : null
  if (!found) return null
  const { sids, told, ...rest } = found
  const debts = told ? sids.map((sid) => removedDebtOf(id, { clientId: rest.clientId, sid })) : []
  return { ...rest, state: stateOf(await deliveryReceipts(KIND, debts)) }
}
