/**
 * Apps that prove themselves by a key (private_key_jwt, RFC 7523) and tokens that are bound to one (DPoP, RFC 9449): where
 * keys come from, what an assertion must say, and that nothing signed is taken twice.
 */
import { LRUCache } from 'lru-cache'
import { nowMs, nowSeconds } from '../base/clock'
import { env } from '../base/env'
import { log } from '../base/log'
import { ForbiddenAddress, getDocument } from '../base/outbound'
import * as clients from './clients'
import { type Client, errors, type KoaContextWithOIDC, type Provider } from './library'
import { useOnce } from './store'

const MAX_BYTES = 65_536
/** An app that rotates its keys publishes the new one this long before it signs. */
const FRESH_MS = 60_000
/** Who does not answer is left alone for a while, whatever strangers make of it. */
const FAILED_MS = 30_000

interface Fetched {
  until: number
  status: number
  text: string
}

const fetched = new LRUCache<string, Fetched>({ max: 1000 })
const running = new Map<string, Promise<Fetched>>()

/**
 * How the library fetches an app's `jwks_uri`, or the document that describes it: guarded like everything that others registered (lib/base/outbound.ts), at
 * most once a minute for each address, and never twice at once.
 */
export async function fetchDocument(target: string | URL | Request): Promise<Response> {
  const url = String(target)
  const known = fetched.get(url)
  const found = known && nowMs() < known.until ? known : await (running.get(url) ?? fetchOnce(url))
  // The library keeps what it gets for as long as it likes; it is asked to come back here.
  return new Response(found.text, { status: found.status, headers: { 'content-type': 'application/json' } })
}

function fetchOnce(url: string): Promise<Fetched> {
  const work = (async (): Promise<Fetched> => {
    try {
      const answer = await getDocument(url, MAX_BYTES, { privateNetworks: privateNetworks() })
      return { ...answer, until: nowMs() + (answer.status === 200 ? FRESH_MS : FAILED_MS) }
    } catch (error) {
      const why =
        error instanceof ForbiddenAddress ? `${error.message} (BACKCHANNEL_PRIVATE_NETWORKS)` : error
      log().info(
        { url, err: why instanceof Error ? why.message : why },
        'a document of an app was not fetched',
      )
      return { status: 502, text: '', until: nowMs() + FAILED_MS }
    }
  })().then((found) => {
    fetched.set(url, found)
    return found
  })
  running.set(url, work)
  return work.finally(() => running.delete(url))
}

function privateNetworks(): string[] {
  const { backchannelPrivateNetworks, loopback } = env()
  return loopback ? [...backchannelPrivateNetworks, 'loopback'] : backchannelPrivateNetworks
}

/** OP13: five minutes, and a little for clocks. */
const ASSERTION_SECONDS = 330
/** FAPI 2.0 Security Profile section 5.4. */
const FAPI_ALGORITHMS = ['PS256', 'ES256', 'EdDSA', 'Ed25519']

/** What an assertion must say beyond RFC 7523; the library has verified it. */
export async function judgeAssertion(
  _ctx: KoaContextWithOIDC,
  claims: Record<string, unknown>,
  header: Record<string, unknown>,
  client: Client,
): Promise<void> {
  if (Number(claims.exp) > nowSeconds() + ASSERTION_SECONDS)
    throw new errors.InvalidClientAuth('the client assertion must not be good for more than five minutes')
  if (clients.rowOf.get(client)?.settings.security !== 'fapi2') return
  if (claims.aud !== env().issuer)
    throw new errors.InvalidClientAuth('the audience of the client assertion must be the issuer alone')
  if (!FAPI_ALGORITHMS.includes(String(header.alg)))
    throw new errors.InvalidClientAuth('the client assertion is signed with an algorithm that is not allowed')
}

/** Of two that come at once with the same jti, in whatever process, one is taken. */
export function refuseReplays(provider: Provider): void {
  const { ReplayDetection } = provider as unknown as { ReplayDetection: object }
  Object.assign(ReplayDetection, {
    unique: (by: string, jti: string, exp: number): Promise<boolean> =>
      useOnce(`${by}\n${jti}`, Math.max(1, Math.ceil(exp - nowSeconds()))),
  })
}
