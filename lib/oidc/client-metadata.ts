/** What an operator may register for an app, judged with sentences that say how to mend it. Pure. */
import { z } from 'zod'
import { cleanText, isStorable } from '../base/clean'
import { isLoopbackHost } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import { domainOf, ROLE } from '../users'
import {
  CERTIFICATE_METHODS,
  certifiedKeysProblem,
  isCertificateMethod,
  subjectIn,
  subjectMetadata,
  subjectProblem,
} from './certificate-names'
import { type MappedClaim, readMapping } from './claims-mapping'
import { domainIn, isRestricted } from './entry'
import { ALGORITHMS } from './keys'
import { demands, LEVELS, SECURITY, type Security } from './levels'
import { SCOPE_NAME } from './resources'
import type { ClientMetadata, ClientRow, ClientSettings } from './store-registry'

export const AUTH_METHODS = [
  'client_secret_basic',
  'client_secret_post',
  'private_key_jwt',
  ...CERTIFICATE_METHODS,
  'none',
] as const
export const GRANTS = ['authorization_code', 'refresh_token', 'client_credentials', 'device_code'] as const
export type GrantName = (typeof GRANTS)[number]
const BY_DEFAULT = ['authorization_code', 'refresh_token'] as const

/** Schemes a browser runs or reads locally: never an app's address. */
const FORBIDDEN = new Set([
  'javascript:',
  'vbscript:',
  'data:',
  'blob:',
  'file:',
  'about:',
  'view-source:',
  'ws:',
  'wss:',
])

/**
 * Why this is no redirect URI for such a client, or null when it is one. Compared later character by
 * character (RFC 9700 section 2.1), so nothing is corrected here.
 */
export function redirectUriProblem(uri: string, native = false): string | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is refused
  if (/[\s\u0000-\u001f\u007f\\]/.test(uri) || !isStorable(uri))
    return 'must not contain spaces, backslashes or control characters'
  const url = URL.canParse(uri) ? new URL(uri) : null
  if (!url) return 'must be an absolute URL, such as https://app.example.com/callback'
  if (uri.includes('#')) return 'must not have a fragment (#…)'
  if (uri.includes('*')) return 'must not have a wildcard: register each address'
  if (url.username || url.password) return 'must not carry a user name or password'
  if (FORBIDDEN.has(url.protocol)) return `must not use the ${url.protocol} scheme`
  if (url.protocol === 'https:') return null
  if (url.protocol === 'http:') {
    return isLoopbackHost(url.hostname)
      ? null
      : 'must be https; http is for this machine only (localhost, 127.0.0.1, [::1])'
  }
  if (!native) return 'must be an https address'
  // RFC 8252 section 7.1: private-use schemes are reverse domain names, so that two apps do not share one.
  return url.protocol.slice(0, -1).includes('.')
    ? null
    : 'must use a reverse domain name as its scheme, such as com.example.app:/callback'
}

/** Addresses of pages and pictures shown to people. */
export function webUriProblem(uri: string): string | null {
  const url = URL.canParse(uri) ? new URL(uri) : null
  if (!url) return 'must be an absolute URL'
  if (!isStorable(uri) || url.username || url.password)
    return 'must be an address without control characters and without a user name'
  if (url.protocol === 'https:' || (url.protocol === 'http:' && isLoopbackHost(url.hostname))) return null
  return 'must be https'
}

/** Tokens of other providers belong on a server that can keep them. */
export const PROVIDER_TOKENS_NEED_A_SECRET = 'can only be had by an app with a secret'
/** What introspection calls the client of a personal access token: there is none. */
export const PERSONAL_CLIENT = 'personal-access-token'

/** Ten years will do. */
const minutes = z.number().int('must be a whole number').min(1, 'must be at least 1').max(5_256_000)

const redirect = z.string().max(2000)
const address = z.string().min(1).max(500)
/** An API that an app may get tokens for; without scopes: all that there are. */
const reach = z.object({
  resource: address,
  scopes: z.array(z.string().regex(SCOPE_NAME, 'must be names of scopes')).optional(),
})
export type NewReach = z.input<typeof reach>
const web = z
  .string()
  .max(2000)
  .superRefine((uri, ctx) => {
    const message = webUriProblem(uri)
    if (message) ctx.addIssue({ code: 'custom', message })
  })

