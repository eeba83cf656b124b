/**
 * SQL of what people are shown of their sessions and devices, of when these were last used, and of the end of what is long over.
 * Atomic: `writeActivity` never goes backwards and brings no revoked session back.
 */
import { nowMs } from '../base/clock'
import { prisma, sql } from '../base/db'

/**
 * Writes last activity of many sessions and their devices at once; never brings a revoked one back, never goes
 * backwards. It waits for nobody who holds a row (a revoke of several takes them in another order, and would be the one
 * that fails): such a session's activity is told by its next one.
 */
export async function writeActivity(activity: Map<string, number>): Promise<void> {
  await sql({
    name: 'session-activity',
    text: `WITH a AS (
             SELECT o.id, a.at FROM sessions o
             JOIN (SELECT unnest($1::uuid[]) AS id, unnest($2::timestamptz[]) AS at) a ON a.id = o.id
             WHERE o.revoked_at IS NULL AND o.last_active_at < a.at
             FOR NO KEY UPDATE OF o SKIP LOCKED),
           s AS (
             UPDATE sessions s SET last_active_at = a.at FROM a WHERE s.id = a.id RETURNING s.device_id, a.at),
           n AS (
             SELECT d.id, s.at FROM devices d JOIN (SELECT device_id, max(at) AS at FROM s GROUP BY device_id) s
               ON s.device_id = d.id
             WHERE d.last_seen_at < s.at FOR NO KEY UPDATE OF d SKIP LOCKED)
           UPDATE devices d SET last_seen_at = n.at FROM n WHERE d.id = n.id`,
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

/** A row if this user has signed in from this browser, else none; `who` and `token` are expressions. */
export const deviceKnownSql = (who: string, token: string): string =>
  `SELECT 1 FROM devices WHERE user_id = ${who} AND token_hash = ${token}`

export async function deviceKnown(userId: string, tokenHash: string): Promise<boolean> {
  const rows = await sql({
    name: 'device-known',
    text: deviceKnownSql('$1', '$2'),
    values: [userId, tokenHash],
  })
  return rows.length > 0
}

/** Deletes browsers that nobody signed in with since `before` and that no session remembers, at most `batch`. */
export async function sweepDevices(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'device-sweep',
    text: `DELETE FROM devices WHERE id IN (
             SELECT d.id FROM devices d WHERE d.last_seen_at < $1
               AND NOT EXISTS (SELECT 1 FROM sessions s WHERE s.device_id = d.id)
             ORDER BY d.last_seen_at LIMIT $2 FOR UPDATE SKIP LOCKED) RETURNING 1`,
    values: [before, batch],
  })
  return rows.length
}

/** Deletes sessions that ended before `before`, at most `batch`; how the past looked is in the events. */
export async function sweepSessions(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'session-sweep',
    text: `DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < $1 LIMIT $2
             FOR UPDATE SKIP LOCKED) RETURNING 1`,
    values: [before, batch],
  })
  return rows.length
}
