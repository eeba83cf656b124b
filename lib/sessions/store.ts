/**
 * SQL of sessions from their beginning to their end, and of trust in browsers. Atomic: `insertSession` and `renewSession` are
 * one statement each (user still active, device known, session, tries given back, event), `markRevoked` is UPDATE … RETURNING,
 * so a session is revoked once.
 */
import { type EventInput, eventSql } from '../audit'
import type { Agent } from '../base/agent'
import { nowMs } from '../base/clock'
import { inTx, isDown, onCommit, sql, type Tx } from '../base/db'
import { refundSql } from '../base/limits'
import type { Place } from '../base/place'
import { type Proof, type SessionFacts, withinRoles } from './facts'

const FACTS = `s.id AS sid, s.generation, s.user_id, s.session_version, s.method, s.amr, s.acr, s.second_skipped, s.auth_at,
  s.proofs <> '[]' AND NOT EXISTS (
    SELECT 1 FROM jsonb_array_elements(s.proofs) p WHERE p->'undated' IS NULL) AS undated,
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
  undated: boolean
  created_at: Date
  expires_at: Date
  idle_seconds: number
  last_active_at: Date
  device_id: string | null
  default_role: string
  is_anonymous: boolean
  roles: string[]
}

/** What a role is told to be stricter about holds from its next look on, whenever the role was given. */
const toFacts = (row: FactsRow): SessionFacts => withinRoles(asRow(row))

const asRow = (row: FactsRow): SessionFacts => ({
  sid: row.sid,
  generation: row.generation,
  userId: row.user_id,
  sessionVersion: row.session_version,
  method: row.method,
  amr: row.amr,
  acr: row.acr,
  secondSkipped: row.second_skipped,
  authAt: row.auth_at.getTime(),
  ...(row.undated && { undated: true as const }),
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
  place: Place | null
  secondSkipped: boolean
  /** Spares this browser the second step; null leaves it as it was. */
  trust: { hash: string; until: Date } | null
  /** The user's as they were when the first proof was judged; null asks for none. */
  versions: Versions | null
  /** Keys of budgets that are given back whole. */
  budgets: string[]
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
  const events = eventSql(27, event, 's')
  const [row] = await sql<FactsRow & { new_device: boolean }>({
    name: 'session-open',
    text: `WITH u AS (
        UPDATE users SET last_login_at = $7, last_seen_at = $7 WHERE id = $2 AND status = 'active'
          AND session_version = COALESCE($20, session_version) AND factor_version = COALESCE($21, factor_version)
        RETURNING id, session_version, default_role, is_anonymous),
      d AS (
        INSERT INTO devices AS d (user_id, token_hash, browser, os, kind, last_ip, created_at, last_seen_at,
          trust_hash, trusted_until, country, city, timezone, model)
        SELECT u.id, $10, $11, $12, $13, $15::inet, $7, $7, $18, $19, $22, $23, $24, $25 FROM u
        ON CONFLICT (user_id, token_hash) DO UPDATE SET browser = EXCLUDED.browser, os = EXCLUDED.os,
          kind = EXCLUDED.kind, last_ip = EXCLUDED.last_ip, last_seen_at = EXCLUDED.last_seen_at,
          country = EXCLUDED.country, city = EXCLUDED.city, timezone = EXCLUDED.timezone,
          model = COALESCE(EXCLUDED.model, d.model),
          trust_hash = COALESCE(EXCLUDED.trust_hash, d.trust_hash),
          trusted_until = COALESCE(EXCLUDED.trusted_until, d.trusted_until)
        RETURNING d.id, (xmax = 0) AS new_device),
      s AS (
        INSERT INTO sessions (id, user_id, device_id, session_version, method, amr, acr, proofs, auth_at, user_agent,
          browser, os, device_kind, ip, created_at, last_active_at, expires_at, idle_seconds, second_skipped,
          country, city, timezone)
        SELECT $1, u.id, d.id, u.session_version, $3, $4, $5, $6::jsonb, $16, $14, $11, $12, $13, $15::inet, $7, $7, $8,
          $9, $17, $22, $23, $24
        FROM u, d RETURNING *),
      b AS (${refundSql('$26')} AND EXISTS (SELECT 1 FROM s)),
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
      s.place?.country ?? null,
      s.place?.city ?? null,
      s.place?.timezone ?? null,
      s.agent.model,
      s.budgets,
      ...events.values,
    ],
  })
  return row ? { facts: toFacts(row), newDevice: row.new_device } : null
}

