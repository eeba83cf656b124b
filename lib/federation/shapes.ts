/**
 * A provider as next-auth is to see it, made anew for every call: entries of its catalogue, with the checks and places
 * that are ours to say. What a kind needs beyond the catalogue is here and nowhere else.
 */
import { jwtVerify } from 'jose'
import { now } from '../base/clock'
import type { ProviderSettings } from '../base/env'
import { appleSecret } from './apple'
import { getJson, keysOf, type Metadata, metadataOf, ProviderDown, REQUEST_MS } from './metadata'
import { type Claims, catalogue, type Entry } from './registry'

export interface Shape {
  entry: Entry
  /** Null where the catalogue asks for itself. */
  metadata: Metadata | null
  /** Whose word it is where no ID token says so. */
  origin: string
}

type Check = 'pkce' | 'state' | 'nonce'

const MULTI = ['common', 'organizations', 'consumers']

/** Where the metadata of a provider is, and the issuer that it must name; null where there is none, or the catalogue knows. */
export function discovery(settings: ProviderSettings): { wellKnown: string; issuer: string } | null {
  const { type, issuer, tenant } = settings
  const at = (name: string) => ({
    wellKnown: `${name.replace(/\/$/, '')}/.well-known/openid-configuration`,
    issuer: name,
  })
  switch (type) {
    case 'google':
      return at(issuer ?? 'https://accounts.google.com')
    case 'apple':
      return at(issuer ?? 'https://appleid.apple.com')
    case 'oidc':
      return issuer ? at(issuer) : null
    case 'microsoft': {
      const base = settings.url ?? 'https://login.microsoftonline.com'
      const { wellKnown } = at(`${base}/${tenant}/v2.0`)
      return { wellKnown, issuer: `${base}/${MULTI.includes(tenant) ? '{tenantid}' : tenant}/v2.0` }
    }
    default:
      return null
  }
}

const WELL_KNOWN = '/.well-known/openid-configuration'

/** The same, for those too that next-auth looks up by itself. */
export function anyDiscovery(settings: ProviderSettings): { wellKnown: string; issuer: string } | null {
  const place = discovery(settings)
  const listed = place ? null : catalogue(settings)?.wellKnown
  if (!listed?.endsWith(WELL_KNOWN)) return place
  return { wellKnown: listed, issuer: listed.slice(0, -WELL_KNOWN.length) }
}

/** Answers are posted from the provider's own page (OAuth 2.0 Form Post Response Mode). */
export const isPosted = (settings: ProviderSettings): boolean => {
  if (settings.type === 'apple') return true
  const authorization = catalogue(settings)?.authorization
  return typeof authorization === 'object' && authorization.params?.response_mode === 'form_post'
}

/** @throws ProviderDown when the provider's own metadata is needed and cannot be had */
export async function shape(settings: ProviderSettings): Promise<Shape> {
  const place = discovery(settings)
  const made = place
    ? openid(settings, await metadataOf(place.wellKnown, place.issuer))
    : settings.type === 'github'
      ? github(settings)
      : settings.type === 'oauth'
        ? generic(settings)
        : byName(settings)
  const { entry, ...rest } = await made
  return { ...rest, entry: { ...entry, id: settings.id, httpOptions: { timeout: REQUEST_MS } } }
}

const TRUSTED_ALGORITHMS = [
  'RS256',
  'ES256',
  'PS256',
  'RS384',
  'ES384',
  'PS384',
  'RS512',
  'ES512',
  'PS512',
  'EdDSA',
]

function scopeOf({ type, scope, keepTokens }: ProviderSettings): string {
  if (scope) return scope
  if (type === 'apple') return 'name email'
  return `openid profile email${type === 'microsoft' && keepTokens ? ' offline_access' : ''}`
}

