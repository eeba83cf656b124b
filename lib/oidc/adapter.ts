/**
 * How the library reads and writes. Everything that acts for a person passes the gate in `find`; single
 * use is decided by the store, whatever the library checked before; bearer values are kept as hashes.
 */
import { isStorable } from '../base/clean'
import { env } from '../base/env'
import { bucket } from '../base/limits'
import { deviceCodes } from './adapter-device'
import { isRefreshToken, refreshTokens } from './adapter-refresh'
import { mustBeAbleToEncrypt } from './client-keys'
import { PERSONAL_CLIENT } from './client-metadata'
import * as clients from './clients'
import { current, type Granted, grantId, splitGrantId, tooMany } from './context'
import { mayEnter } from './entrants'
import { may, mayMachine } from './gate'
import { MAX_LIFETIME_SECONDS } from './keys'
import { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC, Provider } from './library'
import * as personal from './personal-tokens'
import { invitations, registrations } from './registration'
import * as revocations from './revocations'
import * as store from './store'

const GATED = new Set(['AccessToken', 'AuthorizationCode'])
/** What is an app's alone: whoever has its id after it is another. */
const OF_AN_APP = new Set([...GATED, 'ClientCredentials'])

/** Access tokens and codes carry the consent as it was when they were issued. */
interface Kept {
  payload: AdapterPayload
  grant?: store.GrantRow
  /** When its app was registered, milliseconds; left out by portals that did not keep it yet. */
  registeredAt?: number
}

/** The library puts the bearer value itself into the payload; it is kept only as a hash. */
export function withoutValue(payload: AdapterPayload): AdapterPayload {
  const { jti: _, ...rest } = payload
  return rest
}

/** When the app of this request was registered. */
function registrationNow(): number | undefined {
  const client = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.client
  return client && clients.rowOf.get(client)?.createdAt.getTime()
}

/** What was shown: the library knows a signed token at introspection and revocation by another name (structured.ts). */
function tokenOf(id: string): string {
  const shown = current()?.shown
  return shown?.name === id ? shown.token : id
}

const unsupported = (what: string) => async (): Promise<never> => {
  throw new Error(`the library asked for ${what}, which nothing of ours needs`)
}

const nothing = { findByUid: unsupported('findByUid'), findByUserCode: unsupported('findByUserCode') }

/** Longest life of an access token or code: how long a revocation must be remembered in Redis. */
const tombstoneSeconds = (): number => Math.max(env().accessTokenSeconds, MAX_LIFETIME_SECONDS) + 60

/** OP2: codes live for at most a minute. */
export const CODE_SECONDS = 60

/** Beyond guessing, and of another length than a refresh token. */
export const TOKEN_BITS = 256

/** Ends one token family: its refresh tokens in Postgres, its codes and access tokens in Redis. */
export async function revokeFamily(id: string): Promise<void> {
  const { consent, family } = splitGrantId(id)
  // First the mark, then the rows: a sign-in being stored at this moment sees the one or leaves the other.
  await revocations.revoke(consent, family, tombstoneSeconds())
  await store.deleteFamily(family)
}

/** Ends every token of consents that were taken back. */
export async function buryGrants(ids: string[]): Promise<void> {
  await Promise.all(ids.map((id) => revocations.revoke(id, null, tombstoneSeconds())))
}

/** The grants by which an app's sign-in begins. */
const SIGN_INS = new Set(['authorization_code', 'device_code'])

/** What anybody may make us keep, without having signed in. */
const FOR_ANYBODY = new Set(['Interaction', 'PushedAuthorizationRequest'])

/**
 * A request that waits stays for an hour: one network may begin twice as many as it may take steps of the
 * login, since each sign-in waits once for the person and once for the consent.
 * @throws an error that is told to the app
 */
export async function spendRequest(): Promise<void> {
  const caller = current()?.caller
  if (!caller) return
  const { requestsBurst, requestsPerMinute } = env().limits
  const limit = { capacity: 2 * requestsBurst, perMinute: 2 * requestsPerMinute }
  const allowed = await bucket(caller.ipPrefix, limit, 'oidc-request')
  if (allowed.ok) return
  throw new errors.CustomOIDCProviderError(
    'temporarily_unavailable',
    `too many requests from this address, try again in ${allowed.refusal.retryAfterSeconds ?? 1} seconds`,
  )
}

