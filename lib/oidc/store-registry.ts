/**
 * SQL of what operators keep: clients, their secrets, signing keys. Atomic: `inKeyTurn` holds an advisory
 * lock, so two processes never make or rotate keys at once. What they write there has the database's time.
 */
import { now } from '../base/clock'
import { inTx, sql, type Tx } from '../base/db'
import type { MappedClaim } from './claims-mapping'

// ── clients ──────────────────────────────────────────────────────────────────

/** OpenID registration metadata (RFC 7591 names), never a secret. */
export interface ClientMetadata {
  redirect_uris: string[]
  post_logout_redirect_uris: string[]
  grant_types: string[]
  response_types: string[]
  token_endpoint_auth_method: string
  application_type: 'web' | 'native'
  id_token_signed_response_alg: string
  jwks?: { keys: Record<string, unknown>[] }
  jwks_uri?: string
  tls_client_certificate_bound_access_tokens?: boolean
  subject_type?: 'pairwise'
  require_signed_request_object?: boolean
  id_token_encrypted_response_alg?: string
  id_token_encrypted_response_enc?: string
  userinfo_signed_response_alg?: string
  userinfo_encrypted_response_alg?: string
  userinfo_encrypted_response_enc?: string
  introspection_signed_response_alg?: string
  logo_uri?: string
  client_uri?: string
  policy_uri?: string
  tos_uri?: string
  backchannel_logout_uri?: string
  backchannel_logout_session_required?: boolean
  frontchannel_logout_uri?: string
  frontchannel_logout_session_required?: boolean
  [name: string]: unknown
}

export interface Brand {
  /** `#rrggbb`. */
  color?: string
  /** By language. */
  welcome?: { en?: string; de?: string }
  supportUri?: string
}

export interface ClientSettings {
  /** Put the claims of the granted scopes into the ID token too (for apps that never ask userinfo). */
  claimsInIdToken?: boolean
  /** The level of assurance that every sign-in to this app must have; left out: any. */
  acr?: 'aal2'
  /** Guests may use it, where the operator takes guests at all; left out: only people with an account. */
  guests?: true
  /** Only people of one of these roles may enter; left out: of any. */
  entryRoles?: string[]
  /** Only people with a proven address at one of these domains (`*.`: below it) may enter; left out: at any. */
  entryDomains?: string[]
  /** The providers whose tokens it may ask people for; left out: none. */
  providerTokens?: string[]
  /** How strictly it speaks the protocol; left out: as the standard has it. */
  security?: 'par' | 'dpop' | 'fapi2'
  /** It may ask what personal access tokens are good for. */
  personalTokens?: true
  /** No people use it: the clinic may send it bad tokens. */
  testClient?: true
  /** The APIs it may get tokens for, by their addresses: all scopes there, or these. */
  resources?: Record<string, true | string[]>
  /** The APIs that it is itself: it may introspect tokens that are for them. */
  serves?: string[]
  /** Claims of the operator's own. */
  claims?: MappedClaim[]
  /** What the hosted pages look like and say on the way to it. Operators' alone: it would make phishers look like the house. */
  brand?: Brand
  /** It registered itself; left out: an operator did. */
  registered?: 'token' | 'open' | 'document'
  /** Until when what its document said is believed, milliseconds. */
  documentUntil?: number
  /** Tokens of the app are dead while the session has not been used for so long. */
  sessionIdleMinutes?: number
  /** So long after the person proved who they are, the app has to ask anew. */
  sessionMaxMinutes?: number
}

/**
 * What an operator may set of an app that is known by its document: what holds it back, and what no document says. It stays when
 * the document is read again, and keeps the app from being forgotten.
 */
export const PINNED = [
  'acr',
  'entryRoles',
  'entryDomains',
  'sessionIdleMinutes',
  'sessionMaxMinutes',
] as const satisfies readonly (keyof ClientSettings)[]

export interface SecretRow {
  id: string
  hash: string
  hint: string
  createdAt: string
  expiresAt: string | null
  lastUsedAt: string | null
}

