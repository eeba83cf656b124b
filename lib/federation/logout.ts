/** Ends of sessions: theirs by our request (RP-initiated logout), ours by theirs (back-channel logout). */
import { errors, type JWTPayload, jwtVerify } from 'jose'
import { now } from '../base/clock'
import type { ProviderSettings } from '../base/env'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import { find, keptOf } from './accounts'
import { keysOf, type Metadata, metadataOf, ProviderDown } from './metadata'
import { good } from './registry'
import { openFor } from './sealing'
import { anyDiscovery } from './shapes'
import * as once from './store'
import * as store from './store-accounts'
import type { ProviderLogout } from './types'

/** The metadata of a provider that has any; null for those of OAuth alone. @throws ProviderDown */
async function known(settings: ProviderSettings): Promise<Metadata | null> {
  const place = anyDiscovery(settings)
  return place && metadataOf(place.wellKnown, place.issuer)
}

/**
 * Where the browser goes to end its session at the provider, too (OpenID Connect RP-Initiated Logout 1.0); null when the
 * provider has no such place, or does not answer.
 * @param options.userId whose kept ID token is the hint, if one is kept; null where nobody is known any more
 */
export async function endSessionUrl(
  providerId: string,
  options: { userId: string | null; postLogoutRedirectUri: string },
): Promise<string | null> {
  const provider = good(providerId)
  if (!provider?.view.logout) return null
  let metadata: Metadata | null
  try {
    metadata = await known(provider.settings)
  } catch (error) {
    if (error instanceof ProviderDown) return null
    throw error
  }
  if (!metadata?.end_session_endpoint) return null
  const url = new URL(metadata.end_session_endpoint)
  const [row] = options.userId ? await store.ofUser(options.userId, providerId) : []
  const hint = row && keptOf(row).idToken
  if (row && hint) url.searchParams.set('id_token_hint', openFor('id', row, hint))
  url.searchParams.set('client_id', provider.settings.clientId)
  url.searchParams.set('post_logout_redirect_uri', options.postLogoutRedirectUri)
  return url.href
}

const EVENT = 'http://schemas.openid.net/event/backchannel-logout'
const TOLERANCE_SECONDS = 60
const MAX_AGE_SECONDS = 300
const MAX_LENGTH = 16_384

/**
 * Judges a logout token (OpenID Connect Back-Channel Logout 1.0 section 2.6): signature by the provider's keys, `iss`,
 * `aud`, `iat`, `events`, no `nonce`, `jti` once.
 * @returns whose sessions are over; the caller ends them. Refusals: `not_found`, `provider_failed`, `provider_down`
 * @throws StoresDown
 */
export async function backchannelLogout(
  providerId: string,
  logoutToken: string,
): Promise<Result<ProviderLogout>> {
  const provider = good(providerId)
  if (!provider || !anyDiscovery(provider.settings)) return refuse('not_found')
  const { view, settings } = provider
  const values = { provider: view.name }
  let payload: JWTPayload
  try {
    if (logoutToken.length > MAX_LENGTH) return refuse('provider_failed', { values })
    const metadata = await known(settings)
    if (!metadata || metadata.issuer.includes('{tenantid}')) return refuse('not_found')
    const algorithms = metadata.id_token_signing_alg_values_supported ?? ['RS256']
    const verified = await jwtVerify(logoutToken, keysOf(metadata.jwks_uri), {
      issuer: metadata.issuer,
      audience: settings.clientId,
      algorithms: algorithms.filter((alg) => /^(RS|PS|ES|Ed)/.test(alg)),
      requiredClaims: ['iat', 'jti', 'events'],
      clockTolerance: TOLERANCE_SECONDS,
      maxTokenAge: MAX_AGE_SECONDS,
      currentDate: now(),
    })
    // An ID token is not one: `typ` says so where it is set, `events` in any case.
    const { typ } = verified.protectedHeader
    if (typ !== undefined && !['logout+jwt', 'jwt'].includes(typ.toLowerCase())) throw new Error('typ')
    payload = verified.payload
  } catch (error) {
    const away =
      error instanceof ProviderDown ||
      error instanceof errors.JWKSTimeout ||
      (error instanceof errors.JOSEError && error.code === 'ERR_JOSE_GENERIC') ||
      error instanceof TypeError
    log().warn(
      { provider: view.id, why: (error as Error).message.slice(0, 200) },
      'a logout token was refused',
    )
    return refuse(away ? 'provider_down' : 'provider_failed', { values })
  }
  const { sub, sid, jti, events, nonce, iss } = payload
  const event = (events as Record<string, unknown> | null)?.[EVENT]
  const session = typeof sid === 'string' && sid ? sid : null
  const good_ =
    nonce === undefined &&
    typeof event === 'object' &&
    event !== null &&
    typeof jti === 'string' &&
    (session !== null || typeof sub === 'string')
  if (!good_ || !(await once.once(view.id, sha256(jti)))) return refuse('provider_failed', { values })
  const account = sub ? await find({ provider: view.id, issuer: iss ?? '', subject: sub }) : null
  return ok({ provider: view.id, account, sessionId: session })
}