/** What a request becomes before anything of it is written to PostgreSQL. */
const JUDGED = new Set(['Interaction', 'PushedAuthorizationRequest', 'AuthorizationCode'])

/** @throws InvalidRequest for text that no store could keep */
export function mustBeText(payload: AdapterPayload): void {
  const { claims } = (payload.params ?? {}) as { claims?: unknown }
  if (isStorable(payload) && isStorable(parsed(claims))) return
  throw new errors.InvalidRequest('a parameter holds characters that are none')
}

/** The claims parameter, which is JSON in a text; what is none is for the library to refuse. */
function parsed(claims: unknown): unknown {
  try {
    return typeof claims === 'string' ? JSON.parse(claims) : claims
  } catch {
    return null
  }
}

/**
 * Whether the app of a waiting request may be answered where it asked to be, as it is registered now: the library judges
 * that once, when the request begins, and an address that an operator took away meanwhile may be somebody else's.
 */
async function mayGoBack({ params }: AdapterPayload): Promise<boolean> {
  const ctx = Provider.ctx as KoaContextWithOIDC | undefined
  const uri = params?.redirect_uri
  // A device has none.
  if (!ctx || typeof uri !== 'string') return true
  const client = await ctx.oidc.provider.Client.find(String(params?.client_id))
  return !client || client.redirectUriAllowed(uri)
}

/** What is kept by this name. Introspection and revocation ask for both kinds of access tokens at once, and a token is of one. */
async function kept(model: string, id: string): ReturnType<typeof store.getArtifact<Kept>> {
  const state = current()
  const other = state?.accessToken
  if (model === 'ClientCredentials' && other?.id === id && (await other.found)) return null
  const found = store.getArtifact<Kept>(model, id)
  if (model === 'AccessToken' && state) state.accessToken = { id, found }
  return found
}

/** Codes, access tokens, interactions, pushed requests: what may vanish with Redis. */
function redisAdapter(model: string): Adapter {
  return {
    ...nothing,
    async upsert(id, payload, expiresIn) {
      if (JUDGED.has(model)) mustBeText(payload)
      if (FOR_ANYBODY.has(model)) await spendRequest()
      // The jti of a signed token is no secret, and not the token.
      const kept: Kept = { payload: payload.jti === id ? withoutValue(payload) : payload }
      if (GATED.has(model)) {
        const granted = grantOf(payload)
        if (granted) kept.grant = granted
      }
      const registeredAt = OF_AN_APP.has(model) ? registrationNow() : undefined
      if (registeredAt !== undefined) kept.registeredAt = registeredAt
      const artifact = { model, id, payload: kept, ttlSeconds: expiresIn ?? 60 }
      if (model !== 'AccessToken' || !SIGN_INS.has(payload.gty ?? '')) return store.putArtifact(artifact)
      const state = current()
      // The library asks for the refresh token next: it is stored first, and both are told in one go.
      if (state && getsRefreshToken()) {
        state.access = artifact
        return
      }
      await store.putArtifact(artifact)
      await noteSignIn(payload, null)
    },
    async find(id) {
      if (GATED.has(model) && isRefreshToken(id)) return undefined
      if (personal.isPersonal(id)) return model === 'AccessToken' ? personalToken(id) : undefined
      const found = await kept(model, tokenOf(id))
      if (!found) return undefined
      const { payload, grant, registeredAt } = found.payload
      if (GATED.has(model) && !(await admit(payload, registeredAt))) return undefined
      if (model === 'Interaction' && !(await mayGoBack(payload))) return undefined
      if (model === 'AuthorizationCode') bindTo(payload.dpopJkt)
      if (model === 'ClientCredentials') {
        const unbound = isUnbound(payload)
        if (!(await mayMachine({ ...payload, registeredAt, unbound }))) return undefined
      }
      if (grant) remember(payload, grant)
      return { ...payload, jti: payload.jti ?? id, ...(found.consumed && { consumed: true }) }
    },
    async consume(id) {
      if (model === 'AuthorizationCode') await mustBeAbleToEncrypt()
      if ((await store.consumeArtifact(model, id)) === 'won') return
      // The library looked before someone else used it up: that is a replay all the same.
      if (model !== 'AuthorizationCode') throw new errors.InvalidRequestUri('request_uri was already used')
      const found = await store.getArtifact<Kept>(model, id)
      if (found?.payload.payload.grantId) await revokeFamily(found.payload.payload.grantId)
      throw new errors.InvalidGrant('authorization code already consumed')
    },
    destroy: (id) => store.dropArtifact(model, current()?.shown?.token ?? id),
    async revokeByGrantId(id) {
      // One mark covers codes and access tokens alike.
      if (model === 'AccessToken') {
        const { consent, family } = splitGrantId(id)
        await revocations.revoke(consent, family, tombstoneSeconds())
      }
    },
  }
}

