/**
 * All SQL and Redis of the room. Atomic: `consumeArtifact` has one winner; `rotateRefresh` puts a token
 * in the place of the one before it in one statement (a token is used up exactly when it was replaced), for one caller;
 * `repeatable` looks at both in one statement; `saveSignIn` holds the consent that it hangs on;
 * `mergeGrant` keeps one live consent per user and app; `deleteFamily` leaves no token of a family, even
 * one being rotated at that moment.
 */
import { type EventInput, eventSql } from '../audit'
import { nowMs } from '../base/clock'
import { sql, type Tx } from '../base/db'
import { key } from '../base/keys'
import { withRedis } from '../base/redis'
import { sha256 } from '../base/secrets'
import type { ClientMetadata, ClientSettings } from './store-registry'

export { inTx } from '../base/db'
export { subscribe } from '../base/redis'

// ── Redis: what may vanish ───────────────────────────────────────────────────

const artifactKey = (model: string, id: string): string => key('oidcArtifact', model, sha256(id))

export interface Artifact {
  model: string
  /** Often a bearer secret: kept only as its hash. */
  id: string
  payload: object
  ttlSeconds: number
}

/** An artefact as it is kept while nobody has used it. */
const fresh = (payload: object): string => `0${JSON.stringify(payload)}`
const whole = (seconds: number): number => Math.max(1, Math.floor(seconds))

/** Keeps an artefact for exactly `ttlSeconds`. */
export async function putArtifact({ model, id, payload, ttlSeconds }: Artifact): Promise<void> {
  await withRedis((client) => client.set(artifactKey(model, id), fresh(payload), 'EX', whole(ttlSeconds)))
}

/** The artefact and whether it has been used; null when it never was or its time is over. */
export async function getArtifact<T extends object>(
  model: string,
  id: string,
): Promise<{ payload: T; consumed: boolean } | null> {
  const text = await withRedis((client) => client.get(artifactKey(model, id)))
  return text ? { payload: JSON.parse(text.slice(1)) as T, consumed: text[0] === '1' } : null
}

const CONSUME = `
local used = redis.call('GETRANGE', KEYS[1], 0, 0)
if used == '' then return -1 end
if used == '1' then return 0 end
redis.call('SETRANGE', KEYS[1], 0, '1')
return 1
`

/** Uses an artefact up: one caller wins, all others lose; it stays readable as used until it expires. */
export async function consumeArtifact(model: string, id: string): Promise<'won' | 'lost' | 'gone'> {
  const answer = Number(await withRedis((client) => client.eval(CONSUME, 1, artifactKey(model, id))))
  return answer === 1 ? 'won' : answer === 0 ? 'lost' : 'gone'
}

export async function dropArtifact(model: string, id: string): Promise<void> {
  await withRedis((client) => client.del(artifactKey(model, id)))
}

/** True for the first who uses a name, for so long; everybody after that: false. */
export async function useOnce(name: string, ttlSeconds: number): Promise<boolean> {
  const redisKey = artifactKey('ReplayDetection', name)
  return (await withRedis((client) => client.set(redisKey, '1', 'EX', ttlSeconds, 'NX'))) === 'OK'
}

/** Marks one token family of a consent (or `*`, all) revoked for access tokens and codes that still live. */
export async function bury(grantId: string, family: string, ttlSeconds: number): Promise<void> {
  const name = key('oidcRevoked', grantId)
  await withRedis(async (client) => {
    await client.hset(name, family, '1')
    await client.expire(name, ttlSeconds)
  })
}

export async function buried(grantId: string, family: string): Promise<boolean> {
  const marks = await withRedis((client) => client.hmget(key('oidcRevoked', grantId), family, '*'))
  return marks.some((mark) => mark !== null)
}

