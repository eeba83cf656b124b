/**
 * Who calls the management API: an app that acts for itself, by an access token for that API alone (RFC 6750), bound to a
 * key (RFC 9449) or a certificate (RFC 8705), or not. The token passes the same gate as everywhere, and what the app is registered for now counts,
 * not what it was when the token was made.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Caller } from '../base/caller'
import { nowSeconds } from '../base/clock'
import { env } from '../base/env'
import { bucket } from '../base/limits'
import { log } from '../base/log'
import type { Refusal } from '../base/refusals'
import { sha256 } from '../base/secrets'
import { adapterFor } from './adapter'
import { getCertificate, thumbprint } from './certificates'
import * as clients from './clients'
import { begin } from './context'
import { checkDpopReplay, errors, type KoaContextWithOIDC, type Provider, validateDpop } from './library'
import { isManagementScope, type ManagementScope, managementId } from './management'
import { reachOf } from './resources'

export interface Manager {
  clientId: string
  /** What it may do, by its token and by its registration. */
  scopes: ManagementScope[]
}

/** Why a call is not let in: what the answer says. */
export interface Challenge {
  status: 400 | 401 | 429
  error: string
  description?: string
  headers: Record<string, string>
}

/** Thrown where calls come too often. */
class MustWait extends Error {
  readonly challenge: Challenge

  constructor({ retryAfterSeconds = 1 }: Refusal) {
    super('too many calls')
    this.challenge = {
      status: 429,
      error: 'rate_limited',
      headers: { 'Retry-After': String(retryAfterSeconds) },
    }
  }
}

export type Admission = { ok: true; manager: Manager } | { ok: false; challenge: Challenge }

/**
 * Calls with tokens that are none, from one network, before it is told to wait. Nobody guesses 256 bits: whoever has a
 * good one is let in all the same, or a neighbour could shut them out.
 */
const WRONG_TOKENS = { capacity: 20, perMinute: 10 }

/** One app that manages apps: a burst for whoever brings many in, then two a second. */
const CALLS = { capacity: 120, perMinute: 120 }

/** Where RFC 9728 metadata of the API is. */
export const managementMetadataPath = '/.well-known/oauth-protected-resource/api/admin'

/** What is said to whoever wants to know how to get in (RFC 9728 section 2). */
export const managementMetadata = (): object => ({
  resource: managementId(),
  resource_name: `${env().productName} management`,
  authorization_servers: [env().issuer],
  scopes_supported: ['clients:read', 'clients:write', 'clients:trust'] satisfies ManagementScope[],
  bearer_methods_supported: ['header'],
  dpop_signing_alg_values_supported: DPOP_ALGORITHMS,
  ...(env().certificates.header && { tls_client_certificate_bound_access_tokens: true }),
})

export const DPOP_ALGORITHMS = ['ES256', 'PS256', 'EdDSA', 'Ed25519'] as const

/** RFC 6750 section 3, RFC 9449 section 7.1, RFC 9728 section 5.1; a part in quotes holds none. */
export function challenge(
  scheme: 'Bearer' | 'DPoP',
  said: { error?: string; error_description?: string | undefined; scope?: string } = {},
): string {
  const parts = {
    realm: env().url,
    ...said,
    ...(scheme === 'DPoP' && { algs: DPOP_ALGORITHMS.join(' ') }),
    resource_metadata: `${env().url}${managementMetadataPath}`,
  }
  const text = Object.entries(parts)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}="${String(value).replace(/["\\]/g, "'")}"`)
  return `${scheme} ${text.join(', ')}`
}

/**
 * Judges the token of a request.
 * @param req its method, address and headers are read, never its body
 * @param res gets `DPoP-Nonce` where the app needs one
 * @throws StoresDown
 */
export async function admitManager(
  provider: Provider,
  req: IncomingMessage,
  res: ServerResponse,
  target: { pathname: string; caller: Caller },
): Promise<Admission> {
  const ctx = contextOf(provider, req, res, target)
  try {
    return { ok: true, manager: await judge(provider, ctx) }
  } catch (error) {
    if (error instanceof MustWait) return { ok: false, challenge: error.challenge }
    if (!(error instanceof errors.OIDCProviderError)) throw error
    return { ok: false, challenge: await challengeOf(ctx, error, target.caller.ipPrefix) }
  }
}