/** A domain of addresses, or `*.` and one: those below it. In the one form that addresses are kept in. */
const entryDomain = z
  .string()
  .max(300)
  .transform((typed, ctx) => {
    const rule = typed.trim().normalize('NFC')
    const [domain, said] = [domainOf(domainIn(rule)), domainIn(rule)]
    if (domain) return rule === said ? domain : `*.${domain}`
    ctx.addIssue({ code: 'custom', message: 'must be domains such as example.com or *.example.com' })
    return z.NEVER
  })

/** What an app says to people on the hosted pages, in one language: a line of plain text. */
const MAX_WELCOME = 160
const welcome = z
  .string()
  .trim()
  .min(1, 'must not be empty')
  .max(MAX_WELCOME, `must have at most ${MAX_WELCOME} characters`)
  .refine((text) => cleanText(text, MAX_WELCOME) === text, 'must be one line of plain text')

/** Parameters of RFC 7518 section 6 that only the owner of a key may know. */
const PRIVATE = ['d', 'p', 'q', 'dp', 'dq', 'qi', 'oth', 'k']

/** Public keys (RFC 7517). */
const keySet = z.object({
  keys: z
    .array(
      z
        .record(z.string(), z.unknown())
        .refine((key) => isStorable(key, 4), 'must be plain keys')
        .refine((key) => ['RSA', 'EC', 'OKP'].includes(String(key.kty)), 'must be RSA, EC or OKP keys')
        .refine(
          (key) => !PRIVATE.some((name) => name in key),
          'must be public keys: take the private part out',
        ),
    )
    .min(1, 'must hold at least one key')
    .max(20),
})

/** Claims of an operator's own, judged where their rules are. */
const mapping = z.custom<MappedClaim[]>().transform((input, ctx) => {
  const read = readMapping(input)
  if (read.ok) return read.claims
  ctx.addIssue({ code: 'custom', message: read.message })
  return z.NEVER
})

/** Why an app cannot prove itself by these keys, and by which field that is mended. */
export function keysProblem(app: {
  authMethod: string
  jwks?: { keys: Record<string, unknown>[] } | undefined
  jwksUri?: string | null | undefined
}): { path: ['jwks']; message: string } | null {
  const no = (message: string) => ({ path: ['jwks'] as ['jwks'], message })
  if (app.jwks && app.jwksUri) return no('must be keys or their address, not both')
  const byKeys = app.authMethod === 'private_key_jwt' || app.authMethod === 'self_signed_tls_client_auth'
  if (byKeys && !app.jwks && !app.jwksUri)
    return no('must hold the app’s public keys, or say where they are (jwksUri)')
  const wrong =
    app.jwks && app.authMethod === 'self_signed_tls_client_auth' && certifiedKeysProblem(app.jwks.keys)
  return wrong ? no(wrong) : null
}

/** Curves that agree on a key (RFC 7518 section 6.2.1.1, RFC 8037 section 2); Ed25519 only signs. */
const CURVES = ['P-256', 'P-384', 'P-521', 'X25519']

/** How what an app is told can be encrypted to its key, and which keys fit each. */
const FITTING = {
  'ECDH-ES': ({ crv }: Record<string, unknown>) => CURVES.includes(String(crv)),
  'ECDH-ES+A256KW': ({ crv }: Record<string, unknown>) => CURVES.includes(String(crv)),
  'RSA-OAEP-256': ({ kty }: Record<string, unknown>) => kty === 'RSA',
} as const
export const ENCRYPTION = Object.keys(FITTING) as (keyof typeof FITTING)[]
export const CONTENT_ENCRYPTION = 'A256GCM'