async function openid(settings: ProviderSettings, metadata: Metadata): Promise<Shape> {
  const { type, clientId, keepTokens } = settings
  const algorithms = metadata.id_token_signing_alg_values_supported ?? ['RS256']
  const alg = settings.idTokenAlg ?? TRUSTED_ALGORITHMS.find((one) => algorithms.includes(one))
  if (!alg) throw new ProviderDown('signs ID tokens with nothing that is known here')
  const methods = metadata.token_endpoint_auth_methods_supported ?? ['client_secret_basic']
  const auth = methods.includes('client_secret_basic') ? 'client_secret_basic' : 'client_secret_post'
  const challenges = metadata.code_challenge_methods_supported
  const pkce = settings.pkce ?? (!challenges || challenges.includes('S256'))
  const checks: Check[] = pkce ? ['state', 'nonce', 'pkce'] : ['state', 'nonce']
  // What the catalogue looks up for itself at every call is known here.
  const {
    wellKnown: _,
    options: __,
    ...listed
  } = (type === 'oidc' ? null : catalogue(settings)) ?? {
    name: settings.id,
    type: 'oauth' as const,
  }
  const entry: Entry = {
    ...listed,
    id: settings.id,
    clientId,
    clientSecret: type === 'apple' ? await appleSecret(settings, metadata.issuer) : settings.clientSecret,
    issuer: metadata.issuer,
    jwks_endpoint: metadata.jwks_uri,
    authorization: {
      url: metadata.authorization_endpoint,
      params: {
        scope: scopeOf(settings),
        ...(type === 'apple' ? { response_mode: 'form_post' } : {}),
        ...(type === 'google' && keepTokens ? { access_type: 'offline' } : {}),
      },
    },
    token: { url: metadata.token_endpoint },
    idToken: true,
    checks,
    client: { token_endpoint_auth_method: settings.tokenAuth ?? auth, id_token_signed_response_alg: alg },
    profile: bySub,
  }
  if (metadata.issuer.includes('{tenantid}')) entry.token = tenants(settings, metadata)
  if (type === 'oidc' && metadata.userinfo_endpoint)
    entry.userinfo = fuller(settings, metadata.userinfo_endpoint)
  return { entry, metadata, origin: metadata.issuer }
}

/** Next-auth wants an id; the rest is read from the claims themselves. */
const bySub = (claims: Claims) => ({ id: typeof claims.sub === 'string' ? claims.sub : '' })

/**
 * Many providers tell names and addresses by userinfo alone. What the ID token says counts more: it is signed.
 * The library refuses an answer about another subject (OpenID Connect Core section 5.3.2).
 */
function fuller(settings: ProviderSettings, url: string): Entry['userinfo'] {
  return {
    url,
    async request({ tokens, client }) {
      const claims: Claims = (tokens as unknown as { claims: () => Claims }).claims()
      const wanted = ['email', 'name', settings.roles?.claim, ...Object.values(settings.map)]
      if (wanted.every((name) => !name || claimAt(claims, name) !== undefined)) return claims as never
      const { email_verified, ...more }: Claims = await client.userinfo(tokens as never)
      // Said of the address there, and of no other that an ID token may name (LNK2).
      const same = claims.email === undefined || claims.email === more.email
      return { ...more, ...(same ? { email_verified } : {}), ...claims } as never
    },
  }
}

/**
 * Microsoft's endpoint for many tenants: its issuer is a template, and each tenant's ID tokens name their own. Next-auth
 * compares with one issuer, so the code is exchanged by its client and the ID token judged by jose, against the issuer of
 * the tenant that the token itself names (Microsoft: "Validate tokens", OpenID Connect Core section 3.1.3.7).
 */
function tenants(settings: ProviderSettings, metadata: Metadata): Entry['token'] {
  return {
    url: metadata.token_endpoint,
    async request({ client, params, checks: given, provider }) {
      // Next-auth's types forget the nonce that it hands over.
      const checks: { state?: string; nonce?: string; code_verifier?: string } = given
      if (!checks.state || params.state !== checks.state || !checks.nonce)
        throw new Error('checks do not hold')
      const tokens = await client.grant({
        grant_type: 'authorization_code',
        code: params.code,
        redirect_uri: provider.callbackUrl,
        ...(checks.code_verifier ? { code_verifier: checks.code_verifier } : {}),
      })
      const { payload } = await jwtVerify(tokens.id_token ?? '', keysOf(metadata.jwks_uri), {
        audience: settings.clientId,
        algorithms: [String(provider.client?.id_token_signed_response_alg)],
        requiredClaims: ['iss', 'sub', 'exp', 'iat', 'nonce'],
        clockTolerance: 10,
        currentDate: now(),
      })
      const tid = String(payload.tid)
      if (
        payload.nonce !== checks.nonce ||
        !/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(tid) ||
        payload.iss !== metadata.issuer.replace('{tenantid}', tid)
      ) {
        throw new Error('the ID token is not for this')
      }
      return { tokens: tokens as never }
    },
  }
}

