/**
 * Builds the certified library's Provider with our storage, policy, clients and keys. Built again when
 * the signing keys change: it holds no state that is not in a store.
 */
import { decodeProtectedHeader } from 'jose'
import { SPOKEN } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { StoresDown } from '../base/refusals'
import { deriveKey } from '../base/secrets'
import * as sessions from '../sessions'
import { adapterFor, CODE_SECONDS, TOKEN_BITS } from './adapter'
import { REFRESH_TOKEN_BITS, refreshTokenValue } from './adapter-refresh'
import { isCertificateMethod } from './certificate-names'
import { mutualTls } from './certificates'
import { accountClaims, claimsModel } from './claims-shown'
import { fetchDocument, judgeAssertion, refuseReplays } from './client-keys'
import { AUTH_METHODS, CONTENT_ENCRYPTION, ENCRYPTION, PERSONAL_CLIENT } from './client-metadata'
import * as clients from './clients'
import { current, stateOf } from './context'
import { DEVICE_SECONDS, deviceInfo, toDevicePage, USER_CODE } from './device'
import * as grants from './grants'
import { interactionDestination } from './interactions'
import { ALGORITHMS, type KeySet } from './keys'
import { demands, LEVELS, type Security } from './levels'
import { type Configuration, errors, type KoaContextWithOIDC, Provider } from './library'
import { listen } from './listen'
import { DPOP_ALGORITHMS } from './management-access'
import { acrTold, demandsOf, interactionPolicy } from './policy'
import { documented, isDocumentId, mayFetchDocument, newClientId } from './registration'
import { defaultResource, describePerson, getResourceServerInfo } from './resource-server'
import { CLAIMS, providerTokensScope } from './scopes'
import { sessionModel } from './session'
import type { ClientRow } from './store-registry'
import { keepStructured, nameStructured } from './structured'
import { subjectFor } from './subjects'

/** Names of the library's cookies: none of them ever leaves or enters (see handle.ts). */
export const LIBRARY_COOKIES = {
  session: '_op_session',
  interaction: '_op_interaction',
  resume: '_op_resume',
} as const

export const ROUTES = {
  authorization: '/auth',
  code_verification: '/device',
  device_authorization: '/device_authorization',
  end_session: '/logout',
  introspection: '/introspection',
  jwks: '/jwks',
  pushed_authorization_request: '/par',
  registration: '/register',
  revocation: '/revocation',
  token: '/token',
  userinfo: '/userinfo',
} as const

const confidential = (client: { clientAuthMethod?: string | undefined }): boolean =>
  client.clientAuthMethod !== 'none'

/** Whether an app is registered with this level or a stricter one. */
const heldTo = (client: object, wanted: Security): boolean =>
  demands(clients.rowOf.get(client)?.settings.security, wanted)