export interface ClientRow {
  id: string
  name: string
  metadata: ClientMetadata
  firstParty: boolean
  requirePkce: boolean
  settings: ClientSettings
  createdAt: Date
  disabledAt: Date | null
  secrets: SecretRow[]
}

const CLIENT = `SELECT c.id, c.name, c.metadata, c.first_party AS "firstParty", c.require_pkce AS "requirePkce", c.settings,
    c.created_at AS "createdAt", c.disabled_at AS "disabledAt",
    COALESCE((SELECT jsonb_agg(jsonb_build_object('id', s.id, 'hash', s.hash, 'hint', s.hint, 'createdAt', s.created_at,
      'expiresAt', s.expires_at, 'lastUsedAt', s.last_used_at) ORDER BY s.created_at DESC)
      FROM client_secrets s WHERE s.client_id = c.id), '[]') AS secrets
  FROM clients c`

export async function findClient(id: string): Promise<ClientRow | null> {
  const [row] = await sql<ClientRow>({ name: 'oidc-client', text: `${CLIENT} WHERE c.id = $1`, values: [id] })
  return row ?? null
}

export async function listClients(after: string | null, limit: number): Promise<ClientRow[]> {
  return sql<ClientRow>({
    name: 'oidc-clients',
    text: `${CLIENT} WHERE ($1::text IS NULL OR c.id > $1) ORDER BY c.id LIMIT $2`,
    values: [after, limit],
  })
}

/** Where in the list of apps by age one stands. */
export interface ClientPlace {
  /** Milliseconds since the epoch: when it was registered. */
  at: number
  id: string
}

/** Apps with `text` in their name or id, newest first, beyond `after`. */
export async function searchClients(
  text: string,
  after: ClientPlace | null,
  limit: number,
): Promise<ClientRow[]> {
  const pattern = `%${text.replace(/[\\%_]/g, '\\$&')}%`
  return sql<ClientRow>({
    name: 'oidc-clients-search',
    text: `${CLIENT} WHERE ($1 = '%%' OR c.name ILIKE $1 OR c.id ILIKE $1)
      AND ($2::float8 IS NULL OR (date_trunc('milliseconds', c.created_at), c.id) < (to_timestamp($2 / 1000.0), $3))
      ORDER BY date_trunc('milliseconds', c.created_at) DESC, c.id DESC LIMIT $4`,
    values: [pattern, after?.at ?? null, after?.id ?? null, limit],
  })
}

/** Makes a client of its document, or brings it up to date; the operator's own settings stay. Null where it is switched off. */
export async function keepDocumented(
  tx: Tx,
  client: Omit<ClientRow, 'secrets' | 'createdAt' | 'disabledAt'>,
): Promise<'made' | 'kept' | null> {
  const [row] = await tx.$queryRaw<{ made: boolean; off: boolean }[]>`
    INSERT INTO clients AS c (id, name, metadata, first_party, require_pkce, settings, created_at, updated_at)
    VALUES (${client.id}, ${client.name}, ${JSON.stringify(client.metadata)}::jsonb, false, true,
      ${JSON.stringify(client.settings)}::jsonb, ${now()}, ${now()})
    ON CONFLICT (id) DO UPDATE SET name = EXCLUDED.name, metadata = EXCLUDED.metadata,
      settings = c.settings || EXCLUDED.settings, updated_at = EXCLUDED.updated_at
    RETURNING (xmax = 0) AS made, disabled_at IS NOT NULL AS off`
  if (!row || row.off) return null
  return row.made ? 'made' : 'kept'
}

/** False when the id is taken. */
export async function insertClient(
  tx: Tx,
  client: Omit<ClientRow, 'secrets' | 'createdAt' | 'disabledAt'>,
): Promise<boolean> {
  const made = await tx.$executeRaw`
    INSERT INTO clients (id, name, metadata, first_party, require_pkce, settings, created_at, updated_at)
    VALUES (${client.id}, ${client.name}, ${JSON.stringify(client.metadata)}::jsonb, ${client.firstParty},
      ${client.requirePkce}, ${JSON.stringify(client.settings)}::jsonb, ${now()}, ${now()})
    ON CONFLICT (id) DO NOTHING`
  return made === 1
}