/** Addresses that GitHub knows of; the profile shows what its owner likes, verified or not. */
interface GithubEmail {
  email?: unknown
  primary?: unknown
  verified?: unknown
}

function github(settings: ProviderSettings): Shape {
  const base = settings.url ?? 'https://github.com'
  const api = settings.url ? `${base}/api/v3` : 'https://api.github.com'
  const listed = catalogue(settings)
  if (!listed) throw new Error('next-auth has no GitHub')
  const { options: _, ...rest } = listed
  const issuer = `${base}/login/oauth`
  const entry: Entry = {
    ...rest,
    clientId: settings.clientId,
    clientSecret: settings.clientSecret,
    issuer,
    authorization: {
      url: `${issuer}/authorize`,
      params: { scope: settings.scope ?? 'read:user user:email' },
    },
    token: `${issuer}/access_token`,
    userinfo: {
      url: `${api}/user`,
      async request({ client, tokens }) {
        const token = String(tokens.access_token)
        const profile = await client.userinfo(token)
        const headers = { authorization: `Bearer ${token}`, accept: 'application/vnd.github+json' }
        const emails = (await getJson(`${api}/user/emails`, headers)) as GithubEmail[]
        const primary = Array.isArray(emails)
          ? emails.find((one) => one.primary === true && one.verified === true)
          : undefined
        return { ...profile, email: primary?.email ?? null, email_verified: Boolean(primary) } as never
      },
    },
    checks: settings.pkce === false ? ['state'] : ['state', 'pkce'],
    profile: (claims) => ({ id: typeof claims.id === 'number' ? String(claims.id) : '' }),
  }
  return { entry, metadata: null, origin: issuer }
}

function generic(settings: ProviderSettings): Shape {
  const { endpoints, clientId, clientSecret, map } = settings
  if (!endpoints) throw new Error('no endpoints')
  const entry: Entry = {
    id: settings.id,
    name: settings.id,
    type: 'oauth',
    clientId,
    clientSecret,
    authorization: { url: endpoints.authorization, params: { scope: settings.scope ?? '' } },
    token: endpoints.token,
    userinfo: endpoints.userinfo,
    idToken: false,
    checks: settings.pkce === false ? ['state'] : ['state', 'pkce'],
    client: { token_endpoint_auth_method: settings.tokenAuth ?? 'client_secret_basic' },
    profile: (claims) => ({ id: String(claimAt(claims, map.subject ?? 'sub') ?? claims.id ?? '') }),
    ...(settings.issuer ? { issuer: settings.issuer } : {}),
  }
  return { entry, metadata: null, origin: settings.issuer ?? new URL(endpoints.authorization).origin }
}

/** Any other of the catalogue, as it stands; state always, and a nonce where there is an ID token to carry it. */
function byName(settings: ProviderSettings): Shape {
  const entry = catalogue(settings)
  if (!entry) throw new Error(`next-auth has no ${settings.type}`)
  const had = [entry.checks ?? []].flat() as Check[]
  const signed = Boolean(entry.wellKnown || entry.idToken)
  const checks = new Set<Check>([...had.filter((one) => one !== ('none' as string)), 'state'])
  if (signed) checks.add('nonce')
  if (settings.pkce === true) checks.add('pkce')
  if (settings.pkce === false) checks.delete('pkce')
  const { authorization } = entry
  const place = typeof authorization === 'string' ? authorization : authorization?.url
  const options = {
    ...(entry.options as object),
    id: settings.id,
    ...(settings.scope ? { authorization: { params: { scope: settings.scope } } } : {}),
    ...(settings.tokenAuth ? { client: { token_endpoint_auth_method: settings.tokenAuth } } : {}),
  }
  const origin = settings.issuer ?? new URL(entry.wellKnown ?? entry.issuer ?? place ?? 'about:blank').origin
  return { entry: { ...entry, checks: [...checks], options: options as never }, metadata: null, origin }
}

/** A claim by its name, or by its path (`data.user.id`). */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path]
  let at: unknown = claims
  for (const name of path.split('.')) {
    if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
    at = (at as Claims)[name]
  }
  return at
}