function configuration(keys: KeySet): Configuration {
  const { accessTokenSeconds, idTokenSeconds, refreshTokenSeconds, loginAttemptSeconds, sessionMaxSeconds } =
    env()
  const { registration } = env()
  const methods = authMethods()
  const provingMethods = methods.filter((method) => method !== 'none')
  return {
    adapter: (name) => adapterFor(name),
    jwks: { keys: keys.signing },
    routes: ROUTES,
    scopes: ['openid', 'offline_access', ...tokenScopes()],
    claims: CLAIMS,
    acrValues: [...LEVELS],
    responseTypes: ['code'],
    subjectTypes: ['public', 'pairwise'],
    pairwiseIdentifier: (_ctx, userId, client) => {
      const row = clients.rowOf.get(client)
      if (!row) throw new Error('a client that is none of ours')
      return subjectFor(row, userId)
    },
    clientAuthMethods: methods,
    clientDefaults: { id_token_signed_response_alg: 'ES256', introspection_signed_response_alg: 'ES256' },
    enabledJWA: {
      idTokenSigningAlgValues: [...ALGORITHMS],
      clientAuthSigningAlgValues: ['ES256', 'PS256', 'EdDSA', 'Ed25519', 'RS256'],
      dPoPSigningAlgValues: [...DPOP_ALGORITHMS],
      requestObjectSigningAlgValues: ['ES256', 'PS256', 'EdDSA', 'Ed25519', 'RS256'],
      requestObjectEncryptionAlgValues: [],
      requestObjectEncryptionEncValues: [],
      userinfoSigningAlgValues: [...ALGORITHMS],
      introspectionSigningAlgValues: [...ALGORITHMS],
      idTokenEncryptionAlgValues: [...ENCRYPTION],
      idTokenEncryptionEncValues: [CONTENT_ENCRYPTION],
      userinfoEncryptionAlgValues: [...ENCRYPTION],
      userinfoEncryptionEncValues: [CONTENT_ENCRYPTION],
      introspectionEncryptionAlgValues: [],
      introspectionEncryptionEncValues: [],
    },
    fetch: fetchDocument,
    assertJwtClientAuthClaimsAndHeader: judgeAssertion,
    allowOmittingSingleRegisteredRedirectUri: false,
    clockTolerance: 5,
    formats: {
      customizers: { jwt: describePerson },
      bitsOfOpaqueRandomness: (_ctx, token) =>
        token.kind === 'RefreshToken' ? REFRESH_TOKEN_BITS : TOKEN_BITS,
    },
    // Which claims an ID token holds is the client's setting; see `account`.
    conformIdTokenClaims: false,
    cookies: {
      names: LIBRARY_COOKIES,
      long: { httpOnly: true, sameSite: 'lax' },
      short: { httpOnly: true, sameSite: 'lax' },
    },
    pkce: {
      required: (_ctx, client) =>
        !confidential(client) || clients.rowOf.get(client)?.requirePkce !== false || heldTo(client, 'par'),
    },
    ttl: {
      AccessToken: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? accessTokenSeconds,
      ClientCredentials: (_ctx, token) => token.resourceServer?.accessTokenTTL ?? accessTokenSeconds,
      AuthorizationCode: CODE_SECONDS,
      IdToken: idTokenSeconds,
      DeviceCode: DEVICE_SECONDS,
      Interaction: loginAttemptSeconds,
      Session: sessionMaxSeconds,
      Grant: sessionMaxSeconds,
      // The end of a family is set when it begins; rotation never moves it (RFC 9700 section 4.14.2).
      RefreshToken: (_ctx, token) => {
        const began = token.iiat ?? Math.floor(nowMs() / 1000)
        return Math.max(1, began + refreshTokenSeconds - Math.floor(nowMs() / 1000))
      },
    },
    features: {
      devInteractions: { enabled: false },
      dPoP: {
        enabled: true,
        nonceSecret: deriveKey('dpop-nonce'),
        requireNonce: (ctx) => ctx.oidc.client !== undefined && heldTo(ctx.oidc.client, 'fapi2'),
      },
      mTLS: mutualTls(),
      fapi: {
        enabled: true,
        profile: (_ctx, client) => (client && heldTo(client, 'fapi2') ? '2.0' : undefined),
      },
      resourceIndicators: { enabled: true, defaultResource, getResourceServerInfo },
      clientCredentials: { enabled: true },
      deviceFlow: {
        enabled: true,
        ...USER_CODE,
        deviceInfo,
        userCodeInputSource: toDevicePage,
        userCodeConfirmSource: toDevicePage,
        successSource: toDevicePage,
      },
      requestObjects: { enabled: true },
      claimsParameter: { enabled: true },
      pushedAuthorizationRequests: { enabled: true },
      rpInitiatedLogout: { enabled: true },
      // Its tokens alone: what is to be told, and when, is in backchannel.ts.
      backchannelLogout: { enabled: true },
      externalSigningSupport: { enabled: true, ack: 'experimental-01' },
      introspection: { enabled: true, allowedPolicy: mayIntrospect },
      jwtIntrospection: { enabled: true },
      jwtUserinfo: { enabled: true },
      encryption: { enabled: true },
      registration: {
        enabled: registration.mode !== 'off',
        initialAccessToken: registration.mode === 'token',
        // What an app registered once it registers anew: only operators change apps.
        issueRegistrationAccessToken: false,
        idFactory: newClientId,
        secretFactory: clients.secretValue,
      },
      clientIdMetadataDocument: {
        enabled: registration.documents,
        ack: 'draft-02',
        allowFetch: mayFetchDocument,
        // How long a document is believed is judged with the row that is made of it (registration.ts).
        cacheDuration: { min: 0.001, max: 0.001 },
      },
      revocation: { enabled: true, allowedPolicy: mayRevoke },
    },
    discovery: {
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
      ui_locales_supported: [...SPOKEN],
      prompt_values_supported: ['none', 'login', 'consent', 'create'],
      introspection_endpoint_auth_methods_supported: provingMethods,
      revocation_endpoint_auth_methods_supported: methods,
      ...certificateAliases(),
    },
    interactions: { policy: interactionPolicy(), url: interactionDestination },
    findAccount: (ctx, sub, token) => account(ctx, sub, sessionOf(token) ?? ctx.oidc.session?.uid),
    loadExistingGrant: async (ctx) => {
      const payload = await grants.existing(ctx)
      return payload ? new ctx.oidc.provider.Grant(payload) : undefined
    },
    // The gate asks for the session at every use of every token; see adapter.ts.
    expiresWithSession: () => false,
    issueRefreshToken: (_ctx, client) => client.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    // A replay ends its family; the consent and the user's other browsers are not touched.
    revokeGrantPolicy: () => false,
    clientBasedCORS: mayCallFromBrowser,
    renderError: (ctx, out, error) => tellProblem(ctx, out, error),
  }
}