/** `putArtifact`, then `buried`, in one round trip. */
export async function putArtifactThenBuried(
  artifact: Artifact,
  grantId: string,
  family: string,
): Promise<boolean> {
  const { model, id, payload, ttlSeconds } = artifact
  const [put, marks] = await withRedis(async (client) => {
    const answers = await client
      .pipeline()
      .set(artifactKey(model, id), fresh(payload), 'EX', whole(ttlSeconds))
      .hmget(key('oidcRevoked', grantId), family, '*')
      .exec()
    // A pipeline itself never fails.
    for (const [error] of answers ?? []) if (error) throw error
    return (answers ?? []).map(([, answer]) => answer)
  })
  if (put !== 'OK' || !Array.isArray(marks)) throw new Error('redis gave no answer to a pipeline')
  return marks.some((mark) => mark !== null)
}

// ── consents ─────────────────────────────────────────────────────────────────

/** What a user allowed an app. */
export interface GrantRow {
  id: string
  scopes: string[]
  claims: string[]
  /** Scopes of APIs, by the address of each. */
  resources: Record<string, string[]>
}

interface GrantPayload {
  scopes?: string[]
  claims?: string[]
  resources?: Record<string, string[]>
}

const toGrant = (row: { id: string; payload: GrantPayload }): GrantRow => ({
  id: row.id,
  scopes: row.payload.scopes ?? [],
  claims: row.payload.claims ?? [],
  resources: row.payload.resources ?? {},
})

export async function liveGrant(userId: string, clientId: string): Promise<GrantRow | null> {
  const [row] = await sql<{ id: string; payload: GrantPayload }>({
    name: 'oidc-grant-live',
    text: 'SELECT id, payload FROM grants WHERE user_id = $1 AND client_id = $2 AND revoked_at IS NULL',
    values: [userId, clientId],
  })
  return row ? toGrant(row) : null
}

export async function grantById(
  id: string,
): Promise<(GrantRow & { userId: string; clientId: string }) | null> {
  const [row] = await sql<{ id: string; payload: GrantPayload; user_id: string; client_id: string }>({
    name: 'oidc-grant-by-id',
    text: 'SELECT id, payload, user_id::text, client_id FROM grants WHERE id = $1 AND revoked_at IS NULL',
    values: [id],
  })
  return row ? { ...toGrant(row), userId: row.user_id, clientId: row.client_id } : null
}

/** Adds scopes and claims to the live consent, or makes it; nothing granted before is lost. */
export async function mergeGrant(
  tx: Tx,
  grant: GrantRow & { userId: string; clientId: string },
): Promise<GrantRow> {
  const { id, userId, clientId, scopes, claims, resources } = grant
  const at = new Date(nowMs())
  const [row] = await tx.$queryRaw<{ id: string; payload: GrantPayload }[]>`
    INSERT INTO grants AS g (id, user_id, client_id, payload, created_at, updated_at)
    VALUES (${id}, ${userId}::uuid, ${clientId}, ${JSON.stringify({ scopes, claims, resources })}::jsonb, ${at}, ${at})
    ON CONFLICT (user_id, client_id) WHERE revoked_at IS NULL DO UPDATE SET updated_at = ${at}, payload = jsonb_build_object(
      'scopes', (SELECT COALESCE(jsonb_agg(DISTINCT s), '[]') FROM jsonb_array_elements((g.payload->'scopes') || (EXCLUDED.payload->'scopes')) s),
      'claims', (SELECT COALESCE(jsonb_agg(DISTINCT c), '[]') FROM jsonb_array_elements((g.payload->'claims') || (EXCLUDED.payload->'claims')) c),
      'resources', (SELECT COALESCE(jsonb_object_agg(id, scopes), '{}') FROM (
        SELECT r.key AS id, jsonb_agg(DISTINCT s) AS scopes
        FROM (SELECT * FROM jsonb_each(COALESCE(g.payload->'resources', '{}')) UNION ALL
              SELECT * FROM jsonb_each(EXCLUDED.payload->'resources')) r, jsonb_array_elements(r.value) s
        GROUP BY r.key) merged))
    RETURNING g.id, g.payload`
  if (!row) throw new Error('consent was not saved')
  return toGrant(row)
}

