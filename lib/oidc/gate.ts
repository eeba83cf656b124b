/**
 * The one gate every grant, token and code passes at every use. The adapter asks it before it hands
 * anything to the library, so no endpoint can forget to.
 */
import { nowMs } from '../base/clock'
import * as sessions from '../sessions'
import * as clients from './clients'
import { mayEnter } from './entrants'
import { isRestricted } from './entry'
import { reaches } from './levels'
import { reachOf } from './resources'
import type { ClientRow, ClientSettings } from './store-registry'

/** Codes and tokens that act for a person name the session they came from. */
export interface Bearer {
  userId: string
  clientId: string
  sid: string
  /** When the app was registered that it was made for, milliseconds; undefined: it cannot outlive that. */
  registeredAt?: number | undefined
  /** The API that an access token is for; undefined: the portal itself. */
  audience?: string | string[] | undefined
  /**
   * No key and no certificate is needed for it: an access token is then good for whoever has it, a refresh token for
   * whoever proves to be the app.
   */
  unbound?: 'access' | 'refresh' | undefined
  /** Nothing new comes of it: what was known of the person some seconds ago will do. */
  spent?: boolean
}

/**
 * True while the app is switched on, the session is alive (not revoked, ended or replaced) and belongs
 * to this user, who may be signed in: a session of a disabled user is not alive. An app that was registered
 * with a level of assurance gets nothing out of a session below it, one that takes no guests (any more) nothing out
 * of a guest's, one with limits of its own nothing out of a session beyond them, one that lets in some people only
 * nothing of anybody else, and one that lost an API nothing for that API. One that has the id of an app which was removed
 * gets nothing out of what that one left. Tokens that are not bound to a key or a certificate are nothing once the app is
 * registered to bind them; nor are refresh tokens, if nothing else proves the app.
 * @throws StoresDown
 */
export async function may({
  userId,
  clientId,
  sid,
  registeredAt,
  audience,
  unbound,
  spent = false,
}: Bearer): Promise<boolean> {
  const [client, facts] = await Promise.all([clients.active(clientId), sessions.alive(sid, userId)])
  if (!client || !isOf(client, registeredAt) || facts?.userId !== userId) return false
  if (isLoose(unbound, client)) return false
  if (facts.guest && !clients.takesGuests(client)) return false
  if (!withinLimits(client.settings, facts, nowMs())) return false
  if (client.settings.acr !== undefined && !reaches(facts.acr, client.settings.acr)) return false
  if (isRestricted(client.settings) && !(await mayEnter(client, { userId, sid, believed: spent })))
    return false
  return reachesAudience(client, audience)
}

/** Whether a token is less than the app is registered for: whoever stole it could use it (RFC 8705 section 4, RFC 9449 section 5). */
const isLoose = (unbound: Bearer['unbound'], client: ClientRow): boolean =>
  (unbound === 'access' ||
    (unbound === 'refresh' && client.metadata.token_endpoint_auth_method === 'none')) &&
  clients.bindsTokens(client)

/**
 * True while an app that acts for itself is switched on, may do that, and reaches the API.
 * @throws StoresDown
 */
export async function mayMachine({
  clientId = '',
  registeredAt,
  aud,
  unbound,
}: {
  clientId?: string | undefined
  registeredAt?: number | undefined
  aud?: string | string[] | undefined
  unbound: boolean
}): Promise<boolean> {
  const client = await clients.active(clientId)
  if (!client || !isOf(client, registeredAt)) return false
  if (unbound && clients.bindsTokens(client)) return false
  return client.metadata.grant_types.includes('client_credentials') && reachesAudience(client, aud)
}

/** Whether this is the registration that something was made for, and not a later one of the same id. */
const isOf = (client: ClientRow, registeredAt: number | undefined): boolean =>
  registeredAt === undefined || registeredAt === client.createdAt.getTime()

async function reachesAudience(client: ClientRow, audience: Bearer['audience']): Promise<boolean> {
  for (const id of [audience ?? []].flat()) if (!(await reachOf(client.settings, id))) return false
  return true
}

/** Whether an app's own limits on sessions leave it this one. Pure. */
export function withinLimits(
  { sessionIdleMinutes, sessionMaxMinutes }: ClientSettings,
  { authAt, lastActiveAt }: sessions.SessionFacts,
  at: number,
): boolean {
  if (sessionMaxMinutes !== undefined && at >= authAt + sessionMaxMinutes * 60_000) return false
  return sessionIdleMinutes === undefined || at < lastActiveAt + sessionIdleMinutes * 60_000
}