/** How apps may prove themselves: by certificates where these can come. */
function authMethods(): (typeof AUTH_METHODS)[number][] {
  const { selfSignedTlsClientAuth, tlsClientAuth } = mutualTls()
  const on: Record<string, boolean> = {
    self_signed_tls_client_auth: selfSignedTlsClientAuth,
    tls_client_auth: tlsClientAuth,
  }
  return AUTH_METHODS.filter((method) => !isCertificateMethod(method) || on[method])
}

/** Where the proxy asks for certificates, if it does not everywhere (RFC 8705 section 5). */
function certificateAliases(): { mtls_endpoint_aliases?: Record<string, string> } {
  const { issuer, certificates, url } = env()
  if (!certificates.origin) return {}
  const base = certificates.origin + issuer.slice(url.length)
  const named = ALIASED.map((route) => [`${route}_endpoint`, base + ROUTES[route]])
  return { mtls_endpoint_aliases: Object.fromEntries(named) }
}

/** What programs call, and never a browser. */
const ALIASED = [
  'device_authorization',
  'introspection',
  'pushed_authorization_request',
  'revocation',
  'token',
  'userinfo',
] as const

/** One for each provider whose tokens are kept; none while the operator gives none away. */
function tokenScopes(): string[] {
  const { providerTokens, federation } = env()
  if (!providerTokens) return []
  return federation.providers.filter(({ keepTokens }) => keepTokens).map(({ id }) => providerTokensScope(id))
}

/** All that an app may ask for, as the library takes it: tokens of other providers only where it is registered for them. */
function scopesFor({ settings }: ClientRow): string {
  const registered = (settings.providerTokens ?? []).map(providerTokensScope)
  const mine = tokenScopes().filter((scope) => registered.includes(scope))
  return [
    'openid',
    'offline_access',
    ...Object.keys(CLAIMS).filter((name) => CLAIMS[name as keyof typeof CLAIMS]),
    ...mine,
  ]
    .filter((scope, at, all) => all.indexOf(scope) === at)
    .join(' ')
}

/** Introspection (RFC 7662) is for apps that prove who they are, about tokens of their own; an API asks about those for it. */
function mayIntrospect(
  _ctx: KoaContextWithOIDC,
  client: { clientId: string; clientAuthMethod?: string | undefined },
  token: { clientId?: string | undefined; aud?: string | string[] | undefined },
): boolean {
  if (!confidential(client)) throw new errors.InvalidClientAuth('public clients cannot introspect')
  // The adapter finds personal access tokens for apps alone that are registered for them.
  if (token.clientId === client.clientId || token.clientId === PERSONAL_CLIENT) return true
  const serves = clients.rowOf.get(client)?.settings.serves ?? []
  return [token.aud ?? []].flat().some((id) => serves.includes(id))
}

