/**
 * Apps that register themselves (RFC 7591), with an initial access token or, where the operator opens it, without. What
 * they say of themselves is judged as an operator's words are; they are never first-party, people are always asked, and
 * those that nobody lets in are removed.
 */
import { record } from '../audit'
import { cleanText } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { key } from '../base/keys'
import { bucket, budget } from '../base/limits'
import { sha256 } from '../base/secrets'
import type { NewClient } from './client-metadata'
import * as registry from './client-registry'
import * as clients from './clients'
import { current } from './context'
import { type Adapter, errors, type KoaContextWithOIDC, Provider } from './library'
import { inTx } from './store'
import * as store from './store-registration'
import type { ClientMetadata, ClientRow } from './store-registry'

/** What an app may do that nobody vouched for. */
const GRANTS = ['authorization_code', 'refresh_token'] as const
/** So long an app that nobody let in is kept. */
const UNUSED_MS = 7 * 86_400_000
const DAY_SECONDS = 86_400
export const INVITATION_DAYS = { default: 7, most: 90 }

const unsupported = (what: string) => async (): Promise<never> => {
  throw new Error(`the library asked for ${what}, which nothing of ours needs`)
}

// ── initial access tokens ────────────────────────────────────────────────────

/**
 * Makes an initial access token: good for one registration.
 * @param options.days how long, 90 at most
 * @returns the token; it is not shown again, and only its SHA-256 is kept
 */
export async function invite(options: { days?: number; actor?: string } = {}): Promise<{
  token: string
  expiresAt: Date
}> {
  const token = `gti_${randomToken()}`
  const days = Math.min(options.days ?? INVITATION_DAYS.default, INVITATION_DAYS.most)
  await store.putInvitation(key('oidcInvitation', sha256(token)), days * DAY_SECONDS)
  await inTx((tx) =>
    record(tx, { type: 'client.invited', actor: options.actor ?? 'operator', data: { days } }),
  )
  return { token, expiresAt: new Date(nowMs() + days * DAY_SECONDS * 1000) }
}

/** How the library finds one. It is used up by the registration that it is for, not by one that is refused. */
export const invitations: Adapter = {
  upsert: unsupported('an initial access token to be saved'),
  consume: unsupported('an initial access token to be consumed'),
  findByUid: unsupported('findByUid'),
  findByUserCode: unsupported('findByUserCode'),
  revokeByGrantId: unsupported('revokeByGrantId'),
  destroy: unsupported('an initial access token to be destroyed'),
  async find(id) {
    const seconds = await store.invitationSeconds(key('oidcInvitation', sha256(id)))
    if (seconds <= 0) return undefined
    return { jti: id, kind: 'InitialAccessToken', exp: Math.floor(nowMs() / 1000) + seconds }
  },
}

// ── the registration ─────────────────────────────────────────────────────────

const isLocal = (uri: string): boolean => {
  const url = URL.canParse(uri) ? new URL(uri) : null
  return url !== null && (url.protocol !== 'https:' || url.hostname === 'localhost')
}

/** The id of an app to come. What it left out about itself is set here, before the library reads it. */
export function newClientId(ctx: KoaContextWithOIDC): string {
  const body = (ctx.oidc.body ?? {}) as Record<string, unknown>
  const uris = body.redirect_uris
  // RFC 8252 section 7: an app on the person's own machine listens at ports of its own, or has a scheme.
  if (body.application_type === undefined && Array.isArray(uris) && uris.length > 0) {
    if (uris.every((uri) => typeof uri === 'string' && isLocal(uri))) body.application_type = 'native'
  }
  // What is not kept is not said back either (RFC 7591 section 3.2.1).
  for (const name of IGNORED) delete body[name]
  // Without anybody who vouches for it, it has no picture.
  if (env().registration.mode === 'open') delete body.logo_uri
  // What it may ask for is judged when it asks: the library knows no scopes of APIs here (RFC 7591 section 2 lets us decide).
  delete body.scope
  return `self_${randomToken(12)}`
}

const IGNORED = [
  'contacts',
  'default_max_age',
  'require_auth_time',
  'default_acr_values',
  'initiate_login_uri',
  'software_id',
  'software_version',
  'use_mtls_endpoint_aliases',
]
/** Set by operators alone (`--security`, `--id-token-encryption`, …): whoever asks for it here must not believe that it has it. */
const OPERATORS = [
  'dpop_bound_access_tokens',
  'require_pushed_authorization_requests',
  'tls_client_certificate_bound_access_tokens',
  'id_token_encrypted_response_alg',
  'userinfo_signed_response_alg',
  'userinfo_encrypted_response_alg',
]

