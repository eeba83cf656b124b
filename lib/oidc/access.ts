/**
 * Access tokens at APIs of the portal's own. They pass the same gate as at userinfo: the app is on and takes this
 * session, the session lives, the consent was not taken back.
 */
import { nowSeconds } from '../base/clock'
import * as sessions from '../sessions'
import { adapterFor } from './adapter'
import * as clients from './clients'
import { providerTokensScope } from './scopes'

export interface Access {
  userId: string
  clientId: string
  sid: string
  /** Somebody without an account. */
  guest: boolean
  /** Whether the person lets the app have their tokens of a provider, and the app is registered for that now. */
  mayHaveTokensOf(provider: string): boolean
}

/**
 * Who an access token acts for and what it allows.
 * @returns null for anything that is not a good access token (RFC 6750 `invalid_token`)
 * @throws StoresDown
 */
export async function access(token: string): Promise<Access | null> {
  const payload = await adapterFor('AccessToken').find(token)
  // A token for another API is none for ours.
  if (!payload || payload.aud || (payload.exp ?? 0) <= nowSeconds()) return null
  // Nor is one that is bound to a key or a certificate, of which nothing is shown here.
  if (payload.jkt || payload['x5t#S256']) return null
  const { accountId: userId, clientId, sessionUid: sid } = payload
  if (!userId || !clientId || !sid) return null
  const [client, facts] = await Promise.all([clients.active(clientId), sessions.alive(sid)])
  if (!client || !facts) return null
  const scopes = String(payload.scope ?? '').split(' ')
  return {
    userId,
    clientId,
    sid,
    guest: facts.guest,
    mayHaveTokensOf: (provider) =>
      scopes.includes(providerTokensScope(provider)) &&
      client.settings.providerTokens?.includes(provider) === true,
  }
}