/** @returns its id */
export async function insertSecret(
  tx: Tx,
  clientId: string,
  secret: { hash: string; hint: string; expiresAt: Date | null },
): Promise<string> {
  const [made] = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO client_secrets (client_id, hash, hint, created_at, expires_at)
    VALUES (${clientId}, ${secret.hash}, ${secret.hint}, ${now()}, ${secret.expiresAt}) RETURNING id::text`
  if (!made) throw new Error('a secret was not kept')
  return made.id
}

/** False when it was not there. */
export async function deleteSecret(tx: Tx, clientId: string, id: string): Promise<boolean> {
  return (
    (await tx.$executeRaw`DELETE FROM client_secrets WHERE client_id = ${clientId} AND id::text = ${id}`) ===
    1
  )
}

/** Secrets whose end has passed prove nothing any more. */
export async function deleteEndedSecrets(tx: Tx, clientId: string): Promise<void> {
  await tx.$executeRaw`DELETE FROM client_secrets WHERE client_id = ${clientId} AND expires_at <= ${now()}`
}

/** Secrets that have no end yet, or a later one, end at `at`. */
export async function endSecrets(tx: Tx, clientId: string, at: Date): Promise<void> {
  await tx.$executeRaw`UPDATE client_secrets SET expires_at = ${at} WHERE client_id = ${clientId} AND (expires_at IS NULL OR expires_at > ${at})`
}

export async function noteSecretUse(id: string): Promise<void> {
  await sql({
    name: 'oidc-secret-used',
    text: 'UPDATE client_secrets SET last_used_at = $2 WHERE id = $1',
    values: [id, now()],
  })
}

/**
 * One client, locked until `tx` ends: what is changed next is changed of what this says. Sign-ins to it, which point at
 * its row, go on meanwhile.
 */
export async function lockClient(tx: Tx, id: string): Promise<ClientRow | null> {
  const [row] = await tx.$queryRawUnsafe<ClientRow[]>(`${CLIENT} WHERE c.id = $1 FOR NO KEY UPDATE OF c`, id)
  return row ?? null
}

/** Writes what a client is registered with; null in `metadata` and `settings` takes one away. */
export async function rewriteClient(
  tx: Tx,
  id: string,
  client: Pick<ClientRow, 'name' | 'firstParty' | 'requirePkce'> & { metadata: object; settings: object },
): Promise<void> {
  await tx.$executeRaw`
    UPDATE clients SET name = ${client.name}, first_party = ${client.firstParty}, require_pkce = ${client.requirePkce},
      metadata = jsonb_strip_nulls(metadata || ${JSON.stringify(client.metadata)}::jsonb),
      settings = jsonb_strip_nulls(settings || ${JSON.stringify(client.settings)}::jsonb), updated_at = ${now()}
    WHERE id = ${id}`
}

/** Writes single settings (null takes one away). False when there is no such client. */
export async function changeClient(
  tx: Tx,
  id: string,
  settings: { [Name in keyof ClientSettings]: ClientSettings[Name] | null },
): Promise<boolean> {
  return (
    (await tx.$executeRaw`
      UPDATE clients SET settings = jsonb_strip_nulls(settings || ${JSON.stringify(settings)}::jsonb), updated_at = ${now()}
      WHERE id = ${id}`) === 1
  )
}

/** Switches a client off (a time) or on (null); false when there is none. */
export async function setDisabled(tx: Tx, id: string, at: Date | null): Promise<boolean> {
  return (
    (await tx.$executeRaw`UPDATE clients SET disabled_at = ${at}, updated_at = ${now()} WHERE id = ${id}`) ===
    1
  )
}

/**
 * Deletes a client with its secrets, consents and tokens (foreign keys cascade). Its consents are locked first, as a
 * sign-in locks its own: sign-ins that are being stored are waited for, later ones find nothing, and nobody waits in a circle.
 */
export async function deleteClient(tx: Tx, id: string): Promise<boolean> {
  await tx.$executeRaw`SELECT 1 FROM (SELECT 1 FROM grants WHERE client_id = ${id} ORDER BY id FOR UPDATE) held`
  return (await tx.$executeRaw`DELETE FROM clients WHERE id = ${id}`) === 1
}

// ── salts ────────────────────────────────────────────────────────────────────

export async function readSalt(name: string): Promise<string> {
  const text = 'SELECT value FROM salts WHERE name = $1'
  const [row] = await sql<{ value: string }>({ name: 'oidc-salt', text, values: [name] })
  if (!row) throw new Error(`there is no salt ${name}`)
  return row.value
}

// ── signing keys ─────────────────────────────────────────────────────────────

export type KeyStatus = 'next' | 'active' | 'retired' | 'revoked'

export interface KeyRow {
  kid: string
  algorithm: string
  status: KeyStatus
  publicJwk: Record<string, string>
  privateSealed: string
  createdAt: Date
  activeAt: Date | null
  retiredAt: Date | null
}

/** What a key is moved on in. */
export type KeyTx = Tx

const KEY = `SELECT kid, algorithm, status::text AS status, public_jwk AS "publicJwk", private_sealed AS "privateSealed",
  created_at AS "createdAt", active_at AS "activeAt", retired_at AS "retiredAt" FROM signing_keys`

export async function readKeys(): Promise<KeyRow[]> {
  return sql<KeyRow>({ name: 'oidc-keys', text: `${KEY} ORDER BY created_at, kid` })
}

/**
 * Runs `fn` while no other process makes or rotates keys; the keys it gets are the newest committed ones, and `at` is
 * the database's time of just now.
 */
export async function inKeyTurn<T>(fn: (tx: Tx, keys: KeyRow[], at: Date) => Promise<T>): Promise<T> {
  return inTx(async (tx) => {
    await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('gatehouse:signing-keys', 0))`
    const keys = await tx.$queryRawUnsafe<KeyRow[]>(`${KEY} ORDER BY created_at, kid`)
    // Not now(): the transaction may have waited for the lock.
    const [clock] = await tx.$queryRaw<{ at: Date }[]>`SELECT clock_timestamp() AS at`
    if (!clock) throw new Error('the database told no time')
    return fn(tx, keys, clock.at)
  })
}