/**
 * A personal access token, as an access token of no app: at userinfo, and at introspection by an app that is registered
 * for it. Anywhere else it is nothing.
 */
async function personalToken(value: string): Promise<AdapterPayload | undefined> {
  const state = current()
  const oidc = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc
  if (!state || !oidc) return undefined
  const atIntrospection = oidc.route === 'introspection'
  if (!atIntrospection && oidc.route !== 'userinfo') return undefined
  const row = oidc.client && clients.rowOf.get(oidc.client)
  if (atIntrospection && !row?.settings.personalTokens) return undefined
  // An app that proved who it is asks for many people: one of them cannot shut the others out.
  const found = await personal.find(value, atIntrospection ? null : state.caller)
  if (!found.ok) throw tooMany(found.refusal, 'too many unknown tokens from this address')
  const token = found.value
  if (!token) return undefined
  // Nor does somebody whom the app lets in nowhere else come in by a token of their own.
  if (atIntrospection && row && !(await mayEnter(row, { userId: token.userId, believed: true })))
    return undefined
  const [id, accountId] = [grantId(token.id, 'personal'), token.userId]
  const bearer = { grantId: id, accountId, clientId: PERSONAL_CLIENT }
  state.personal = true
  remember(bearer, { id: token.id, scopes: token.scopes, claims: [], resources: {} })
  return {
    ...bearer,
    jti: value,
    kind: 'AccessToken',
    gty: 'personal_access_token',
    scope: token.scopes.join(' '),
    iat: Math.floor(token.createdAt.getTime() / 1000),
    exp: Math.floor(token.expiresAt / 1000),
  }
}

/** Remembers the key that whoever shows this code or refresh token has to have. */
export function bindTo(thumbprint: unknown): void {
  const state = current()
  if (state && typeof thumbprint === 'string') state.boundTo = thumbprint
}

/** Lets this request find the consent again that was read with a token; the gate has been passed. */
export function remember({ grantId: id, accountId, clientId }: AdapterPayload, grant: store.GrantRow): void {
  if (id && accountId && clientId) current()?.granted.set(id, { ...grant, userId: accountId, clientId })
}

/** Whether neither a key (DPoP) nor a certificate is needed to use a token. */
const isUnbound = (payload: AdapterPayload): boolean => !payload.jkt && !payload['x5t#S256']

const UNBOUND: Record<string, 'access' | 'refresh'> = { AccessToken: 'access', RefreshToken: 'refresh' }

/** @param registeredAt when the app was registered that it was made for, where that is kept with it */
export async function admit(payload: AdapterPayload, registeredAt?: number): Promise<boolean> {
  const { accountId, clientId, sessionUid, grantId: id, aud } = payload
  if (!accountId || !clientId || !sessionUid || !id) return false
  const [over, allowed] = await Promise.all([
    revocations.revoked(id),
    may({
      userId: accountId,
      clientId,
      sid: sessionUid,
      registeredAt,
      audience: aud,
      unbound: isUnbound(payload) ? UNBOUND[payload.kind ?? ''] : undefined,
      spent: payload.kind === 'AccessToken',
    }),
  ])
  return allowed && !over
}

