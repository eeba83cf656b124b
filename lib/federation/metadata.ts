/**
 * What an OpenID provider says about itself (OpenID Connect Discovery 1.0), kept for ten minutes; its keys by jose, which
 * asks again for a key it does not know. Only addresses that the operator configured are asked, and no redirect is followed.
 */
import { createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import { z } from 'zod'
import { nowMs } from '../base/clock'

/** The provider does not answer in time, or not with what it should: nobody's fault here, and it may be over soon. */
export class ProviderDown extends Error {
  override name = 'ProviderDown'
  /** Next-auth wraps what is thrown inside it, and leaves of it no more than message and code. */
  code = 'PROVIDER_DOWN'
}

/** How long one request to a provider may take. */
export const REQUEST_MS = 4000
const MAX_BYTES = 256 * 1024
const FRESH_MS = 10 * 60_000
/** An old document is better than none while the provider is away: its keys are asked for anew all the same. */
const STALE_MS = 24 * 3_600_000

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** https, or http where the document itself came from this machine. */
const endpoint = z.string().refine((value) => {
  const url = URL.canParse(value) ? new URL(value) : null
  return url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.includes(url.hostname))
})

const words = z.array(z.string())

const document = z.object({
  issuer: z.string(),
  authorization_endpoint: endpoint,
  token_endpoint: endpoint,
  jwks_uri: endpoint,
  userinfo_endpoint: endpoint.optional(),
  end_session_endpoint: endpoint.optional(),
  id_token_signing_alg_values_supported: words.optional(),
  token_endpoint_auth_methods_supported: words.optional(),
  code_challenge_methods_supported: words.optional(),
  scopes_supported: words.optional(),
  authorization_response_iss_parameter_supported: z.boolean().optional(),
})

export type Metadata = z.infer<typeof document>

interface Known {
  metadata: Metadata
  at: number
}

const known = new Map<string, Known>()
const asking = new Map<string, Promise<Metadata>>()

/**
 * JSON from a provider: bounded in time and size, redirects refused.
 * @throws ProviderDown
 */
export async function getJson(url: string, headers: Record<string, string> = {}): Promise<unknown> {
  let response: Response
  try {
    response = await fetch(url, {
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_MS),
      headers: { accept: 'application/json', 'user-agent': 'Gatehouse', ...headers },
    })
    if (response.ok) return JSON.parse(await text(response))
  } catch (error) {
    throw new ProviderDown('does not answer', { cause: error })
  }
  await response.body?.cancel()
  throw new ProviderDown(`answers ${response.status}`)
}

async function text(response: Response): Promise<string> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of response.body ?? []) {
    size += chunk.length
    if (size > MAX_BYTES) throw new Error('too long')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

/**
 * The metadata of an issuer.
 * @param expected the issuer that the document must name, letter by letter (Discovery section 4.3)
 * @throws ProviderDown
 */
export async function metadataOf(wellKnown: string, expected: string): Promise<Metadata> {
  const at = nowMs()
  const had = known.get(wellKnown)
  if (had && at - had.at < FRESH_MS) return had.metadata
  try {
    const running = asking.get(wellKnown) ?? ask(wellKnown, expected).finally(() => asking.delete(wellKnown))
    asking.set(wellKnown, running)
    return await running
  } catch (error) {
    if (had && at - had.at < STALE_MS) return had.metadata
    throw error
  }
}

async function ask(wellKnown: string, expected: string): Promise<Metadata> {
  const parsed = document.safeParse(await getJson(wellKnown))
  if (!parsed.success) throw new ProviderDown(`${wellKnown} is no discovery document`)
  if (parsed.data.issuer !== expected) {
    throw new ProviderDown(`${wellKnown} names another issuer than ${expected}`)
  }
  known.set(wellKnown, { metadata: parsed.data, at: nowMs() })
  return parsed.data
}

const keySets = new Map<string, JWTVerifyGetKey>()

/** The keys of a provider; an unknown one makes jose ask again, at most every few seconds. */
export function keysOf(jwksUri: string): JWTVerifyGetKey {
  const found =
    keySets.get(jwksUri) ??
    createRemoteJWKSet(new URL(jwksUri), { timeoutDuration: REQUEST_MS, cooldownDuration: 5000 })
  keySets.set(jwksUri, found)
  return found
}

/** Forgets what providers said (tests). */
export function forgetMetadata(): void {
  known.clear()
  keySets.clear()
}
