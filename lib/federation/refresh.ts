/** Asks a provider for fresh tokens (RFC 6749 section 6), by openid-client: next-auth knows no refresh. */
import * as oauth from 'openid-client'
import type { ProviderSettings } from '../base/env'
import { ProviderFailed } from './core'
import { metadataOf, ProviderDown, REQUEST_MS } from './metadata'
import { readTokens, type Tokens } from './sealing'
import { shape } from './shapes'

/** Answers that are final: asking again changes nothing (RFC 6749 section 5.2). */
const FINAL = [
  'invalid_grant',
  'unauthorized_client',
  'invalid_scope',
  'bad_refresh_token',
  'interaction_required',
]

const urlOf = (place: unknown): string | undefined =>
  typeof place === 'string' ? place : (place as { url?: string } | undefined)?.url

/**
 * @param issuer whose word the account is (Microsoft's is of a tenant)
 * @throws ProviderDown, or ProviderFailed when there are no more tokens to be had
 */
export async function refresh(settings: ProviderSettings, issuer: string, token: string): Promise<Tokens> {
  const { entry, metadata } = await shape(settings)
  const { clientId = '', clientSecret = '' } = { ...entry, ...(entry.options as object) }
  const found = entry.wellKnown && !metadata ? await metadataOf(entry.wellKnown, issuer) : metadata
  const place = found?.token_endpoint ?? urlOf(entry.token)
  if (!place) throw new ProviderFailed('has no token endpoint')
  const post = (entry.client?.token_endpoint_auth_method ?? 'client_secret_basic') === 'client_secret_post'
  const auth = post ? oauth.ClientSecretPost(clientSecret) : oauth.ClientSecretBasic(clientSecret)
  const config = new oauth.Configuration({ issuer, token_endpoint: place }, clientId, {}, auth)
  config.timeout = REQUEST_MS / 1000
  // The operator's own address: https, or this machine.
  if (new URL(place).protocol === 'http:') oauth.allowInsecureRequests(config)
  try {
    const tokens = readTokens(await oauth.refreshTokenGrant(config, token))
    if (!tokens) throw new ProviderFailed('gave no access token')
    return tokens
  } catch (error) {
    if (error instanceof ProviderFailed) throw error
    if (error instanceof oauth.ResponseBodyError && FINAL.includes(error.error)) {
      throw new ProviderFailed(error.error, { cause: error })
    }
    throw new ProviderDown((error as Error).message, { cause: error })
  }
}