const text = (value: unknown): string | undefined =>
  typeof value === 'string' && value.trim() !== '' ? value : undefined

/** What a person sees first on the consent page. */
function nameOf(metadata: ClientMetadata): string {
  const said = text(cleanText(String(metadata.client_name ?? ''), 80).trim())
  if (said) return said
  const [uri = ''] = metadata.redirect_uris ?? []
  const url = URL.canParse(uri) ? new URL(uri) : null
  return url?.host || url?.protocol.slice(0, -1) || 'App'
}

const refusedAs = (code: string, message: string): Error =>
  code === 'redirect_uri_invalid'
    ? new errors.InvalidRedirectUri(message)
    : new errors.InvalidClientMetadata(message)

/** @param invited the operator asked for it: the pool of apps that nobody asked for is not its own */
async function spend(invited: boolean): Promise<void> {
  const { perIpDay, unusedMax } = env().registration
  const state = current()
  if (!state) throw new Error('an app can only register itself within a request')
  const spent = await budget(`registrations:${state.caller.ipPrefix}`, {
    max: perIpDay,
    windowSeconds: DAY_SECONDS,
  })
  const full = spent.ok && !invited && (await store.countUnused(unusedMax)) >= unusedMax
  if (spent.ok && !full) return
  const error = new errors.CustomOIDCProviderError(
    'temporarily_unavailable',
    full ? 'too many apps are waiting for their first user' : 'too many registrations from this address',
  )
  throw Object.assign(error, { status: 429, statusCode: 429 })
}

type Metadata = ClientMetadata & { client_secret?: string }

/**
 * What an app says of itself, as an operator would say it.
 * @param vouched somebody looked at it; else it gets no picture, which would lend it a face that is not its own
 * @throws InvalidClientMetadata for grants that only an operator gives
 */
function inputOf(m: Metadata, vouched: boolean): NewClient {
  const grants = m.grant_types ?? []
  const beyond = grants.find((grant) => !GRANTS.some((one) => one === grant))
  if (beyond) throw new errors.InvalidClientMetadata(`grant_types: ${beyond} cannot be registered here`)
  const held = OPERATORS.find((name) => Boolean((m as Record<string, unknown>)[name]))
  if (held) throw new errors.InvalidClientMetadata(`${held} is for operators to set`)
  // Whom the operator's authority vouches for, nobody says of themselves.
  if (m.token_endpoint_auth_method === 'tls_client_auth')
    throw new errors.InvalidClientMetadata('tls_client_auth is for operators to set')
  return {
    name: nameOf(m).slice(0, 80),
    redirectUris: m.redirect_uris,
    postLogoutRedirectUris: m.post_logout_redirect_uris ?? [],
    backchannelLogoutUri: text(m.backchannel_logout_uri),
    backchannelLogoutSessionRequired: m.backchannel_logout_session_required === true,
    authMethod: m.token_endpoint_auth_method,
    pairwise: m.subject_type === 'pairwise',
    signedRequests: m.require_signed_request_object === true,
    ...(m.jwks && { jwks: m.jwks }),
    ...(m.jwks_uri && { jwksUri: m.jwks_uri }),
    grants,
    native: m.application_type === 'native',
    idTokenAlg: m.id_token_signed_response_alg,
    introspectionAlg: m.introspection_signed_response_alg,
    logoUri: vouched ? text(m.logo_uri) : undefined,
    clientUri: text(m.client_uri),
    policyUri: text(m.policy_uri),
    tosUri: text(m.tos_uri),
  } as NewClient
}

