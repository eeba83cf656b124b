/**
 * Apps that prove themselves by a key (private_key_jwt, RFC 7523) and tokens that are bound to one (DPoP, RFC 9449): where
 * keys come from, what an assertion must say, and that nothing signed is taken twice.
 */
import { calculateJwkThumbprint, decodeProtectedHeader } from 'jose'
import { LRUCache } from 'lru-cache'
import { nowMs, nowSeconds } from '../base/clock'
import { env } from '../base/env'
import { type Bucket, bucket } from '../base/limits'
import { log } from '../base/log'
import { ForbiddenAddress, getDocument, resolveAll } from '../base/outbound'
import { sha256 } from '../base/secrets'
import { Turns, WorkQueue } from '../base/turns'
import * as clients from './clients'
import { current, tooMany } from './context'
import { type Client, errors, type KoaContextWithOIDC, Provider } from './library'
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
  type: string
}

const fetched = new LRUCache<string, Fetched>({ max: 1000 })
const running = new Map<string, Promise<Fetched>>()

/** How many addresses that strangers gave us are asked at once: in all, and because of one network. */
const STRANGERS = new Turns(8, 2)
/** And of those how many names are looked up: a name server that lets us wait leaves threads for everything else. */
const LOOK_UPS = new WorkQueue(() => ({ concurrency: 2, maxWaitMs: 20_000, maxWaiting: 8 }))

async function resolveInTurn(host: string): ReturnType<typeof resolveAll> {
  const found = await LOOK_UPS.run(() => resolveAll(host))
  if (!found.ok) throw new Error('too many names are being looked up')
  return found.value
}

