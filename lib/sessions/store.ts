/**
 * All SQL and Redis of the room. Atomic: `insertSession` and `renewSession` are one statement each
 * (user still active, device known, session, event), `markRevoked` is UPDATE … RETURNING, so a session
 * is revoked once; `publishFacts` never overwrites a tombstone.
 */
import { type EventInput, eventSql } from '../audit'
import type { Agent } from '../base/agent'
import { nowMs } from '../base/clock'
import { inTx, isDown, onCommit, prisma, sql, type Tx } from '../base/db'
import { KEYS, key } from '../base/keys'
import { redis, withRedis } from '../base/redis'
import type { Proof, SessionFacts } from './facts'

const FACTS = `s.id AS sid, s.generation, s.user_id, s.session_version, s.method, s.amr, s.acr, s.second_skipped, s.auth_at,
  s.created_at, s.expires_at, s.idle_seconds, s.last_active_at, s.device_id, u.default_role, u.is_anonymous,
  ARRAY(SELECT r.role_name FROM user_roles r WHERE r.user_id = s.user_id ORDER BY r.role_name) AS roles`

interface FactsRow {
  sid: string
  generation: number
  user_id: string
  session_version: number
  method: string
  amr: string[]
  acr: string
  second_skipped: boolean
  auth_at: Date
  created_at: Date
  expires_at: Date
  idle_seconds: number
  last_active_at: Date
  device_id: string | null
  default_role: string
  is_anonymous: boolean
  roles: string[]
}

const toFacts = (row: FactsRow): SessionFacts => ({
  sid: row.sid,
  generation: row.generation,
  userId: row.user_id,
  sessionVersion: row.session_version,
  method: row.method,
  amr: row.amr,
  acr: row.acr,
  secondSkipped: row.second_skipped,
  authAt: row.auth_at.getTime(),
  createdAt: row.created_at.getTime(),
  expiresAt: row.expires_at.getTime(),
  idleSeconds: row.idle_seconds,
  lastActiveAt: row.last_active_at.getTime(),
  roles: [row.default_role, ...row.roles.filter((role) => role !== row.default_role)],
  defaultRole: row.default_role,
  deviceId: row.device_id,
  guest: row.is_anonymous,
})

/** The facts of a session that is not revoked, of a user who may be signed in; expiry is the caller's to judge. */
export async function readFacts(sid: string): Promise<SessionFacts | null> {
  const [row] = await sql<FactsRow>({
    name: 'session-facts',
    text: `SELECT ${FACTS} FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.id = $1 AND s.revoked_at IS NULL AND u.status = 'active' AND u.session_version = s.session_version`,
    values: [sid],
  })
  return row ? toFacts(row) : null
}

export interface NewSession {
  sid: string
  userId: string
  method: string
  amr: string[]
  acr: string
  proofs: Proof[]
  at: Date
  expiresAt: Date
  idleSeconds: number
  deviceTokenHash: string
  agent: Agent
  userAgent: string
  ip: string
  secondSkipped: boolean
  /** Spares this browser the second step; null leaves it as it was. */
  trust: { hash: string; until: Date } | null
  /** The user's as they were when the first proof was judged; null asks for none. */
  versions: Versions | null
}

/** What moves when sessions, or what a person signs in with, must begin anew. */
export interface Versions {
  session: number
  factor: number
}

/**
 * Opens a session unless the user may no longer sign in, or an old password, a lock or a factor was
 * changed since the first proof (then null). One statement.
 */