export async function insertKey(
  tx: Tx,
  key: Omit<KeyRow, 'createdAt' | 'activeAt' | 'retiredAt'>,
  at: Date,
): Promise<void> {
  await tx.$executeRaw`
    INSERT INTO signing_keys (kid, algorithm, status, public_jwk, private_sealed, created_at, active_at)
    VALUES (${key.kid}, ${key.algorithm}, ${key.status}::signing_key_status, ${JSON.stringify(key.publicJwk)}::jsonb,
      ${key.privateSealed}, ${at}, ${key.status === 'active' ? at : null})`
}

/** No time of a key is later than `at`: those that are become `at`. @returns the kids that were changed */
export async function redateKeys(tx: Tx, at: Date): Promise<string[]> {
  const rows = await tx.$queryRaw<{ kid: string }[]>`
    UPDATE signing_keys SET created_at = LEAST(created_at, ${at}::timestamptz), active_at = LEAST(active_at, ${at}::timestamptz),
      retired_at = LEAST(retired_at, ${at}::timestamptz)
    WHERE status <> 'revoked' AND GREATEST(created_at, active_at, retired_at) > ${at}::timestamptz RETURNING kid`
  return rows.map(({ kid }) => kid)
}

/** Moves a key on; of a revoked one nothing is kept that could sign. */
export async function setKeyStatus(tx: Tx, kid: string, status: KeyStatus, at: Date): Promise<void> {
  await tx.$executeRaw`
    UPDATE signing_keys SET status = ${status}::signing_key_status,
      active_at = CASE WHEN ${status} = 'active' THEN ${at}::timestamptz ELSE active_at END,
      retired_at = CASE WHEN ${status} IN ('retired', 'revoked') THEN COALESCE(retired_at, ${at}::timestamptz) ELSE retired_at END,
      private_sealed = CASE WHEN ${status} = 'revoked' THEN '' ELSE private_sealed END
    WHERE kid = ${kid}`
}