/** Keeps an app as the library has judged it, once our own rules agree: the adapter of the library's Client model. */
export const registrations: Adapter = {
  consume: unsupported('an app to be consumed'),
  destroy: unsupported('an app to be destroyed'),
  // The library looks here before it looks at a document; apps that have a row are found before it is asked.
  find: async () => undefined,
  findByUid: unsupported('findByUid'),
  findByUserCode: unsupported('findByUserCode'),
  revokeByGrantId: unsupported('revokeByGrantId'),
  async upsert(id, payload) {
    const m = payload as unknown as Metadata
    const invitation = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.entities.InitialAccessToken?.jti
    const vouched = invitation !== undefined
    await spend(vouched)
    const input = { ...inputOf(m, vouched), clientId: id }
    const judged = registry.judge(input)
    if (!judged.ok) throw refusedAs(judged.refusal.code, String(judged.refusal.values?.message ?? ''))
    const name = invitation === undefined ? null : key('oidcInvitation', sha256(invitation))
    const left = name === null ? 0 : await store.invitationSeconds(name)
    if (name !== null && !(await store.takeInvitation(name)))
      throw new errors.InvalidToken('initial access token was already used')
    const caller = current()?.caller
    try {
      const added = await registry.add(
        input,
        { actor: 'registration', ...(caller && { caller }) },
        { registered: vouched ? 'token' : 'open', ...(m.client_secret && { secret: m.client_secret }) },
      )
      if (!added.ok) throw refusedAs(added.refusal.code, String(added.refusal.values?.message ?? ''))
    } catch (error) {
      // It is used up by the registration that it is for.
      if (name !== null && left > 0) await store.putInvitation(name, left)
      throw error
    }
  },
}

// ── client ID metadata documents ─────────────────────────────────────────────

/** So long a document is believed before it is looked at again, and so long beyond that where its host does not answer. */
const DOCUMENT_MS = 300_000
const WITHOUT_ANSWER_MS = 86_400_000
/** Documents that one network may make us look for. */
const LOOKS = { capacity: 10, perMinute: 10 }

/** Endpoints at which a request begins. */
const BEGINS = new Set(['authorization', 'pushed_authorization_request'])

/** Nobody answered, or nobody was asked; a host that says "not found" has answered. */
const isNoAnswer = (error: unknown): boolean =>
  error instanceof errors.InvalidClient &&
  /status 5\d\d|fetch not allowed/.test(`${error.error_description} ${error.error_detail}`)

export const isDocumentId = (id: string): boolean => id.startsWith('https://')

/** Whether this network may have another document fetched: it names whom we ask. */
export async function mayFetchDocument(): Promise<boolean> {
  const caller = current()?.caller
  return caller !== undefined && (await bucket(caller.ipPrefix, LOOKS, 'client-document')).ok
}

/**
 * The app that a document describes (OAuth Client ID Metadata Document): kept as a row like every other, so that consent, gate
 * and sign-out know it.
 * @param fetch gives the library's client, made of the document as it has judged it
 * @returns null where documents are off, or an operator switched the app off
 * @throws InvalidClient, InvalidClientMetadata
 */
export async function documented(
  id: string,
  fetch: () => Promise<{ metadata(): object } | undefined>,
): Promise<ClientRow | null> {
  if (!env().registration.documents || !current() || !clients.PLAUSIBLE_ID.test(id)) return null
  const known = await clients.active(id)
  const until = known?.settings.documentUntil ?? 0
  if (known && nowMs() < until) return known
  // A row comes of somebody who is sent here with it, not of anybody's call.
  if (!known && !BEGINS.has((Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.route ?? '')) return null
  const state = current()
  if (state) state.document = id
  let said: object | undefined
  try {
    said = (await fetch())?.metadata()
  } catch (error) {
    if (known && nowMs() < until + WITHOUT_ANSWER_MS && isNoAnswer(error)) return known
    throw error
  }
  if (!said) return null
  if (!known) await spend(false)
  const caller = current()?.caller
  const by = { actor: 'registration', ...(caller && { caller }) }
  const kept = await registry.keepDocumented(id, inputOf(said as Metadata, false), nowMs() + DOCUMENT_MS, by)
  if (!kept.ok) throw refusedAs(kept.refusal.code, String(kept.refusal.values?.message ?? ''))
  return kept.value
}

/** Browsers may ask from anywhere: there is no cookie in it, and nothing is told that the asker did not send. */
export async function allowAnyOrigin(ctx: KoaContextWithOIDC, next: () => Promise<void>): Promise<void> {
  ctx.set('Access-Control-Allow-Origin', '*')
  if (ctx.method !== 'OPTIONS') return next()
  ctx.set('Access-Control-Allow-Methods', 'POST')
  ctx.set('Access-Control-Allow-Headers', 'authorization, content-type')
  ctx.set('Access-Control-Max-Age', '3600')
  ctx.status = 204
}

/** Removes apps that registered themselves and that nobody let in for a week. */
export async function sweep(): Promise<void> {
  const gone = await store.deleteUnused(new Date(nowMs() - UNUSED_MS), 1000)
  for (const clientId of gone) {
    await inTx((tx) =>
      record(tx, { type: 'client.removed', clientId, actor: 'system', data: { unused: true } }),
    )
    clients.drop(clientId)
  }
}