export async function insertSession(
  s: NewSession,
  event: EventInput,
): Promise<{ facts: SessionFacts; newDevice: boolean } | null> {
  const events = eventSql(22, event, 's')
  const [row] = await sql<FactsRow & { new_device: boolean }>({
    name: 'session-open',
    text: `WITH u AS (
        UPDATE users SET last_login_at = $7, last_seen_at = $7 WHERE id = $2 AND status = 'active'
          AND session_version = COALESCE($20, session_version) AND factor_version = COALESCE($21, factor_version)
        RETURNING id, session_version, default_role, is_anonymous),
      d AS (
        INSERT INTO devices AS d (user_id, token_hash, browser, os, kind, last_ip, created_at, last_seen_at,
          trust_hash, trusted_until)
        SELECT u.id, $10, $11, $12, $13, $15::inet, $7, $7, $18, $19 FROM u
        ON CONFLICT (user_id, token_hash) DO UPDATE SET browser = EXCLUDED.browser, os = EXCLUDED.os,
          kind = EXCLUDED.kind, last_ip = EXCLUDED.last_ip, last_seen_at = EXCLUDED.last_seen_at,
          trust_hash = COALESCE(EXCLUDED.trust_hash, d.trust_hash),
          trusted_until = COALESCE(EXCLUDED.trusted_until, d.trusted_until)
        RETURNING d.id, (xmax = 0) AS new_device),
      s AS (
        INSERT INTO sessions (id, user_id, device_id, session_version, method, amr, acr, proofs, auth_at, user_agent,
          browser, os, device_kind, ip, created_at, last_active_at, expires_at, idle_seconds, second_skipped)
        SELECT $1, u.id, d.id, u.session_version, $3, $4, $5, $6::jsonb, $16, $14, $11, $12, $13, $15::inet, $7, $7, $8,
          $9, $17
        FROM u, d RETURNING *),
      e AS (${events.text})
      SELECT ${FACTS}, d.new_device FROM s JOIN u ON u.id = s.user_id CROSS JOIN d`,
    values: [
      s.sid,
      s.userId,
      s.method,
      s.amr,
      s.acr,
      JSON.stringify(s.proofs),
      s.at,
      s.expiresAt,
      s.idleSeconds,
      s.deviceTokenHash,
      s.agent.browser,
      s.agent.os,
      s.agent.kind,
      s.userAgent,
      s.ip,
      new Date(Math.max(...s.proofs.map((proof) => proof.at))),
      s.secondSkipped,
      s.trust?.hash ?? null,
      s.trust?.until ?? null,
      s.versions?.session ?? null,
      s.versions?.factor ?? null,
      ...events.values,
    ],
  })
  return row ? { facts: toFacts(row), newDevice: row.new_device } : null
}

/** Raises a live session's generation after a new proof in the same browser; null when it is no longer live. */
export async function renewSession(s: NewSession, event: EventInput): Promise<SessionFacts | null> {
  const events = eventSql(18, event, 's')
  const [row] = await sql<FactsRow>({
    name: 'session-renew',
    text: `WITH u AS (
        UPDATE users SET last_login_at = $7, last_seen_at = $7 WHERE id = $2 AND status = 'active'
          AND session_version = COALESCE($15, session_version) AND factor_version = COALESCE($16, factor_version)
        RETURNING id, session_version, default_role, is_anonymous),
      s AS (
        UPDATE sessions s SET generation = s.generation + 1, method = $3, amr = $4, acr = $5, proofs = $6::jsonb,
          auth_at = $11, last_active_at = $7, expires_at = $8, idle_seconds = $9, ip = $10::inet, second_skipped = $12
        FROM u WHERE s.id = $1 AND s.user_id = u.id AND s.revoked_at IS NULL AND s.session_version = u.session_version
        RETURNING s.*),
      d AS (
        UPDATE devices d SET trust_hash = $13, trusted_until = $14
        FROM s WHERE d.id = s.device_id AND d.token_hash = $17 AND $13::text IS NOT NULL),
      e AS (${events.text})
      SELECT ${FACTS} FROM s JOIN u ON u.id = s.user_id`,
    values: [
      s.sid,
      s.userId,
      s.method,
      s.amr,
      s.acr,
      JSON.stringify(s.proofs),
      s.at,
      s.expiresAt,
      s.idleSeconds,
      s.ip,
      new Date(Math.max(...s.proofs.map((proof) => proof.at))),
      s.secondSkipped,
      s.trust?.hash ?? null,
      s.trust?.until ?? null,
      s.versions?.session ?? null,
      s.versions?.factor ?? null,
      s.deviceTokenHash,
      ...events.values,
    ],
  })
  return row ? toFacts(row) : null
}

/**
 * Raises the generation of a live session and nothing else; null when it ended, was renewed, or has proven too
 * little meanwhile. So of two changes at once in one browser one has the newest cookie, and a change that was
 * allowed by what a process remembers of the session is judged by its row.
 */
export async function raiseGeneration(tx: Tx, facts: SessionFacts): Promise<SessionFacts | null> {
  const [row] = await tx.$queryRawUnsafe<FactsRow[]>(
    `WITH s AS (
       UPDATE sessions SET generation = generation + 1
       WHERE id = $1::uuid AND user_id = $2::uuid AND generation = $3 AND second_skipped = $4
         AND revoked_at IS NULL RETURNING *)
     SELECT ${FACTS} FROM s JOIN users u ON u.id = s.user_id`,
    facts.sid,
    facts.userId,
    facts.generation,
    facts.secondSkipped,
  )
  return row ? toFacts(row) : null
}

