/**
 * SQL of the devices page. Each list is one statement whose cost is a page's, however many devices or sessions a
 * person has (indexes `devices_user_id_last_seen_at_id_idx`, `sessions_device_live_idx`). A device is forgotten in a
 * transaction that holds its user's row, as the statement that opens a session does: of the two one comes first.
 */
import { nowMs } from '../base/clock'
import { sql, type Tx } from '../base/db'

/** What a session says of how it was entered and where from. */
export interface SessionView {
  sid: string
  browser: string | null
  os: string | null
  ip: string | null
  country: string | null
  city: string | null
  timezone: string | null
  method: string
  /** What was proven, in its order, by the names of methods. */
  methods: string[]
  secondSkipped: boolean
  createdAt: Date
  authAt: Date
  lastActiveAt: Date
  expiresAt: Date
}

export interface DeviceView {
  id: string
  name: string | null
  browser: string | null
  os: string | null
  kind: string | null
  model: string | null
  ip: string | null
  country: string | null
  city: string | null
  timezone: string | null
  createdAt: Date
  lastSeenAt: Date
  /** Until then this browser skips the second step; null when it does not. */
  trustedUntil: Date | null
  /** Live sessions, counted up to `COUNTED`. */
  live: number
  /** The most recently active of them, at most `SAMPLE`. */
  sids: string[]
  /** How the newest one was entered; null while the device is signed out. */
  method: string | null
  methods: string[] | null
}

/** A page's place: the last row's time and id. */
export interface PlaceInList {
  at: Date
  id: string
}

export const COUNTED = 99
const SAMPLE = 5

const METHODS = `ARRAY(SELECT p->>'method' FROM jsonb_array_elements(s.proofs) p)`

/** Judged as `readFacts` and `notExpired` do; $2 is now. */
const LIVE = `s.revoked_at IS NULL AND s.session_version = u.session_version AND s.expires_at > $2::timestamptz
  AND s.last_active_at + make_interval(secs => s.idle_seconds) > $2::timestamptz`

const DEVICE = `d.id::text, d.name, d.browser, d.os, d.kind, d.model, host(d.last_ip) AS ip, d.country, d.city, d.timezone,
  d.created_at AS "createdAt", d.last_seen_at AS "lastSeenAt",
  CASE WHEN d.trusted_until > $2::timestamptz THEN d.trusted_until END AS "trustedUntil",
  COALESCE(array_length(l.ids, 1), 0) AS live, l.ids[1:${SAMPLE}]::text[] AS sids, n.method, n.methods
  FROM devices d JOIN users u ON u.id = d.user_id
  CROSS JOIN LATERAL (
    SELECT array_agg(x.id) AS ids FROM (
      SELECT s.id FROM sessions s WHERE s.device_id = d.id AND ${LIVE}
      ORDER BY s.last_active_at DESC, s.id DESC LIMIT ${COUNTED + 1}) x) l
  LEFT JOIN LATERAL (SELECT s.method, ${METHODS} AS methods FROM sessions s WHERE s.id = l.ids[1]) n ON true`

const tidy = (row: DeviceView): DeviceView => ({ ...row, sids: row.sids ?? [] })

/** One device of a user, or null. */
export async function readDevice(userId: string, id: string): Promise<DeviceView | null> {
  const [row] = await sql<DeviceView>({
    name: 'device-read',
    text: `SELECT ${DEVICE} WHERE d.user_id = $1 AND d.id = $3`,
    values: [userId, new Date(nowMs()), id],
  })
  return row ? tidy(row) : null
}

interface DevicesPage {
  exceptId: string | null
  before?: PlaceInList
  limit: number
}

/** Devices of a user but one, most recently seen first. */
export const pageOfDevices = async (userId: string, options: DevicesPage): Promise<DeviceView[]> =>
  (await sql<DeviceView>(pageQuery(userId, options))).map(tidy)

/** Its statement, whose plan a test looks at. */
export function pageQuery(userId: string, { exceptId, before, limit }: DevicesPage) {
  return {
    name: before ? 'device-page-on' : 'device-page',
    text: `SELECT ${DEVICE} WHERE d.user_id = $1 AND ($3::uuid IS NULL OR d.id <> $3)
           ${before ? 'AND (d.last_seen_at, d.id) < ($5, $6::uuid)' : ''}
           ORDER BY d.last_seen_at DESC, d.id DESC LIMIT $4`,
    values: [userId, new Date(nowMs()), exceptId, limit, ...(before ? [before.at, before.id] : [])],
  }
}

export interface Wanted {
  /** Part of a name, browser, system, model, city or address. */
  text: string
  /** Countries whose names hold it. */
  countries: string[]
  /** Sessions of apps whose names hold it. */
  sids: string[]
}