/** Why nothing can be encrypted to this app, and by which field that is mended. */
export function encryptionProblem(app: {
  idTokenEncryption?: keyof typeof FITTING | undefined
  userinfoEncryption?: keyof typeof FITTING | undefined
  jwks?: { keys: Record<string, unknown>[] } | undefined
  jwksUri?: string | null | undefined
}): { path: ['jwks']; message: string } | null {
  for (const alg of [app.idTokenEncryption, app.userinfoEncryption]) {
    if (!alg || app.jwksUri) continue
    const fits = (key: Record<string, unknown>): boolean =>
      FITTING[alg](key) && (key.use ?? 'enc') === 'enc' && (key.alg ?? alg) === alg
    if (!app.jwks?.keys.some(fits))
      return {
        path: ['jwks'],
        message: `must hold a key that ${alg} can encrypt to, or say where it is (jwksUri)`,
      }
  }
  return null
}

/** Why an app cannot be held to this level, or null. */
export function securityProblem(
  security: Security,
  app: { authMethod: string; pkce: boolean; idTokenAlg: string },
): { path: ['security']; message: string } | null {
  const no = (message: string) => ({ path: ['security'] as ['security'], message: `${security} ${message}` })
  if (demands(security, 'par') && !app.pkce) return no('asks for PKCE')
  if (security !== 'fapi2') return null
  if (app.authMethod !== 'private_key_jwt' && !isCertificateMethod(app.authMethod))
    return no('is for apps that prove themselves by private_key_jwt, or by a certificate')
  return app.idTokenAlg === 'RS256' ? no('asks for ID tokens signed with ES256 or EdDSA') : null
}

/** What a terminal obeys, and what turns the rest of a line around. */
const CONTROLS = /[\p{Cc}\u202a-\u202e\u2066-\u2069]/u