// ── refresh tokens ───────────────────────────────────────────────────────────

/** Every refresh token that one sign-in of an app was ever given; the newest alone is good. */
export interface RefreshFamily {
  /** What all of its tokens have in common, by its SHA-256. */
  id: string
  /** The newest token, by its SHA-256. */
  current: string
  familyId: string
  userId: string
  payload: object
  expiresAt: Date
}

export interface FoundRefresh {
  payload: Record<string, unknown>
  /** The token that is good, by its hash; null where none is. */
  current: string | null
  /** The one whose place it took, and when. */
  previous: string | null
  rotatedAt: Date | null
  grant: GrantRow
  grantUsedAt: Date | null
}

/** Portals before kept a row for each token, by the hash of it all; such a row is rotated into one for its family. */
const CURRENT = 'COALESCE(t.current_hash, CASE WHEN t.consumed_at IS NULL THEN t.id END)'

/** A family, by any of the names that it may go by, with its consent; null when either is gone or taken back. One round trip. */
export async function findRefresh(ids: string[]): Promise<FoundRefresh | null> {
  const [row] = await sql<Omit<FoundRefresh, 'grant'> & { grantId: string; granted: GrantPayload }>({
    name: 'oidc-refresh-find',
    text: `SELECT t.payload, ${CURRENT} AS current, t.previous_hash AS previous, t.rotated_at AS "rotatedAt",
             t.grant_id AS "grantId", g.payload AS granted, g.last_used_at AS "grantUsedAt"
           FROM refresh_tokens t JOIN grants g ON g.id = t.grant_id
           WHERE t.id = ANY($1::text[]) AND t.expires_at > $2 AND g.revoked_at IS NULL`,
    values: [ids, new Date(nowMs())],
  })
  if (!row) return null
  const { grantId, granted, ...found } = row
  return { ...found, grant: toGrant({ id: grantId, payload: granted }) }
}

/** How exactly it is kept when a consent or an app of a session was last used: a row is not written for less. */
const USE_MINUTES = 10
const USE_GRAIN = `interval '${USE_MINUTES} minutes'`

/**
 * Puts `next` in the place of `old`, which is used up by that; false when somebody else did (then nothing is changed).
 * @param ids the names that the family may go by; from now on it goes by the new token's
 */
export async function rotateRefresh(
  ids: string[],
  old: string,
  next: Pick<RefreshFamily, 'id' | 'current' | 'payload' | 'expiresAt'>,
): Promise<boolean> {
  const rows = await sql({
    name: 'oidc-refresh-rotate',
    // No column that an index has gets another value, so no index is written.
    text: `UPDATE refresh_tokens t SET id = $1, current_hash = $2, previous_hash = $3, rotated_at = $4, payload = $5::jsonb,
             expires_at = $6
           WHERE t.id = ANY($7::text[]) AND ${CURRENT} = $3 RETURNING 1`,
    values: [
      next.id,
      next.current,
      old,
      new Date(nowMs()),
      JSON.stringify(next.payload),
      next.expiresAt,
      ids,
    ],
  })
  return rows.length === 1
}

/** Whether `next` took the place of `old` after `since`, and is unused. */
export async function repeatable(ids: string[], old: string, next: string, since: Date): Promise<boolean> {
  const rows = await sql({
    name: 'oidc-refresh-repeatable',
    text: `SELECT 1 FROM refresh_tokens
           WHERE id = ANY($1::text[]) AND previous_hash = $2 AND current_hash = $3 AND rotated_at > $4`,
    values: [ids, old, next, since],
  })
  return rows.length === 1
}

