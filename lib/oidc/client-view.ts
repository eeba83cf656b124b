/** A relying app as operators see it, and as the hosted pages show it. */
import { sha256 } from '../base/secrets'
import { subjectIn } from './certificate-names'
import type { MappedClaim } from './claims-mapping'
import { grantName } from './client-metadata'
import { bindsByCertificate } from './clients'
import type { Level, Security } from './levels'
import type * as store from './store-registry'

export interface ClientView {
  clientId: string
  /** Changes whenever the registration does; not by the use of a secret. */
  version: string
  name: string
  redirectUris: string[]
  postLogoutRedirectUris: string[]
  backchannelLogoutUri: string | null
  backchannelLogoutSessionRequired: boolean
  frontchannelLogoutUri: string | null
  frontchannelLogoutSessionRequired: boolean
  authMethod: string
  grants: string[]
  /** How strictly it speaks the protocol. */
  security: Security
  /** Where its public keys are, or which they are; null: it has none. */
  jwksUri: string | null
  jwks: { keys: Record<string, unknown>[] } | null
  /** Whom the certificate is for that proves it, by a kind and a name (`dns:app.example.com`); null: none does. */
  certificateSubject: string | null
  /** Its tokens are good with its certificate alone. */
  certificateBound: boolean
  /** It knows people by names that no other app knows. */
  pairwise: boolean
  /** Its requests are signed. */
  signedRequests: boolean
  firstParty: boolean
  pkce: boolean
  native: boolean
  idTokenAlg: string
  /** How what it is told is encrypted to its key; null: signed alone. */
  idTokenEncryption: string | null
  userinfoEncryption: string | null
  /** How answers of introspection are signed where it asks for that. */
  introspectionAlg: string
  claimsInIdToken: boolean
  /** The least level of assurance of a sign-in to it. */
  acr: Level
  /** Registered to take guests; whether it does is also the operator's to say (GUESTS). */
  guests: boolean
  /** Who may enter: people of one of these roles, with a proven address at one of these domains; empty: everybody. */
  entryRoles: string[]
  entryDomains: string[]
  /** It registered itself: with an initial access token, without, or by its document. Null: an operator did. */
  registered: store.ClientSettings['registered'] | null
  /** Providers whose tokens it may ask people for. */
  providerTokens: string[]
  /** The APIs it may get tokens for; scopes null: all of that API. */
  resources: { resource: string; scopes: string[] | null }[]
  /** The APIs that it is itself. */
  serves: string[]
  /** What the operator allows sessions of this app, beside what holds for all; null: nothing shorter. */
  sessionIdleMinutes: number | null
  sessionMaxMinutes: number | null
  /** It may ask what personal access tokens are good for. */
  personalTokens: boolean
  /** No people use it: the clinic may send it bad tokens. */
  testClient: boolean
  /** Claims of the operator's own. */
  claims: MappedClaim[]
  logoUri: string | null
  clientUri: string | null
  policyUri: string | null
  tosUri: string | null
  supportUri: string | null
  /** Worn by the hosted pages on the way to it; null: as everywhere. */
  brandColor: string | null
  /** Said there, by language. */
  welcomeEn: string | null
  welcomeDe: string | null
  createdAt: Date
  disabledAt: Date | null
  /** Never the secrets themselves: how each ends, and its last four characters. */
  secrets: { id: string; hint: string; createdAt: Date; expiresAt: Date | null; lastUsedAt: Date | null }[]
}

export function versionOf(row: store.ClientRow): string {
  const secrets = row.secrets.map(({ id, expiresAt }) => [id, expiresAt])
  const { name, metadata, firstParty, requirePkce, disabledAt } = row
  // That its document was read again and says the same is no change.
  const { documentUntil: _, ...settings } = row.settings
  return sha256(JSON.stringify([name, metadata, firstParty, requirePkce, settings, disabledAt, secrets]))
}