export const newClientSchema = z
  .object({
    /** Chosen by the operator; random when left out. */
    clientId: z
      .string()
      .regex(
        /^[A-Za-z0-9][A-Za-z0-9._-]{2,99}$/,
        'must be 3 to 100 letters, digits, dots, dashes or underscores',
      )
      .optional(),
    name: z
      .string()
      .trim()
      .min(1, 'must not be empty')
      .max(80, 'must have at most 80 characters')
      .refine((text) => !CONTROLS.test(text), 'must be one line of plain text'),
    redirectUris: z.array(redirect).max(50).default([]),
    postLogoutRedirectUris: z.array(redirect).max(50).default([]),
    backchannelLogoutUri: web.optional(),
    backchannelLogoutSessionRequired: z.boolean().default(false),
    frontchannelLogoutUri: web.optional(),
    frontchannelLogoutSessionRequired: z.boolean().default(false),
    authMethod: z
      .enum(AUTH_METHODS, `must be one of ${AUTH_METHODS.join(', ')}`)
      .default('client_secret_basic'),
    jwks: keySet.optional(),
    jwksUri: web.optional(),
    /** Whom the certificate that proves it is for (`tls_client_auth`): `dn:`, `dns:`, `uri:`, `ip:` or `email:` and that. */
    certificateSubject: z
      .string()
      .trim()
      .max(500, 'must have at most 500 characters')
      .superRefine((subject, ctx) => {
        const message = isStorable(subject) ? subjectProblem(subject) : 'must be plain text'
        if (message) ctx.addIssue({ code: 'custom', message })
      })
      .optional(),
    /** Its tokens are good with the certificate alone that they were asked for with (RFC 8705 section 3). */
    certificateBound: z.boolean().default(false),
    security: z.enum(SECURITY, `must be one of ${SECURITY.join(', ')}`).default('standard'),
    grants: z.array(z.enum(GRANTS, `must be one of ${GRANTS.join(', ')}`)).default([...BY_DEFAULT]),
    firstParty: z.boolean().default(false),
    pkce: z.boolean().default(true),
    native: z.boolean().default(false),
    idTokenAlg: z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(', ')}`).default('ES256'),
    /** People by names that no other app knows; cannot be changed later. */
    pairwise: z.boolean().default(false),
    /** Requests are signed by its key (RFC 9101). */
    signedRequests: z.boolean().default(false),
    /** What only its key can read; left out: signed, and not encrypted. */
    idTokenEncryption: z.enum(ENCRYPTION, `must be one of ${ENCRYPTION.join(', ')}`).optional(),
    userinfoEncryption: z.enum(ENCRYPTION, `must be one of ${ENCRYPTION.join(', ')}`).optional(),
    /** How answers of introspection are signed where it asks for that (RFC 9701). */
    introspectionAlg: z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(', ')}`).default('ES256'),
    claimsInIdToken: z.boolean().default(false),
    acr: z.enum(LEVELS, `must be one of ${LEVELS.join(', ')}`).default('aal1'),
    guests: z.boolean().default(false),
    /** Claims of the operator's own. */
    claims: mapping.default([]),
    /** Who may enter; empty: everybody. */
    entryRoles: z.array(z.string().regex(ROLE, 'must be names of roles')).max(50).default([]),
    entryDomains: z.array(entryDomain).max(50).default([]),
    providerTokens: z
      .array(z.string().regex(/^[a-z][a-z0-9-]{0,30}$/, 'must be names of providers'))
      .default([]),
    personalTokens: z.boolean().default(false),
    /** For the clinic, which sends it bad tokens. */
    testClient: z.boolean().default(false),
    resources: z.array(reach).max(50).default([]),
    serves: z.array(address).max(50).default([]),
    sessionIdleMinutes: minutes.optional(),
    sessionMaxMinutes: minutes.optional(),
    logoUri: web.optional(),
    clientUri: web.optional(),
    policyUri: web.optional(),
    tosUri: web.optional(),
    supportUri: web.optional(),
    /** The hosted pages wear it while somebody is on the way to the app. */
    brandColor: z
      .string()
      .regex(/^#[0-9a-f]{6}$/i, 'must be a colour such as #3b5bdb')
      .toLowerCase()
      .optional(),
    welcomeEn: welcome.optional(),
    welcomeDe: welcome.optional(),
  })
  .superRefine((client, ctx) => {
    for (const field of ['redirectUris', 'postLogoutRedirectUris'] as const) {
      for (const uri of client[field]) {
        const message = redirectUriProblem(uri, client.native)
        if (message) ctx.addIssue({ code: 'custom', path: [field], message: `${uri} ${message}` })
      }
    }
    const { backchannelLogoutUri, frontchannelLogoutUri: front } = client
    for (const [field, uri] of Object.entries({ backchannelLogoutUri, frontchannelLogoutUri: front })) {
      if (uri?.includes('#'))
        ctx.addIssue({ code: 'custom', path: [field], message: 'must not have a fragment (#…)' })
    }
    // Front-Channel Logout section 2: it is loaded in people's browsers, so it must be the app's own.
    if (
      front &&
      !client.redirectUris.some((uri) => URL.canParse(uri) && new URL(uri).origin === new URL(front).origin)
    )
      ctx.addIssue({
        code: 'custom',
        path: ['frontchannelLogoutUri'],
        message: 'must be of the same origin as a redirect URI',
      })
    if (!client.pkce && client.authMethod === 'none') {
      ctx.addIssue({ code: 'custom', path: ['pkce'], message: 'can only be off for a client with a secret' })
    }
    if (client.providerTokens.length > 0 && client.authMethod === 'none') {
      ctx.addIssue({ code: 'custom', path: ['providerTokens'], message: PROVIDER_TOKENS_NEED_A_SECRET })
    }
    if (client.personalTokens && client.authMethod === 'none') {
      ctx.addIssue({ code: 'custom', path: ['personalTokens'], message: PROVIDER_TOKENS_NEED_A_SECRET })
    }
    if (client.clientId === PERSONAL_CLIENT) {
      ctx.addIssue({ code: 'custom', path: ['clientId'], message: 'is the name of no app' })
    }
    if (client.guests && client.acr !== 'aal1') {
      ctx.addIssue({
        code: 'custom',
        path: ['guests'],
        message: 'cannot be let in where two factors are asked for',
      })
    }
    if (client.guests && isRestricted(client)) {
      ctx.addIssue({
        code: 'custom',
        path: ['guests'],
        message: 'cannot be let in where roles or e-mail domains are asked for',
      })
    }
    const hosts = new Set(client.redirectUris.map((uri) => URL.canParse(uri) && new URL(uri).host))
    if (client.pairwise && (hosts.size !== 1 || !client.grants.includes('authorization_code')))
      ctx.addIssue({ code: 'custom', path: ['pairwise'], message: 'needs redirect URIs of one host' })
    if (client.pairwise && client.grants.includes('device_code'))
      ctx.addIssue({ code: 'custom', path: ['pairwise'], message: 'is not for devices' })
    if ((client.authMethod === 'tls_client_auth') !== (client.certificateSubject !== undefined))
      ctx.addIssue({
        code: 'custom',
        path: ['certificateSubject'],
        message:
          'says whom the certificate of an app is for that proves itself by tls_client_auth, and no other',
      })
    if (client.signedRequests && !client.jwks && !client.jwksUri)
      ctx.addIssue({ code: 'custom', path: ['signedRequests'], message: 'needs jwks or jwksUri' })
    const problem =
      grantsProblem(client.grants, client) ??
      keysProblem(client) ??
      encryptionProblem(client) ??
      securityProblem(client.security, client)
    if (problem) ctx.addIssue({ code: 'custom', ...problem })
  })