/** Which sessions of one user a revoke is about. */
export interface RevokeWhere {
  userId: string
  sid?: string
  deviceId?: string
  exceptSid?: string
  /** It is ended from another browser, as a lost one would be: its own is asked for the second step again. */
  lost?: true
  /** Every session, those opened at this moment included: the user's session_version is raised too. */
  all?: true
}

/** Marks live sessions revoked in `tx` and gives their ids; those already ended stay as they were. */
export async function markRevoked(tx: Tx, where: RevokeWhere, reason: string): Promise<string[]> {
  const at = new Date(nowMs())
  if (where.all) {
    // session_version is the epoch of sessions: raising it is how a session opened in the same instant dies too.
    await tx.$executeRaw`UPDATE users SET session_version = session_version + 1 WHERE id = ${where.userId}::uuid`
    await clearTrust(tx, where.userId)
  }
  const rows = await tx.$queryRaw<{ id: string; device: string | null }[]>`
    UPDATE sessions SET revoked_at = ${at}, revoked_reason = ${reason}
    WHERE user_id = ${where.userId}::uuid AND revoked_at IS NULL
      AND (${where.sid ?? null}::uuid IS NULL OR id = ${where.sid ?? null}::uuid)
      AND (${where.deviceId ?? null}::uuid IS NULL OR device_id = ${where.deviceId ?? null}::uuid)
      AND (${where.exceptSid ?? null}::uuid IS NULL OR id <> ${where.exceptSid ?? null}::uuid)
    RETURNING id::text, device_id::text AS device`
  if (where.exceptSid) await clearTrustBut(tx, where.userId, where.exceptSid)
  if (where.lost) for (const { device } of rows) if (device) await clearTrustOf(tx, where.userId, device)
  return rows.map((row) => row.id)
}

/** Live sessions whose first proof came from this account elsewhere, or from this session there; both must agree if both are named. */
export async function sessionsFrom(where: {
  credential?: string
  upstream?: string
}): Promise<{ userId: string; sid: string }[]> {
  const { credential, upstream } = where
  if (!credential && !upstream) return []
  const proof = { method: 'oauth', ...(credential && { credential }), ...(upstream && { upstream }) }
  const rows = await sql<{ user_id: string; id: string }>({
    name: 'sessions-from',
    text: `SELECT user_id::text, id::text FROM sessions
           WHERE method = 'oauth' AND revoked_at IS NULL AND proofs @> $1::jsonb`,
    values: [JSON.stringify([proof])],
  })
  return rows.map(({ user_id: userId, id: sid }) => ({ userId, sid }))
}

/** All browsers but the one of this session: those that are signed out already are trusted as well. */
async function clearTrustBut(tx: Tx, userId: string, sid: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE devices SET trusted_until = NULL, trust_hash = NULL
    WHERE user_id = ${userId}::uuid AND trust_hash IS NOT NULL
      AND id IS DISTINCT FROM (SELECT device_id FROM sessions WHERE id = ${sid}::uuid)`
}

/** Whether the user could be signed in at all: tells "switched off" from "changed meanwhile". */
export async function mayBeSignedIn(userId: string): Promise<boolean> {
  const rows = await sql({
    name: 'session-user-active',
    text: `SELECT 1 FROM users WHERE id = $1 AND status = 'active'`,
    values: [userId],
  })
  return rows.length > 0
}

/**
 * Raises the user's factor_version and forgets every trusted browser. The row of the user is locked first:
 * a sign-in that would trust a browser at the same instant either came before and is undone here, or finds
 * the new version and is refused.
 */
export async function voidTrust(tx: Tx, userId: string): Promise<void> {
  await tx.$executeRaw`UPDATE users SET factor_version = factor_version + 1 WHERE id = ${userId}::uuid`
  await clearTrust(tx, userId)
}

async function clearTrust(tx: Tx, userId: string): Promise<void> {
  await tx.$executeRaw`
    UPDATE devices SET trusted_until = NULL, trust_hash = NULL
    WHERE user_id = ${userId}::uuid AND trust_hash IS NOT NULL`
}

/** Forgets one trusted browser; false when it was none of this user's. */
export async function clearTrustOf(tx: Tx, userId: string, deviceId: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE devices SET trusted_until = NULL, trust_hash = NULL
    WHERE id = ${deviceId}::uuid AND user_id = ${userId}::uuid AND trust_hash IS NOT NULL`
  return count > 0
}