/** Notes that a consent is in use; whoever holds it at the moment is not waited for. */
export async function noteGrantUse(id: string, usedAt: Date | null): Promise<void> {
  const at = nowMs()
  if (usedAt && usedAt.getTime() > at - USE_MINUTES * 60_000) return
  await sql({
    name: 'oidc-grant-used',
    text: `UPDATE grants SET last_used_at = $2 WHERE id = (SELECT id FROM grants
             WHERE id = $1 AND (last_used_at IS NULL OR last_used_at < $2::timestamptz - ${USE_GRAIN}) FOR NO KEY UPDATE SKIP LOCKED)`,
    values: [id, new Date(at)],
  })
}

/**
 * An app's sign-in: which app the session is signed in to, the event, and its first refresh token if it gets one. The
 * consent is held meanwhile: whoever takes it back waits, and finds the app in the session.
 * @returns false when the consent was taken back; then nothing is written
 */
export async function saveSignIn(
  app: { sessionId: string; clientId: string; sid: string; grantId: string },
  event: EventInput,
  first: RefreshFamily | null,
): Promise<boolean> {
  const at = new Date(nowMs())
  const events = eventSql(6, event, 'held')
  const base = `WITH held AS MATERIALIZED (SELECT 1 FROM grants WHERE id = $4 AND revoked_at IS NULL FOR NO KEY UPDATE),
    app AS (
      INSERT INTO session_clients (session_id, client_id, sid, created_at, last_used_at)
      SELECT $1::uuid, $2::text, $3, $5::timestamptz, $5 FROM held WHERE NOT EXISTS (SELECT 1 FROM session_clients
        WHERE session_id = $1::uuid AND client_id = $2 AND last_used_at > $5::timestamptz - ${USE_GRAIN})
      ON CONFLICT (session_id, client_id) DO UPDATE SET last_used_at = $5 RETURNING 1),
    seen AS (UPDATE grants SET last_used_at = $5
      WHERE id = $4 AND (last_used_at IS NULL OR last_used_at < $5::timestamptz - ${USE_GRAIN})
        AND EXISTS (SELECT 1 FROM held) AND (SELECT count(*) FROM app) >= 0),
    e AS (${events.text})`
  const values = [app.sessionId, app.clientId, app.sid, app.grantId, at, ...events.values]
  if (!first) {
    const rows = await sql({ name: 'oidc-sign-in', text: `${base} SELECT 1 FROM held`, values })
    return rows.length === 1
  }
  const p = (offset: number) => `$${values.length + offset}`
  const rows = await sql({
    name: 'oidc-sign-in-refresh',
    text: `${base}
      INSERT INTO refresh_tokens (id, current_hash, family_id, user_id, client_id, grant_id, session_id, payload, expires_at, created_at)
      SELECT ${p(1)}, ${p(2)}, ${p(3)}, ${p(4)}::uuid, $2, $4, $1::uuid, ${p(5)}::jsonb, ${p(6)}::timestamptz, $5
      FROM held RETURNING 1`,
    values: [
      ...values,
      first.id,
      first.current,
      first.familyId,
      first.userId,
      JSON.stringify(first.payload),
      first.expiresAt,
    ],
  })
  return rows.length === 1
}

/** Ends a family of refresh tokens. A rotation in flight is waited for, and what it put there goes too. */
export async function deleteFamily(familyId: string): Promise<void> {
  await sql({
    name: 'oidc-family-delete',
    text: 'DELETE FROM refresh_tokens WHERE family_id = $1',
    values: [familyId],
  })
}

/** Deletes refresh tokens that expired before `before`, at most `batch`. Expiry itself is judged at use. */
export async function sweepRefresh(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'oidc-refresh-sweep',
    text: 'DELETE FROM refresh_tokens WHERE id IN (SELECT id FROM refresh_tokens WHERE expires_at < $1 LIMIT $2) RETURNING 1',
    values: [before, batch],
  })
  return rows.length
}

// ── apps of sessions ─────────────────────────────────────────────────────────