/** Why an app cannot have these grants, and by which field that is mended. */
export function grantsProblem(
  grants: readonly string[],
  app: { redirectUris: string[]; authMethod: string; serves: string[]; personalTokens: boolean },
): { path: ['grants' | 'redirectUris']; message: string } | null {
  const people = grants.includes('authorization_code') || grants.includes('device_code')
  if (grants.includes('authorization_code') && app.redirectUris.length === 0)
    return { path: ['redirectUris'], message: 'must name at least one address' }
  if (grants.includes('client_credentials') && app.authMethod === 'none')
    return { path: ['grants'], message: 'client_credentials is for apps with a secret' }
  if (grants.includes('refresh_token') && !people)
    return { path: ['grants'], message: 'refresh_token needs authorization_code or device_code beside it' }
  // An API that only introspects needs none.
  if (grants.length === 0 && app.serves.length === 0 && !app.personalTokens)
    return { path: ['grants'], message: 'must be one at least, but for an API that only introspects' }
  return null
}

const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** A grant by the name that operators use. */
export const grantName = (grantType: string): string =>
  grantType === DEVICE_GRANT ? 'device_code' : grantType

/** The metadata that says what an app may do at the token endpoint. */
export const grantMetadata = (
  grants: readonly string[],
): Pick<ClientMetadata, 'grant_types' | 'response_types'> => ({
  grant_types: [...new Set(grants)].map((name) => (name === 'device_code' ? DEVICE_GRANT : name)),
  response_types: grants.includes('authorization_code') ? ['code'] : [],
})

/** How it is kept which APIs an app may get tokens for. */
export const reachSetting = (all: readonly NewReach[]): NonNullable<ClientSettings['resources']> =>
  Object.fromEntries(
    all.map(({ resource, scopes }) => [resource, scopes?.length ? [...new Set(scopes)] : (true as const)]),
  )

export type NewClient = z.input<typeof newClientSchema>

/** What an app may be without, and what stays as it was made. */
const MAY_GO = new Set([
  'backchannelLogoutUri',
  'frontchannelLogoutUri',
  'sessionIdleMinutes',
  'sessionMaxMinutes',
  'logoUri',
  'clientUri',
  'policyUri',
  'tosUri',
  'supportUri',
  'brandColor',
  'welcomeEn',
  'welcomeDe',
  'jwks',
  'jwksUri',
  'certificateSubject',
  'idTokenEncryption',
  'userinfoEncryption',
])
const STAYS = new Set(['clientId', 'pairwise'])

/**
 * Reads a registration, or changes of one, from JSON that a program sent: every name is known and every value of its
 * kind. What goes together is judged with the rest (`add`, `update`).
 * @param kind changes may hold null for what goes, and nothing that stays as it was made
 */