/** RFC 7009 section 2.1: the token must be the app's own; a public client learns nothing either way. */
function mayRevoke(
  _ctx: KoaContextWithOIDC,
  client: { clientId: string; clientAuthMethod?: string | undefined },
  token: { clientId?: string | undefined },
): boolean {
  if (token.clientId === client.clientId) return true
  if (confidential(client))
    throw new errors.InvalidRequest('client is not authorized to revoke the presented token')
  return false
}

/** Browser apps call from the origins they are registered with; confidential apps have no business in a browser. */
function mayCallFromBrowser(
  ctx: KoaContextWithOIDC,
  origin: string,
  client: { clientAuthMethod?: string | undefined; redirectUris?: readonly string[] | undefined },
): boolean {
  if (origin === 'null') return false
  if (confidential(client) && ctx.oidc.route !== 'userinfo') return false
  return client.redirectUris?.some((uri) => URL.canParse(uri) && new URL(uri).origin === origin) ?? false
}

/**
 * The user as the library sees one. That the user may be here was asked by the gate (a session of a
 * disabled user is not alive); claims are read only where something will show them.
 */
function account(ctx: KoaContextWithOIDC, userId: string, sid: string | undefined) {
  // Read by the gate a moment ago, so it costs nothing.
  const isGuest = async () => Boolean(sid && (await sessions.alive(sid))?.guest)
  return {
    accountId: userId,
    claims: async (use: string, scope: string, requested: object) => {
      const row = ctx.oidc.client && clients.rowOf.get(ctx.oidc.client)
      return accountClaims(row ?? null, userId, { use, scope, requested, guest: await isGuest() })
    },
  }
}

/** Our session behind a code or token; undefined at the authorization endpoint, which has none yet. */
const sessionOf = (token: unknown): string | undefined =>
  (token as { sessionUid?: string } | undefined)?.sessionUid

/** Leaves the problem to `handle`, which knows how to show one. */
export function tellProblem(
  ctx: KoaContextWithOIDC,
  out: { error: string; error_description?: string | undefined },
  error: Error,
): void {
  const state = stateOf(ctx.req)
  const client = ctx.oidc?.client
  const named = client ? { client: { id: client.clientId, name: client.clientName ?? client.clientId } } : {}
  state.problem =
    error instanceof StoresDown
      ? {
          status: 503,
          error: 'temporarily_unavailable',
          requestId: state.caller.requestId,
          retryAfterSeconds: 2,
          ...named,
        }
      : {
          status: ctx.status,
          error: error instanceof errors.SessionNotFound ? 'request_expired' : out.error,
          ...(out.error_description && { description: out.error_description }),
          requestId: state.caller.requestId,
          ...named,
        }
  ctx.respond = false
}

/** One instance for a set of keys. */
export function buildProvider(keys: KeySet): Provider {
  const provider = new Provider(env().issuer, configuration(keys))
  // Cookies and addresses follow the configured origin; handle.ts writes this header itself.
  provider.proxy = true
  const Session = sessionModel(provider)
  const Context = pinned(provider)
  const Claims = claimsModel(provider)
  Object.defineProperties(provider, {
    Session: { value: Session },
    OIDCContext: { value: Context },
    Claims: { value: Claims },
  })
  useOurClients(provider)
  useOurRefreshTokens(provider)
  keepStructured(provider)
  refuseReplays(provider)
  refuseOtherHints(provider)
  listen(provider)
  return provider
}

/** RFC 8725 section 3.11: what we signed to be something else, a logout token say, is no ID token and so no hint. */
function refuseOtherHints(provider: Provider): void {
  const IdToken = provider.IdToken as unknown as { validate(jwt: string, client: object): Promise<unknown> }
  const validate = IdToken.validate.bind(IdToken)
  IdToken.validate = async (jwt, client) => {
    if (String(decodeProtectedHeader(jwt).typ ?? 'JWT').toUpperCase() !== 'JWT')
      throw new Error('no ID token')
    return validate(jwt, client)
  }
}