/** The same of those that match: reads all of one user's, and nobody else's. */
export async function searchDevices(
  userId: string,
  options: { wanted: Wanted; before?: PlaceInList; limit: number },
): Promise<DeviceView[]> {
  const { wanted, before, limit } = options
  const rows = await sql<DeviceView>({
    name: 'device-search',
    text: `SELECT ${DEVICE} WHERE d.user_id = $1
             AND ($4::timestamptz IS NULL OR (d.last_seen_at, d.id) < ($4, $5::uuid))
             AND (concat_ws(' ', d.name, d.browser, d.os, d.model, d.city, host(d.last_ip)) ILIKE $6
               OR d.country = ANY($7::text[])
               OR EXISTS (SELECT 1 FROM sessions s WHERE s.device_id = d.id AND ${LIVE}
                    AND (concat_ws(' ', s.browser, s.os, s.city, host(s.ip)) ILIKE $6
                      OR s.country = ANY($7::text[]) OR s.id = ANY($8::uuid[]))))
           ORDER BY d.last_seen_at DESC, d.id DESC LIMIT $3`,
    values: [
      userId,
      new Date(nowMs()),
      limit,
      before?.at ?? null,
      before?.id ?? null,
      `%${wanted.text.replace(/[\\%_]/g, '\\$&')}%`,
      wanted.countries,
      wanted.sids,
    ],
  })
  return rows.map(tidy)
}

interface SessionsPage {
  before?: PlaceInList
  limit: number
}

/** Live sessions of one device of a user, most recently active first. */
export const sessionsOf = (userId: string, deviceId: string, options: SessionsPage): Promise<SessionView[]> =>
  sql<SessionView>(sessionsQuery(userId, deviceId, options))

/** Its statement, whose plan a test looks at. */
export function sessionsQuery(userId: string, deviceId: string, options: SessionsPage) {
  return {
    name: 'device-sessions',
    text: `SELECT s.id::text AS sid, s.browser, s.os, host(s.ip) AS ip, s.country, s.city, s.timezone, s.method,
             ${METHODS} AS methods, s.second_skipped AS "secondSkipped", s.created_at AS "createdAt",
             s.auth_at AS "authAt", s.last_active_at AS "lastActiveAt", s.expires_at AS "expiresAt"
           FROM devices d JOIN users u ON u.id = d.user_id
           CROSS JOIN LATERAL (
             SELECT s.id FROM sessions s WHERE s.device_id = d.id AND ${LIVE}
               AND ($4::timestamptz IS NULL OR (s.last_active_at, s.id) < ($4, $5::uuid))
             ORDER BY s.last_active_at DESC, s.id DESC LIMIT $6) l JOIN sessions s ON s.id = l.id
           WHERE d.id = $3 AND d.user_id = $1 ORDER BY s.last_active_at DESC, s.id DESC`,
    values: [
      userId,
      new Date(nowMs()),
      deviceId,
      options.before?.at ?? null,
      options.before?.id ?? null,
      options.limit,
    ],
  }
}

/** Which device of this user a live session is on; undefined when there is no such session. */
export async function deviceOf(userId: string, sid: string): Promise<string | null | undefined> {
  const [row] = await sql<{ device: string | null }>({
    name: 'session-device',
    text: 'SELECT device_id::text AS device FROM sessions WHERE id = $1 AND user_id = $2 AND revoked_at IS NULL',
    values: [sid, userId],
  })
  return row?.device
}

/** How many live sessions a user has besides one, counted up to `most`. */
export async function countOthers(userId: string, exceptSid: string, most: number): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'session-count-others',
    text: `SELECT count(*)::int AS count FROM (
             SELECT 1 FROM sessions s JOIN users u ON u.id = s.user_id
             WHERE s.user_id = $1 AND s.id <> $3 AND ${LIVE} LIMIT $4) x`,
    values: [userId, new Date(nowMs()), exceptSid, most],
  })
  return row?.count ?? 0
}

/** Names a device (null: as its browser says) and gives the name it had; undefined when it is none of this user's. */
export async function rename(
  tx: Tx,
  userId: string,
  id: string,
  name: string | null,
): Promise<string | null | undefined> {
  const [row] = await tx.$queryRaw<{ before: string | null }[]>`
    UPDATE devices d SET name = ${name} FROM (
      SELECT id, name FROM devices WHERE id = ${id}::uuid AND user_id = ${userId}::uuid FOR UPDATE) o
    WHERE d.id = o.id RETURNING o.name AS before`
  return row?.before ?? (row ? null : undefined)
}

/** False when it is none of this user's. */
export async function exists(tx: Tx, userId: string, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM devices WHERE id = ${id}::uuid AND user_id = ${userId}::uuid`
  return rows.length > 0
}

/** Deletes a device whose user is locked; sessions that ended keep their rows, and no name. */
export async function forget(tx: Tx, userId: string, id: string): Promise<void> {
  await tx.$executeRaw`DELETE FROM devices WHERE id = ${id}::uuid AND user_id = ${userId}::uuid`
}