/** OAuth Client ID Metadata Document, section 4: JSON, or something that is written in it. */
const isJson = (type: string): boolean => /^application\/([\w.!#$&^-]+\+)?json$/.test(type)

/**
 * How the library fetches an app's `jwks_uri`, or the document that describes it: guarded like everything that others registered (lib/base/outbound.ts), at
 * most once a minute for each address, and never twice at once.
 */
export async function fetchDocument(target: string | URL | Request): Promise<Response> {
  const url = String(target)
  const known = fetched.get(url)
  const found = known && nowMs() < known.until ? known : await (running.get(url) ?? fetchOnce(url))
  if (current()?.document === url && found.status === 200 && !isJson(found.type))
    throw new Error('its content type is neither application/json nor of the kind application/…+json')
  // The library keeps what it gets for as long as it likes; it is asked to come back here.
  return new Response(found.text, { status: found.status, headers: { 'content-type': 'application/json' } })
}

/** Whose address it is that is asked: null of an operator's, else the network that made us ask. */
function strangerOf(url: string): string | null {
  const state = current()
  const client = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.client
  const row = client && clients.rowOf.get(client)
  if (!state || (state.document !== url && row && !row.settings.registered)) return null
  return state.caller.ipPrefix
}

function fetchOnce(url: string): Promise<Fetched> {
  const stranger = strangerOf(url)
  const done = stranger === null ? () => {} : STRANGERS.take(stranger)
  // Nobody was asked, so nothing is known of the address.
  if (!done) return Promise.resolve({ until: 0, status: 503, text: '', type: '' })
  // It goes on where nobody waits any more, and the turn lasts as long.
  let lookUp: Promise<unknown> = Promise.resolve()
  const resolve: typeof resolveAll = (host) => {
    const found = stranger === null ? resolveAll(host) : resolveInTurn(host)
    lookUp = found.catch(() => {})
    return found
  }
  const work = (async (): Promise<Fetched> => {
    try {
      const answer = await getDocument(url, MAX_BYTES, { privateNetworks: privateNetworks(), resolve })
      return { ...answer, until: nowMs() + (answer.status === 200 ? FRESH_MS : FAILED_MS) }
    } catch (error) {
      const why =
        error instanceof ForbiddenAddress ? `${error.message} (BACKCHANNEL_PRIVATE_NETWORKS)` : error
      log().info(
        { url, err: why instanceof Error ? why.message : why },
        'a document of an app was not fetched',
      )
      return { status: 502, text: '', type: '', until: nowMs() + FAILED_MS }
    }
  })().then((found) => {
    fetched.set(url, found)
    return found
  })
  running.set(url, work)
  return work.finally(() => {
    running.delete(url)
    lookUp.then(done)
  })
}

function privateNetworks(): string[] {
  const { backchannelPrivateNetworks, loopback } = env()
  return loopback ? [...backchannelPrivateNetworks, 'loopback'] : backchannelPrivateNetworks
}

/**
 * Whether what the app of this request is about to be given can be encrypted to its key. Asked before a code or a refresh
 * token is used up: an app whose keys cannot be read for a while tries again, and loses nothing.
 * @throws an error that is told to the app
 */
export async function mustBeAbleToEncrypt(): Promise<void> {
  const client = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.client
  const alg = client && clients.rowOf.get(client)?.metadata.id_token_encrypted_response_alg
  if (!alg) return
  const { asymmetricKeyStore: keys } = client as unknown as {
    asymmetricKeyStore: { refresh(): Promise<void>; selectForEncrypt(wanted: object): unknown[] }
  }
  let fitting: unknown[] = []
  try {
    await keys.refresh()
    fitting = keys.selectForEncrypt({ alg, use: 'enc' })
  } catch (error) {
    log().info({ err: (error as Error).message }, 'keys of an app were not read')
  }
  if (fitting.length > 0) return
  const why = `no suitable encryption key found (${alg}), nothing was used up`
  throw Object.assign(new errors.CustomOIDCProviderError('temporarily_unavailable', why), {
    status: 503,
    statusCode: 503,
  })
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

/** Proofs of one sign-in, or one app: more is nothing that anybody works with. */
const PROOFS = { capacity: 600, perMinute: 600 }

/**
 * Whether what was signed is written down, so that it is not taken again. What it is shown with was found good by then;
 * a key that is not the token's is refused here, before the library says so. So a mark hangs on something that was hard
 * to come by, or on the network where nothing was.
 * @throws InvalidToken, InvalidGrant, or 429
 */
async function mayMark(): Promise<void> {
  const ctx = Provider.ctx as KoaContextWithOIDC | undefined
  const state = current()
  // The management API judges token and key before it asks (management-access.ts); its apps are an operator's.
  if (!ctx) return
  if (!state) throw new Error('a request reached the provider past handle()')
  const { route, entities } = ctx.oidc
  const atUserinfo = route === 'userinfo'
  const wanted = atUserinfo ? (entities.AccessToken?.jkt ?? '') : state.boundTo
  if (wanted !== undefined && wanted !== (await keyOfProof(ctx))) {
    const detail = 'failed jkt verification'
    throw atUserinfo ? new errors.InvalidToken(detail) : new errors.InvalidGrant(detail)
  }
  const limit = limitOf(ctx, state.caller.ipPrefix)
  const allowed = limit && (await bucket(limit.subject, limit, 'signed-proof'))
  if (allowed && !allowed.ok) throw tooMany(allowed.refusal, 'too many signed proofs')
}

/** Whose limit it is; null where each mark costs a code, a refresh token, or the word of an app that an operator registered. */
function limitOf({ oidc }: KoaContextWithOIDC, network: string): (Bucket & { subject: string }) | null {
  // Anybody may push a request of an app without a secret.
  if (oidc.route === 'pushed_authorization_request') {
    const { requestsBurst, requestsPerMinute } = env().limits
    return { subject: network, capacity: 2 * requestsBurst, perMinute: 2 * requestsPerMinute }
  }
  if (oidc.route === 'userinfo') return { subject: oidc.entities.AccessToken?.grantId ?? '', ...PROOFS }
  const row = oidc.client && clients.rowOf.get(oidc.client)
  return row?.settings.registered ? { subject: sha256(row.id), ...PROOFS } : null
}

/** The thumbprint of the key that the request's DPoP proof is signed with; the library has verified it. */
async function keyOfProof(ctx: KoaContextWithOIDC): Promise<string> {
  const { jwk } = decodeProtectedHeader(ctx.get('DPoP'))
  return jwk ? calculateJwkThumbprint(jwk) : ''
}

/** Of two that come at once with the same jti, in whatever process, one is taken. */
export function refuseReplays(provider: Provider): void {
  const { ReplayDetection } = provider as unknown as { ReplayDetection: object }
  Object.assign(ReplayDetection, {
    async unique(by: string, jti: string, exp: number): Promise<boolean> {
      await mayMark()
      // The library says how long from now; a proof that is dated ahead is good for as long again.
      return useOnce(`${by}\n${jti}`, Math.max(1, 2 * Math.ceil(exp - nowSeconds())))
    },
  })
}