const date = (text: string | null): Date | null => (text ? new Date(text) : null)

export function view(row: store.ClientRow): ClientView {
  const m = row.metadata
  return {
    clientId: row.id,
    version: versionOf(row),
    name: row.name,
    redirectUris: m.redirect_uris,
    postLogoutRedirectUris: m.post_logout_redirect_uris,
    backchannelLogoutUri: m.backchannel_logout_uri ?? null,
    backchannelLogoutSessionRequired: m.backchannel_logout_session_required === true,
    frontchannelLogoutUri: m.frontchannel_logout_uri ?? null,
    frontchannelLogoutSessionRequired: m.frontchannel_logout_session_required === true,
    authMethod: m.token_endpoint_auth_method,
    grants: m.grant_types.map(grantName),
    pairwise: m.subject_type === 'pairwise',
    signedRequests: m.require_signed_request_object === true,
    security: row.settings.security ?? 'standard',
    jwksUri: m.jwks_uri ?? null,
    jwks: m.jwks ?? null,
    certificateSubject: subjectIn(m) ?? null,
    certificateBound: bindsByCertificate(m),
    firstParty: row.firstParty,
    pkce: row.requirePkce,
    native: m.application_type === 'native',
    idTokenAlg: m.id_token_signed_response_alg,
    idTokenEncryption: m.id_token_encrypted_response_alg ?? null,
    userinfoEncryption: m.userinfo_encrypted_response_alg ?? null,
    introspectionAlg: m.introspection_signed_response_alg ?? 'ES256',
    claimsInIdToken: row.settings.claimsInIdToken === true,
    acr: row.settings.acr ?? 'aal1',
    guests: row.settings.guests === true,
    entryRoles: row.settings.entryRoles ?? [],
    entryDomains: row.settings.entryDomains ?? [],
    registered: row.settings.registered ?? null,
    providerTokens: row.settings.providerTokens ?? [],
    resources: Object.entries(row.settings.resources ?? {}).map(([resource, scopes]) => ({
      resource,
      scopes: scopes === true ? null : scopes,
    })),
    serves: row.settings.serves ?? [],
    sessionIdleMinutes: row.settings.sessionIdleMinutes ?? null,
    sessionMaxMinutes: row.settings.sessionMaxMinutes ?? null,
    personalTokens: row.settings.personalTokens === true,
    testClient: row.settings.testClient === true,
    claims: row.settings.claims ?? [],
    logoUri: m.logo_uri ?? null,
    clientUri: m.client_uri ?? null,
    policyUri: m.policy_uri ?? null,
    tosUri: m.tos_uri ?? null,
    supportUri: row.settings.brand?.supportUri ?? null,
    brandColor: row.settings.brand?.color ?? null,
    welcomeEn: row.settings.brand?.welcome?.en ?? null,
    welcomeDe: row.settings.brand?.welcome?.de ?? null,
    createdAt: row.createdAt,
    disabledAt: row.disabledAt,
    secrets: row.secrets.map((s) => ({
      id: s.id,
      hint: s.hint,
      createdAt: new Date(s.createdAt),
      expiresAt: date(s.expiresAt),
      lastUsedAt: date(s.lastUsedAt),
    })),
  }
}

/** What the hosted pages show of an app, and who answers for it. */
export interface ClientFace
  extends Pick<
    ClientView,
    'name' | 'logoUri' | 'clientUri' | 'policyUri' | 'tosUri' | 'supportUri' | 'brandColor' | 'registered'
  > {
  /** What its operator says on the hosted pages, by language. */
  welcome: { en?: string; de?: string }
}

export function face(row: store.ClientRow): ClientFace {
  const { name, logoUri, clientUri, policyUri, tosUri, supportUri, brandColor, registered } = view(row)
  const welcome = row.settings.brand?.welcome ?? {}
  return { name, logoUri, clientUri, policyUri, tosUri, supportUri, brandColor, welcome, registered }
}