/** Raises a live session's generation after a new proof in the same browser; null when it is no longer live. */
export async function renewSession(s: NewSession, event: EventInput): Promise<SessionFacts | null> {
  const events = eventSql(25, event, 's')
  const [row] = await sql<FactsRow>({
    name: 'session-renew',
    text: `WITH u AS (
        UPDATE users SET last_login_at = $7, last_seen_at = $7 WHERE id = $2 AND status = 'active'
          AND session_version = COALESCE($15, session_version) AND factor_version = COALESCE($16, factor_version)
        RETURNING id, session_version, default_role, is_anonymous),
      s AS (
        UPDATE sessions s SET generation = s.generation + 1, method = $3, amr = $4, acr = $5, proofs = $6::jsonb,
          auth_at = $11, last_active_at = $7, expires_at = $8, idle_seconds = $9, ip = $10::inet, second_skipped = $12,
          browser = $18, os = $19, user_agent = $20, country = $21, city = $22, timezone = $23
        FROM u WHERE s.id = $1 AND s.user_id = u.id AND s.revoked_at IS NULL AND s.session_version = u.session_version
        RETURNING s.*),
      d AS (
        UPDATE devices d SET trust_hash = $13, trusted_until = $14
        FROM s WHERE d.id = s.device_id AND d.token_hash = $17 AND $13::text IS NOT NULL),
      b AS (${refundSql('$24')} AND EXISTS (SELECT 1 FROM s)),
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
      s.agent.browser,
      s.agent.os,
      s.userAgent,
      s.place?.country ?? null,
      s.place?.city ?? null,
      s.place?.timezone ?? null,
      s.budgets,
      ...events.values,
    ],
  })
  return row ? toFacts(row) : null
}

/** What ended by the user's epoch may not be marked yet. */
const OF_THIS_EPOCH = `session_version = (SELECT session_version FROM users WHERE id = $2::uuid AND status = 'active')`

/**
 * Whether a session goes on, by its row, and has proven no less meanwhile; what would end it waits for `tx` from then on.
 */
export async function isLiveIn(tx: Tx, { sid, userId, secondSkipped }: SessionFacts): Promise<boolean> {
  await lockUser(tx, userId)
  const rows = await tx.$queryRawUnsafe<object[]>(
    `SELECT 1 FROM sessions WHERE id = $1::uuid AND user_id = $2::uuid AND second_skipped = $3
       AND revoked_at IS NULL AND ${OF_THIS_EPOCH}`,
    sid,
    userId,
    secondSkipped,
  )
  return rows.length > 0
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
         AND revoked_at IS NULL AND ${OF_THIS_EPOCH} RETURNING *)
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

const LIVE = `s.revoked_at IS NULL AND s.session_version = u.session_version AND s.expires_at > $2::timestamptz
  AND s.last_active_at + make_interval(secs => s.idle_seconds) > $2::timestamptz`

const LIVE_OF = `SELECT s.id::text FROM sessions s JOIN users u ON u.id = s.user_id
  WHERE s.user_id = $1::uuid AND ${LIVE}
    AND ($3::uuid IS NULL OR s.id = $3::uuid) AND ($4::uuid IS NULL OR s.device_id = $4::uuid)
    AND ($5::uuid IS NULL OR s.id <> $5::uuid)
  ORDER BY s.last_active_at DESC, s.id DESC LIMIT $6::int`

/** The ids of live sessions that a revoke of `where` would end, most recently active first; as `tx` sees them, if given. */
export async function liveIds(where: RevokeWhere, limit: number, tx?: Tx): Promise<string[]> {
  const { userId, sid = null, deviceId = null, exceptSid = null } = where
  const values = [userId, new Date(nowMs()), sid, deviceId, exceptSid, limit]
  const rows = tx
    ? await tx.$queryRawUnsafe<{ id: string }[]>(LIVE_OF, ...values)
    : await sql<{ id: string }>({ name: 'session-live-of', text: LIVE_OF, values })
  return rows.map((row) => row.id)
}

/** The ids of sessions of this user that one revoke has ended so far. */
export async function idsOfRevoke(userId: string, revokeId: string, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'session-ids-of-revoke',
    text: 'SELECT id::text FROM sessions WHERE revoke_id = $1 AND user_id = $2 LIMIT $3',
    values: [revokeId, userId, limit],
  })
  return rows.map((row) => row.id)
}

/** What `markRevoked` did. */
export interface Marked {
  sids: string[]
  /** The epoch: every session of the user of an older version is over. Null where single ones were ended. */
  version: number | null
  /** There are more of older versions than were marked. */
  rest: boolean
}

/**
 * Marks live sessions revoked in `tx` and gives their ids; those already ended stay as they were. All of a user,
 * or all but one, end by the user's session_version at any number; at most `atOnce` of their rows are marked here.
 */
export async function markRevoked(
  tx: Tx,
  where: RevokeWhere,
  why: { reason: string; revokeId: string },
  atOnce: number,
): Promise<Marked> {
  // The user's row before their sessions, as sign-in takes them, for a single one too: two at once never wait for each
  // other, also where one of them ends several, or writes of one end before it comes to the next.
  await lockUser(tx, where.userId)
  const version = where.all || where.exceptSid ? await raiseVersion(tx, where) : null
  const limit = version === null ? null : atOnce
  const rows = await tx.$queryRaw<{ id: string; device: string | null }[]>`
    UPDATE sessions SET revoked_at = ${new Date(nowMs())}, revoked_reason = ${why.reason}, revoke_id = ${why.revokeId}::uuid
    WHERE revoked_at IS NULL AND id IN (
      SELECT id FROM sessions WHERE user_id = ${where.userId}::uuid AND revoked_at IS NULL
        AND (${where.sid ?? null}::uuid IS NULL OR id = ${where.sid ?? null}::uuid)
        AND (${where.deviceId ?? null}::uuid IS NULL OR device_id = ${where.deviceId ?? null}::uuid)
        AND (${where.exceptSid ?? null}::uuid IS NULL OR id <> ${where.exceptSid ?? null}::uuid)
      ORDER BY last_active_at DESC, id DESC LIMIT ${limit}::int)
    RETURNING id::text, device_id::text AS device`
  if (where.all) await clearTrust(tx, where.userId)
  if (where.exceptSid) await clearTrustBut(tx, where.userId, where.exceptSid)
  if (where.lost) for (const { device } of rows) if (device) await clearTrustOf(tx, where.userId, device)
  const rest = version !== null && rows.length === atOnce && (await liveBelow(tx, where.userId, version))
  return { sids: rows.map((row) => row.id), version, rest }
}

/** Others that change the user's sessions wait until `tx` is over. */
export async function lockUser(tx: Tx, userId: string): Promise<void> {
  await tx.$queryRaw`SELECT 1 FROM users WHERE id = ${userId}::uuid FOR NO KEY UPDATE`
}

/**
 * Raises the user's session_version, the epoch of sessions: so a session that is opened in the same instant either
 * came before and ends, or begins after it. The one that is to stay moves along.
 */
async function raiseVersion(tx: Tx, { userId, exceptSid }: RevokeWhere): Promise<number | null> {
  const [user] = await tx.$queryRaw<{ version: number }[]>`
    UPDATE users SET session_version = session_version + 1 WHERE id = ${userId}::uuid RETURNING session_version AS version`
  if (user && exceptSid)
    await tx.$executeRaw`
      UPDATE sessions SET session_version = ${user.version}
      WHERE id = ${exceptSid}::uuid AND user_id = ${userId}::uuid AND revoked_at IS NULL
        AND session_version = ${user.version - 1}`
  return user?.version ?? null
}

async function liveBelow(tx: Tx, userId: string, version: number): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>`
    SELECT 1 FROM sessions WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND session_version < ${version} LIMIT 1`
  return rows.length > 0
}

/** Marks the next `batch` of the sessions that an epoch ended, in `tx`; gives their ids. */
export async function markBelow(
  tx: Tx,
  userId: string,
  version: number,
  why: { reason: string; revokeId: string },
  batch: number,
): Promise<string[]> {
  await lockUser(tx, userId)
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE sessions SET revoked_at = ${new Date(nowMs())}, revoked_reason = ${why.reason}, revoke_id = ${why.revokeId}::uuid
    WHERE revoked_at IS NULL AND id IN (
      SELECT id FROM sessions
      WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND session_version < ${version}
      ORDER BY last_active_at DESC, id DESC LIMIT ${batch}::int)
    RETURNING id::text`
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

/** Marks sessions whose time was over before `before`, in `tx`, at most `batch`; what somebody else is at is left to them. */
export async function markExpired(
  tx: Tx,
  before: Date,
  revokeId: string,
  batch: number,
): Promise<{ sid: string; userId: string }[]> {
  return await tx.$queryRaw<{ sid: string; userId: string }[]>`
    UPDATE sessions s SET revoked_at = ${new Date(nowMs())}, revoked_reason = 'expired', revoke_id = ${revokeId}::uuid
    FROM (SELECT o.id FROM sessions o JOIN users u ON u.id = o.user_id
          WHERE o.revoked_at IS NULL AND o.ends_at < ${before}
          ORDER BY o.ends_at LIMIT ${batch}::int
          FOR UPDATE OF o SKIP LOCKED FOR NO KEY UPDATE OF u SKIP LOCKED) over
    WHERE s.id = over.id RETURNING s.id::text AS sid, s.user_id::text AS "userId"`
}

/** Live sessions of a user beyond the `keep` most recently active ones, at most `limit`. */
export async function idsBeyond(userId: string, keep: number, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'session-beyond',
    text: `SELECT s.id::text FROM sessions s JOIN users u ON u.id = s.user_id
           WHERE s.user_id = $1 AND ${LIVE}
           ORDER BY s.last_active_at DESC, s.id DESC OFFSET $3 LIMIT $4`,
    values: [userId, new Date(nowMs()), keep, limit],
  })
  return rows.map((row) => row.id)
}

/** Shortens the life of a session, where less holds for its user's roles than it was opened with. */
export async function shorten(facts: SessionFacts): Promise<void> {
  await sql({
    name: 'session-shorten',
    text: 'UPDATE sessions SET expires_at = $2, idle_seconds = $3 WHERE id = $1 AND (expires_at > $2 OR idle_seconds > $3)',
    values: [facts.sid, new Date(facts.expiresAt), facts.idleSeconds],
  })
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
  await lockUser(tx, userId)
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE sessions SET second_skipped = true
    WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND NOT second_skipped
      AND (${exceptSid}::uuid IS NULL OR id <> ${exceptSid}::uuid)
    RETURNING id::text`
  return rows.map((row) => row.id)
}

export { inTx, isDown, onCommit }