/** The apps that sessions are signed in to, those of most sessions first. */
export async function appsOf(
  sids: string[],
): Promise<{ clientId: string; name: string; metadata: ClientMetadata; sessions: number; tokens: number }[]> {
  if (sids.length === 0) return []
  return sql({
    name: 'oidc-apps-of-sessions',
    text: `SELECT c.id AS "clientId", c.name, c.metadata, count(*)::int AS sessions,
             (SELECT count(DISTINCT t.family_id)::int FROM refresh_tokens t
              WHERE t.session_id = ANY($1::uuid[]) AND t.client_id = c.id AND t.consumed_at IS NULL AND t.expires_at > $2) AS tokens
           FROM session_clients sc JOIN clients c ON c.id = sc.client_id
           WHERE sc.session_id = ANY($1::uuid[]) AND c.disabled_at IS NULL
           GROUP BY c.id ORDER BY sessions DESC, max(sc.last_used_at) DESC, c.id LIMIT 200`,
    values: [sids, new Date(nowMs())],
  })
}

/** One app that is to be told of one session's end. */
export interface Logout {
  clientId: string
  name: string
  metadata: ClientMetadata
  settings: ClientSettings
  sessionId: string
  /** The name the app knows the session by. */
  sid: string
}

const LOGOUTS = `SELECT c.id AS "clientId", c.name, c.metadata, c.settings, sc.sid, sc.session_id::text AS "sessionId"
  FROM session_clients sc JOIN clients c ON c.id = sc.client_id
  WHERE sc.session_id = ANY($1::uuid[]) AND c.disabled_at IS NULL AND jsonb_exists(c.metadata, 'backchannel_logout_uri')`

/** Apps with a back-channel address that these sessions are signed in to. */
export async function logoutsOf(sids: string[]): Promise<Logout[]> {
  if (sids.length === 0) return []
  return sql({ name: 'oidc-logouts-of', text: LOGOUTS, values: [sids] })
}

/** The same, as this transaction sees them. */
export const logoutsIn = (tx: Tx, sids: string[]): Promise<Logout[]> =>
  tx.$queryRawUnsafe<Logout[]>(LOGOUTS, sids)

/** Addresses of the apps that a session is signed in to and that have a front-channel address alone. */
export async function frontChannelOf(sessionId: string): Promise<{ uri: string; sid: string }[]> {
  return sql({
    name: 'oidc-front-channel-of',
    text: `SELECT c.metadata->>'frontchannel_logout_uri' AS uri, sc.sid
           FROM session_clients sc JOIN clients c ON c.id = sc.client_id
           WHERE sc.session_id = $1 AND c.disabled_at IS NULL AND jsonb_exists(c.metadata, 'frontchannel_logout_uri')
             AND NOT jsonb_exists(c.metadata, 'backchannel_logout_uri')
           ORDER BY sc.last_used_at DESC LIMIT 20`,
    values: [sessionId],
  })
}

/** Each app of each of these sessions. */
export async function appsBySession(
  sids: string[],
): Promise<{ sessionId: string; clientId: string; name: string }[]> {
  if (sids.length === 0) return []
  return sql({
    name: 'oidc-apps-by-session',
    text: `SELECT sc.session_id::text AS "sessionId", c.id AS "clientId", c.name
           FROM session_clients sc JOIN clients c ON c.id = sc.client_id
           WHERE sc.session_id = ANY($1::uuid[]) AND c.disabled_at IS NULL
           ORDER BY sc.last_used_at DESC LIMIT 1000`,
    values: [sids],
  })
}

/** Those of these sessions that are signed in to an app whose name holds `text`. */
export async function sessionsWithApp(sids: string[], text: string): Promise<string[]> {
  if (sids.length === 0) return []
  const rows = await sql<{ id: string }>({
    name: 'oidc-sessions-with-app',
    text: `SELECT DISTINCT sc.session_id::text AS id FROM session_clients sc JOIN clients c ON c.id = sc.client_id
           WHERE sc.session_id = ANY($1::uuid[]) AND c.name ILIKE $2`,
    values: [sids, `%${text.replace(/[\\%_]/g, '\\$&')}%`],
  })
  return rows.map((row) => row.id)
}