/** The consent behind what is being issued: read earlier in this request, or judged in the flow itself. */
export function grantOf(payload: AdapterPayload): store.GrantRow | undefined {
  const id = payload.grantId
  if (!id) return undefined
  const known = current()?.granted.get(id)
  if (known) {
    const { id, scopes, claims, resources } = known
    return { id, scopes, claims, resources }
  }
  const grant = (Provider.ctx as KoaContextWithOIDC | undefined)?.oidc.grant
  if (grant?.jti !== id) return undefined
  return {
    id: splitGrantId(id).consent,
    scopes: (grant.openid?.scope ?? '').split(' ').filter(Boolean),
    claims: grant.openid?.claims ?? [],
    resources: Object.fromEntries(
      Object.entries(grant.resources ?? {}).map(([uri, scopes]) => [uri, scopes.split(' ')]),
    ),
  }
}

/** Whether the app of this request gets a refresh token at each sign-in (`issueRefreshToken` in provider.ts). */
function getsRefreshToken(): boolean {
  const ctx = Provider.ctx as KoaContextWithOIDC | undefined
  return ctx?.oidc.client?.grantTypeAllowed('refresh_token') === true
}

/** Notes which app the session is signed in to, with its first refresh token if it gets one, in one statement. */
export async function noteSignIn(payload: AdapterPayload, first: store.RefreshFamily | null): Promise<void> {
  const { accountId, clientId, sessionUid, sid, grantId: id, scope } = payload
  if (!accountId || !clientId || !sessionUid || !sid || !id) throw new Error('tokens without their bearer')
  const { consent, family } = splitGrantId(id)
  const saved = await store.saveSignIn(
    { sessionId: sessionUid, clientId, sid, grantId: consent },
    {
      type: 'token.issued',
      userId: accountId,
      sessionId: sessionUid,
      clientId,
      caller: current()?.caller,
      data: { scope: scope ?? '' },
    },
    first,
  )
  // Taken back in this very moment: whoever did it was told what ended, and this sign-in was not among it.
  if (!saved) throw new errors.InvalidGrant('the consent was taken back')
  if (!first) return
  // Its code may have been replayed while this was being stored (see revokeFamily).
  const access = current()?.access
  const replayed = access
    ? await store.putArtifactThenBuried(access, consent, family)
    : await store.buried(consent, family)
  if (replayed) await store.deleteFamily(family)
}

/** Consents as the library sees them; written by grants.ts alone. */
const grants: Adapter = {
  ...nothing,
  upsert: unsupported('a consent to be saved'),
  consume: unsupported('a consent to be consumed'),
  revokeByGrantId: unsupported('consents to be revoked by grant'),
  destroy: revokeFamily,
  async find(id) {
    const { consent, family } = splitGrantId(id)
    const grant = current()?.granted.get(id) ?? (family ? await store.grantById(consent) : null)
    return grant ? grantPayload(id, grant) : undefined
  },
}

/** A consent as a payload of the library's Grant model. */
export function grantPayload(id: string, grant: Granted): AdapterPayload {
  return {
    jti: id,
    kind: 'Grant',
    accountId: grant.userId,
    clientId: grant.clientId,
    openid: {
      ...(grant.scopes.length > 0 && { scope: grant.scopes.join(' ') }),
      ...(grant.claims.length > 0 && { claims: grant.claims }),
    },
    resources: Object.fromEntries(
      Object.entries(grant.resources ?? {}).map(([uri, scopes]) => [uri, scopes.join(' ')]),
    ),
  }
}

/** Gives the library one adapter for each model. */
export function adapterFor(model: string): Adapter {
  if (model === 'RefreshToken') return refreshTokens
  if (model === 'Grant') return grants
  if (model === 'DeviceCode') return deviceCodes
  if (model === 'Client') return registrations
  if (model === 'InitialAccessToken') return invitations
  return redisAdapter(model)
}