export function readChanges(
  input: Record<string, unknown>,
  kind: 'registration' | 'changes',
): Result<Record<string, unknown>> {
  const no = (field: string, message: string) =>
    refuse('invalid_input', { field, values: { message: `${field}: ${message}` } })
  const shape: Record<string, z.ZodType> = newClientSchema.shape
  for (const [name, value] of Object.entries(input)) {
    const type = Object.hasOwn(shape, name) ? shape[name] : undefined
    if (!type) return no(name, 'is not known')
    if (kind === 'changes' && STAYS.has(name)) return no(name, 'cannot be changed')
    if (value === null) {
      if (kind === 'changes' && MAY_GO.has(name)) continue
      return no(name, 'cannot be null')
    }
    const read = type.safeParse(value)
    if (!read.success) return no(name, read.error.issues[0]?.message ?? 'cannot be used')
  }
  return ok(input)
}
export type CheckedClient = z.output<typeof newClientSchema>

/** The registration as it is kept (RFC 7591 names). */
export function toMetadata(client: CheckedClient): { metadata: ClientMetadata; settings: ClientSettings } {
  const metadata: ClientMetadata = {
    redirect_uris: [...new Set(client.redirectUris)],
    post_logout_redirect_uris: [...new Set(client.postLogoutRedirectUris)],
    ...grantMetadata(client.grants),
    token_endpoint_auth_method: client.authMethod,
    application_type: client.native ? 'native' : 'web',
    id_token_signed_response_alg: client.idTokenAlg,
  }
  if (client.backchannelLogoutUri) metadata.backchannel_logout_uri = client.backchannelLogoutUri
  if (client.backchannelLogoutSessionRequired) metadata.backchannel_logout_session_required = true
  if (client.frontchannelLogoutUri) metadata.frontchannel_logout_uri = client.frontchannelLogoutUri
  if (client.frontchannelLogoutSessionRequired) metadata.frontchannel_logout_session_required = true
  if (client.pairwise) metadata.subject_type = 'pairwise'
  if (client.signedRequests) metadata.require_signed_request_object = true
  if (client.idTokenEncryption) {
    metadata.id_token_encrypted_response_alg = client.idTokenEncryption
    metadata.id_token_encrypted_response_enc = CONTENT_ENCRYPTION
  }
  if (client.userinfoEncryption) {
    // Signed first, by what signs its ID tokens (Core section 5.3.2).
    metadata.userinfo_signed_response_alg = client.idTokenAlg
    metadata.userinfo_encrypted_response_alg = client.userinfoEncryption
    metadata.userinfo_encrypted_response_enc = CONTENT_ENCRYPTION
  }
  if (client.introspectionAlg !== 'ES256')
    metadata.introspection_signed_response_alg = client.introspectionAlg
  if (client.jwks) metadata.jwks = client.jwks
  if (client.jwksUri) metadata.jwks_uri = client.jwksUri
  if (client.certificateSubject) Object.assign(metadata, subjectMetadata(client.certificateSubject))
  if (client.certificateBound) metadata.tls_client_certificate_bound_access_tokens = true
  if (client.logoUri) metadata.logo_uri = client.logoUri
  if (client.clientUri) metadata.client_uri = client.clientUri
  if (client.policyUri) metadata.policy_uri = client.policyUri
  if (client.tosUri) metadata.tos_uri = client.tosUri
  const settings: ClientSettings = {}
  if (client.claimsInIdToken) settings.claimsInIdToken = true
  if (client.acr === 'aal2') settings.acr = client.acr
  if (client.claims.length > 0) settings.claims = client.claims
  if (client.guests) settings.guests = true
  if (client.entryRoles.length > 0) settings.entryRoles = [...new Set(client.entryRoles)]
  if (client.entryDomains.length > 0) settings.entryDomains = [...new Set(client.entryDomains)]
  if (client.providerTokens.length > 0) settings.providerTokens = [...new Set(client.providerTokens)]
  if (client.security !== 'standard') settings.security = client.security
  if (client.personalTokens) settings.personalTokens = true
  if (client.testClient) settings.testClient = true
  if (client.resources.length > 0) settings.resources = reachSetting(client.resources)
  if (client.serves.length > 0) settings.serves = [...new Set(client.serves)]
  if (client.sessionIdleMinutes) settings.sessionIdleMinutes = client.sessionIdleMinutes
  if (client.sessionMaxMinutes) settings.sessionMaxMinutes = client.sessionMaxMinutes
  const { brandColor: color, welcomeEn: en, welcomeDe: de, supportUri } = client
  if (color || en || de || supportUri)
    settings.brand = {
      ...(color && { color }),
      ...((en || de) && { welcome: { ...(en && { en }), ...(de && { de }) } }),
      ...(supportUri && { supportUri }),
    }
  return { metadata, settings }
}