/** Where people type the code of a device: short, since it is read from a screen and typed by hand. */
const devicePage = (query?: Record<string, string>): string =>
  `${env().url}/device${query ? `?${new URLSearchParams(query)}` : ''}`

/** HST1: every address is made from the configured issuer, never from a Host header. STP3: the acr told is true. */
function pinned(provider: Provider): Provider['OIDCContext'] {
  const Context = class OIDCContext extends provider.OIDCContext {
    override urlFor(name: string, options?: Record<string, unknown>): string {
      if (name === 'code_verification')
        return devicePage(options?.query as Record<string, string> | undefined)
      return provider.urlFor(name, options)
    }
  }
  // A getter of the library's class, which its types call a field.
  Object.defineProperty(Context.prototype, 'acr', {
    get(this: { ctx: KoaContextWithOIDC; session: { acr?: string } }): string | undefined {
      const { acr } = this.session
      return acr === undefined ? undefined : acrTold(demandsOf(this.ctx), acr)
    },
  })
  nameStructured(Context)
  return Context
}

/** What stands for the app where there is none: nothing can be asked for in its name. */
const NO_APP = { redirect_uris: [], response_types: [], grant_types: [], token_endpoint_auth_method: 'none' }

/** A refresh token that takes another's place has the value that the adapter made for it. */
function useOurRefreshTokens(provider: Provider): void {
  const { prototype } = provider.RefreshToken as unknown as { prototype: { generateTokenId(): string } }
  const byChance = prototype.generateTokenId
  prototype.generateTokenId = function generateTokenId(): string {
    return refreshTokenValue() ?? byChance.call(this)
  }
}

type LibraryClient = InstanceType<Provider['Client']>

function useOurClients(provider: Provider): void {
  const instances = new WeakMap<ClientRow, LibraryClient>()
  const make = provider.Client as unknown as new (metadata: object) => LibraryClient
  let nobodys: LibraryClient | undefined
  const described = provider.Client.find.bind(provider.Client)
  const rowFor = (id: string) => (isDocumentId(id) ? documented(id, () => described(id)) : clients.active(id))
  const find = async (id: unknown): Promise<LibraryClient | undefined> => {
    if (id === PERSONAL_CLIENT && current()?.personal) {
      nobodys ??= new make({ ...NO_APP, client_id: PERSONAL_CLIENT })
      return nobodys
    }
    const row = typeof id === 'string' ? await rowFor(id) : null
    if (!row) return undefined
    const known = instances.get(row)
    if (known) return known
    const { name, metadata } = row
    const secretive = clients.hasSecret(metadata.token_endpoint_auth_method)
    const { security } = row.settings
    // The library insists on a secret for such a client; the true ones are hashes that only clients.ts compares.
    const client = new make({
      ...metadata,
      client_id: row.id,
      client_name: name,
      ...(tokenScopes().length > 0 && { scope: scopesFor(row) }),
      ...(demands(security, 'par') && { require_pushed_authorization_requests: true }),
      // By the one or by the other (FAPI 2.0 section 5.3.2.1).
      ...(demands(security, 'dpop') &&
        !clients.bindsByCertificate(metadata) && { dpop_bound_access_tokens: true }),
      ...(secretive && { client_secret: 'kept-as-a-hash' }),
    })
    instances.set(row, client)
    clients.rowOf.set(client, row)
    return client
  }
  Object.assign(provider.Client, { find })
  Object.assign(provider.Client.prototype, {
    // Every ID token names the app's session: sign-out hints and back-channel logout need it.
    includeSid: () => true,
    async compareClientSecret(this: LibraryClient, candidate: string): Promise<boolean> {
      const ctx = Provider.ctx
      if (!ctx) return false
      const checked = await clients.checkSecret(this.clientId, candidate, stateOf(ctx.req).caller)
      if (checked.ok) return checked.value
      ctx.set('Retry-After', String(checked.refusal.retryAfterSeconds ?? 1))
      const error = new errors.InvalidClientAuth('too many wrong client secrets from this address')
      throw Object.assign(error, { status: 429, statusCode: 429 })
    },
  })
}