/** The device that these two cookies' hashes name together while it is trusted; null for any other. */
export async function readTrusted(
  userId: string,
  tokenHash: string,
  trustHash: string,
): Promise<string | null> {
  const [row] = await sql<{ id: string }>({
    name: 'device-trusted',
    text: `SELECT id::text FROM devices
           WHERE user_id = $1 AND token_hash = $2 AND trust_hash = $3 AND trusted_until > $4`,
    values: [userId, tokenHash, trustHash, new Date(nowMs())],
  })
  return row?.id ?? null
}

/** The versions of a user as this transaction sees them. */
export async function readVersions(tx: Tx, userId: string): Promise<Versions | null> {
  const [row] = await tx.$queryRaw<Versions[]>`
    SELECT session_version AS session, factor_version AS factor FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
  return row ?? null
}

/** Forgets every browser of a user: none is known any more, none has tries of its own. */
export async function deleteDevices(tx: Tx, userId: string): Promise<void> {
  await tx.$executeRaw`DELETE FROM devices WHERE user_id = ${userId}::uuid`
}

/** Of these users, those who have a live session, or were active in one since `since`. */
export async function usersInUse(userIds: string[], since: Date): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'session-users-in-use',
    text: `SELECT DISTINCT s.user_id::text AS id FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.user_id = ANY($1::uuid[]) AND (s.last_active_at >= $2 OR (
             s.revoked_at IS NULL AND s.session_version = u.session_version AND s.expires_at > $3::timestamptz
             AND s.last_active_at + make_interval(secs => s.idle_seconds) > $3::timestamptz))`,
    values: [userIds, since, new Date(nowMs())],
  })
  return rows.map((row) => row.id)
}

/** Marks live sessions as having proven too little, and gives their ids. Waits for one that is just being opened. */
export async function markSkipped(tx: Tx, userId: string, exceptSid: string | null): Promise<string[]> {
  await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE sessions SET second_skipped = true
    WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND NOT second_skipped
      AND (${exceptSid}::uuid IS NULL OR id <> ${exceptSid}::uuid)
    RETURNING id::text`
  return rows.map((row) => row.id)
}

export { inTx, isDown, onCommit }

// ── session:valid:{sid} ──────────────────────────────────────────────────────

const TOMBSTONE = 'revoked'
const TTL = KEYS.sessionValid.ttlSeconds

/** What Redis says: facts, `revoked`, or null when it knows nothing. */
export async function cachedFacts(sid: string): Promise<SessionFacts | 'revoked' | null> {
  const text = await redis().get(key('sessionValid', sid))
  if (text === null) return null
  return text === TOMBSTONE ? 'revoked' : (JSON.parse(text) as SessionFacts)
}

/** Offers facts to Redis unless it already holds something; gives what it then holds. */
export async function publishFacts(facts: SessionFacts): Promise<SessionFacts | 'revoked'> {
  const set = await redis().set(key('sessionValid', facts.sid), JSON.stringify(facts), 'EX', TTL, 'NX')
  return set === 'OK' ? facts : ((await cachedFacts(facts.sid)) ?? facts)
}

/** Replaces the facts after a renewal, but neither a tombstone nor those of a later renewal. */
export async function replaceFacts(facts: SessionFacts): Promise<void> {
  const script = `
    local held = redis.call('GET', KEYS[1])
    if held == ARGV[1] then return 0 end
    local later = held and string.match(held, '"generation":(%d+)')
    if later and tonumber(later) > tonumber(ARGV[4]) then return 0 end
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return 1`
  const name = key('sessionValid', facts.sid)
  await withRedis((client) =>
    client.eval(script, 1, name, TOMBSTONE, JSON.stringify(facts), TTL, facts.generation),
  )
}

/** @throws StoresDown unless Redis took every tombstone (a pipeline itself never fails) */
export async function bury(sids: string[]): Promise<void> {
  if (sids.length === 0) return
  await withRedis(async (client) => {
    const pipeline = client.pipeline()
    for (const sid of sids) pipeline.set(key('sessionValid', sid), TOMBSTONE, 'EX', TTL)
    for (const [error] of (await pipeline.exec()) ?? []) if (error) throw error
  })
}

const FORGET = `if redis.call('GET', KEYS[1]) ~= ARGV[1] then return redis.call('DEL', KEYS[1]) end return 0`

/** Forgets the cached facts (not the tombstone) of one session. @throws StoresDown */
export async function forgetFacts(sid: string): Promise<void> {
  await withRedis((client) => client.eval(FORGET, 1, key('sessionValid', sid), TOMBSTONE))
}