/** What is kept of an app, as it was registered: `toMetadata` backwards. Changes are judged together with it. */
export const registered = ({ metadata: m, settings, ...row }: ClientRow): CheckedClient => ({
  name: row.name,
  redirectUris: m.redirect_uris,
  postLogoutRedirectUris: m.post_logout_redirect_uris,
  backchannelLogoutUri: m.backchannel_logout_uri,
  backchannelLogoutSessionRequired: m.backchannel_logout_session_required ?? false,
  frontchannelLogoutUri: m.frontchannel_logout_uri,
  frontchannelLogoutSessionRequired: m.frontchannel_logout_session_required ?? false,
  authMethod: m.token_endpoint_auth_method as CheckedClient['authMethod'],
  jwks: m.jwks as CheckedClient['jwks'],
  jwksUri: m.jwks_uri,
  certificateSubject: subjectIn(m),
  certificateBound: m.tls_client_certificate_bound_access_tokens === true,
  pairwise: m.subject_type === 'pairwise',
  signedRequests: m.require_signed_request_object === true,
  security: settings.security ?? 'standard',
  grants: m.grant_types.map(grantName) as CheckedClient['grants'],
  firstParty: row.firstParty,
  pkce: row.requirePkce,
  native: m.application_type === 'native',
  idTokenAlg: m.id_token_signed_response_alg as CheckedClient['idTokenAlg'],
  idTokenEncryption: m.id_token_encrypted_response_alg as CheckedClient['idTokenEncryption'],
  userinfoEncryption: m.userinfo_encrypted_response_alg as CheckedClient['userinfoEncryption'],
  introspectionAlg: (m.introspection_signed_response_alg ?? 'ES256') as CheckedClient['introspectionAlg'],
  claimsInIdToken: settings.claimsInIdToken ?? false,
  acr: settings.acr ?? 'aal1',
  claims: settings.claims ?? [],
  guests: settings.guests ?? false,
  entryRoles: settings.entryRoles ?? [],
  entryDomains: settings.entryDomains ?? [],
  providerTokens: settings.providerTokens ?? [],
  personalTokens: settings.personalTokens ?? false,
  testClient: settings.testClient ?? false,
  resources: Object.entries(settings.resources ?? {}).map(([resource, scopes]) =>
    scopes === true ? { resource } : { resource, scopes },
  ),
  serves: settings.serves ?? [],
  sessionIdleMinutes: settings.sessionIdleMinutes,
  sessionMaxMinutes: settings.sessionMaxMinutes,
  logoUri: m.logo_uri,
  clientUri: m.client_uri,
  policyUri: m.policy_uri,
  tosUri: m.tos_uri,
  supportUri: settings.brand?.supportUri,
  brandColor: settings.brand?.color,
  welcomeEn: settings.brand?.welcome?.en,
  welcomeDe: settings.brand?.welcome?.de,
})

/**
 * What turns one record into another: values that are new, and null for those that go. What neither of both names (how
 * an app came here, say) is not in it.
 */
export function patchOf(before: object, after: object): Record<string, unknown> {
  const had = Object.keys(before).map((name) => [name, null])
  return { ...Object.fromEntries(had), ...after }
}