/** The library's idea of a request, at an address that is not its own. */
function contextOf(
  provider: Provider,
  req: IncomingMessage,
  res: ServerResponse,
  { pathname, caller }: { pathname: string; caller: Caller },
): KoaContextWithOIDC {
  begin(req, { caller, facts: null, granted: new Map(), setCookies: [] })
  const { createContext } = provider as unknown as {
    createContext(req: IncomingMessage, res: ServerResponse): KoaContextWithOIDC
  }
  const ctx = createContext.call(provider, req, res)
  const oidc = new provider.OIDCContext(ctx)
  Object.defineProperty(oidc, 'urlFor', { value: () => `${env().url}${pathname}` })
  return Object.assign(ctx, { oidc })
}

async function judge(provider: Provider, ctx: KoaContextWithOIDC): Promise<Manager> {
  const value = (
    ctx.oidc as unknown as { getAccessToken(options: { acceptDPoP: boolean }): string }
  ).getAccessToken({ acceptDPoP: true })
  const token = await adapterFor('ClientCredentials').find(value)
  const clientId = token?.clientId
  // For this API and no other: a token for several would be good at each of them for whoever runs one.
  const ours = token && [token.aud ?? []].flat().join('\n') === managementId()
  if (!clientId || !ours || (token.exp ?? 0) <= nowSeconds())
    throw new errors.InvalidToken('the access token is not good for this API')
  const client = await provider.Client.find(clientId)
  const row = client && clients.rowOf.get(client)
  if (!client || !row) throw new errors.InvalidToken('its app is not there')
  // Whether the app needs a nonce hangs on how it is registered.
  ctx.oidc.entity('Client', client)
  const proof = await validateDpop(provider, ctx, value)
  if (proof?.thumbprint !== token.jkt)
    throw new errors.InvalidToken(
      token.jkt ? 'the DPoP proof is not of the key of the token' : 'the token is not bound to a DPoP key',
    )
  const shown = token['x5t#S256'] ? getCertificate(ctx) : undefined
  if (token['x5t#S256'] && token['x5t#S256'] !== (shown && thumbprint(shown)))
    throw new errors.InvalidToken('the certificate of the token was not shown')
  const calls = await bucket(sha256(clientId), CALLS, 'management')
  if (!calls.ok) throw new MustWait(calls.refusal)
  // Last: a proof is written down where the token is good, the key is its own, and the app need not wait.
  if (proof) await checkDpopReplay(provider, ctx, proof, clientId, errors.InvalidToken)
  const granted = String(token.scope ?? '').split(' ')
  const now = (await reachOf(row.settings, managementId()))?.scopes ?? []
  return { clientId, scopes: now.filter((scope) => granted.includes(scope)).filter(isManagementScope) }
}

async function challengeOf(
  ctx: KoaContextWithOIDC,
  {
    error,
    error_description: description,
    error_detail: detail,
  }: InstanceType<typeof errors.OIDCProviderError>,
  ipPrefix: string,
): Promise<Challenge> {
  const { authorization = '' } = ctx.req.headers
  log().info({ error, description, detail }, 'management call refused')
  // Nothing that we know was shown: how it is done, and no word of an error (RFC 6750 section 3.1).
  if (!/^(Bearer|DPoP) /i.test(authorization))
    return {
      status: 401,
      error: 'invalid_token',
      description: 'show an access token for this API in the Authorization header',
      headers: { 'WWW-Authenticate': `${challenge('Bearer')}, ${challenge('DPoP')}` },
    }
  if (error === 'invalid_token') {
    const left = await bucket(ipPrefix, WRONG_TOKENS, 'management-token')
    if (!left.ok) return new MustWait(left.refusal).challenge
  }
  const scheme = /^DPoP /i.test(authorization) ? 'DPoP' : 'Bearer'
  return {
    status: error === 'invalid_request' ? 400 : 401,
    error,
    ...(description && { description }),
    headers: { 'WWW-Authenticate': challenge(scheme, { error, error_description: description }) },
  }
}