/** Forgets cached facts (not tombstones) of a user's live sessions, so that the next check reads them anew. */
export async function forgetFactsOf(userId: string): Promise<void> {
  const rows = await sql<{ id: string }>({
    name: 'session-live-ids',
    text: 'SELECT id::text FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
    values: [userId],
  })
  const pipeline = redis().pipeline()
  for (const row of rows) pipeline.eval(FORGET, 1, key('sessionValid', row.id), TOMBSTONE)
  await pipeline.exec()
}

// ── activity, lists ──────────────────────────────────────────────────────────

/** Writes last activity of many sessions at once; never brings a revoked one back, never goes backwards. */
export async function writeActivity(activity: Map<string, number>): Promise<void> {
  await sql({
    name: 'session-activity',
    text: `UPDATE sessions s SET last_active_at = a.at
           FROM (SELECT unnest($1::uuid[]) AS id, unnest($2::timestamptz[]) AS at) a
           WHERE s.id = a.id AND s.revoked_at IS NULL AND s.last_active_at < a.at`,
    values: [[...activity.keys()], [...activity.values()].map((at) => new Date(at))],
  })
}

export interface SessionRow {
  sid: string
  deviceId: string | null
  deviceName: string | null
  browser: string | null
  os: string | null
  kind: string | null
  ip: string | null
  country: string | null
  city: string | null
  method: string
  amr: string[]
  createdAt: Date
  authAt: Date
  lastActiveAt: Date
  expiresAt: Date
}

/** A page's place: the last row's activity time and id. */
export interface Cursor {
  at: Date
  sid: string
}

/** Live sessions of a user, most recently active first; a page of `limit`, one query at any total. */
export async function listLive(
  userId: string,
  options: { limit: number; before?: Cursor },
): Promise<SessionRow[]> {
  return sql<SessionRow>({
    name: 'session-list',
    text: `SELECT s.id::text AS sid, s.device_id::text AS "deviceId", d.name AS "deviceName", s.browser, s.os,
             s.device_kind AS kind, host(s.ip) AS ip, s.country, s.city, s.method, s.amr, s.created_at AS "createdAt",
             s.auth_at AS "authAt", s.last_active_at AS "lastActiveAt", s.expires_at AS "expiresAt"
           FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN devices d ON d.id = s.device_id
           WHERE s.user_id = $1 AND s.revoked_at IS NULL AND s.session_version = u.session_version
             AND s.expires_at > $2::timestamptz AND s.last_active_at + make_interval(secs => s.idle_seconds) > $2::timestamptz
             AND ($3::timestamptz IS NULL OR (s.last_active_at, s.id) < ($3, $4::uuid))
           ORDER BY s.last_active_at DESC, s.id DESC LIMIT $5`,
    values: [
      userId,
      new Date(nowMs()),
      options.before?.at ?? null,
      options.before?.sid ?? null,
      options.limit,
    ],
  })
}

export interface DeviceRow {
  id: string
  name: string | null
  browser: string | null
  os: string | null
  kind: string | null
  lastIp: string | null
  createdAt: Date
  lastSeenAt: Date
  /** Until then this browser skips the second step; null when it does not. */
  trustedUntil: Date | null
}

export async function listDevices(userId: string, limit: number): Promise<DeviceRow[]> {
  const rows = await prisma().device.findMany({
    where: { userId },
    orderBy: { lastSeenAt: 'desc' },
    take: limit,
    select: {
      id: true,
      name: true,
      browser: true,
      os: true,
      kind: true,
      lastIp: true,
      createdAt: true,
      lastSeenAt: true,
      trustedUntil: true,
    },
  })
  const at = nowMs()
  return rows.map((row) => ({
    ...row,
    trustedUntil: row.trustedUntil && row.trustedUntil.getTime() > at ? row.trustedUntil : null,
  }))
}

export async function deviceKnown(userId: string, tokenHash: string): Promise<boolean> {
  const rows = await sql({
    name: 'device-known',
    text: 'SELECT 1 FROM devices WHERE user_id = $1 AND token_hash = $2',
    values: [userId, tokenHash],
  })
  return rows.length > 0
}

/** Deletes sessions that ended before `before`, at most `batch`; how the past looked is in the events. */
export async function sweepSessions(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'session-sweep',
    text: `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2) RETURNING 1`,
    values: [before, batch],
  })
  return rows.length
}
