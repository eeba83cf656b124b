/**
 * SQL that reads a history, and the one statement that ends the oldest part of it. `expire` is atomic for each person:
 * the anchor moves and what stands before it goes, or neither; the rule of what may go is the database's
 * (`events_expire`, and the triggers that refuse everything else).
 */
import { describeAgent } from '../base/agent'
import { inTx, sql } from '../base/db'
import type { EventPlace, EventView } from './event'
import { insertEvent } from './store'
import type { EventOutcome, EventType } from './types'

const VIEW = `id::text AS id, at, type, outcome, user_id AS "userId", actor, session_id AS "sessionId",
  device_id AS "deviceId", client_id AS "clientId", host(ip) AS ip, user_agent AS "userAgent", data`

type Row = Omit<EventView, 'agent' | 'place' | 'device'>

/** What an event says of where it came from is told apart from what it says of itself. */
export function toView(row: Row): EventView {
  const { device, place, ...data } = row.data
  return {
    ...row,
    data,
    agent: describeAgent(row.userAgent ?? ''),
    place: typeof place === 'object' ? (place as EventPlace | null) : null,
    device: typeof device === 'string' ? device : null,
  }
}

/** The same words as the partial index has: what is written at every turn of a token is no page's. */
const HISTORY = `type NOT IN ('token.issued', 'password.rehashed')`

const LAST_ID = '9223372036854775807'

/** What of a history is asked for; each is a value for a parameter, never a part of the statement. */
export interface HistoryFilter {
  types?: readonly EventType[] | undefined
  outcome?: EventOutcome | undefined
  /** Not before. */
  from?: Date | undefined
  /** Before. */
  until?: Date | undefined
  /** A browser's mark. */
  device?: string | undefined
  clientId?: string | undefined
}

/** Ordered by the column: a bare `id` would be the text of the answer, in which 99 comes after 100. */
export async function selectEvents(
  userId: string,
  filter: HistoryFilter & { before?: string | undefined; limit: number },
): Promise<EventView[]> {
  const rows = await sql<Row>({
    name: 'audit-list',
    text: `SELECT ${VIEW} FROM events
           WHERE user_id = $1::uuid AND id < $2::bigint AND ${HISTORY}
             AND ($3::text[] IS NULL OR type = ANY($3::text[])) AND ($4::text IS NULL OR outcome = $4)
             AND ($5::timestamptz IS NULL OR at >= $5) AND ($6::timestamptz IS NULL OR at < $6)
             AND ($7::text IS NULL OR data->>'device' = $7) AND ($8::text IS NULL OR client_id = $8)
           ORDER BY events.id DESC LIMIT $9::int`,
    values: [
      userId,
      filter.before ?? LAST_ID,
      filter.types ?? null,
      filter.outcome ?? null,
      filter.from ?? null,
      filter.until ?? null,
      filter.device ?? null,
      filter.clientId ?? null,
      filter.limit,
    ],
  })
  return rows.map(toView)
}

/** Apps that a person's newest events name; never more than a page of choices, whatever the total. */
export async function selectClients(userId: string): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'audit-clients',
    text: `SELECT DISTINCT client_id AS id FROM (
             SELECT client_id FROM events WHERE user_id = $1::uuid AND ${HISTORY} ORDER BY id DESC LIMIT 500) e
           WHERE client_id IS NOT NULL ORDER BY client_id LIMIT 50`,
    values: [userId],
  })
  return rows.map(({ id }) => id)
}

// ── what a sign-in is compared with ──────────────────────────────────────────

const SIGN_INS = 50
const FAILURES = 50

/** What a sign-in is compared with. */
export interface Past {
  /** The last ones, newest first; none where no places were asked for. */
  signIns: { at: Date; place: EventPlace | null }[]
  /** Tries that failed since the last of them or a later moment (to fifty). */
  failures: number
}

export interface PastRow {
  sign_ins: { at: number; place: EventPlace | null }[] | null
  failures: number
}

const placesSql = (who: string): string => `(
  SELECT jsonb_agg(jsonb_build_object('at', extract(epoch FROM e.at) * 1000, 'place', e.data->'place') ORDER BY e.at DESC)
  FROM (SELECT at, data FROM events WHERE user_id = ${who} AND type = 'session.opened'
        ORDER BY id DESC LIMIT ${SIGN_INS}) e)`

/** A query of one PastRow; `who` and `failedSince` are expressions, and may be those of a larger statement. */
export const pastSql = (who: string, failedSince: string, places: boolean): string => `
  SELECT ${places ? placesSql(who) : 'NULL::jsonb'} AS sign_ins, (
    SELECT count(*)::int FROM (
      SELECT at, type FROM events WHERE user_id = ${who} AND outcome = 'failure' ORDER BY id DESC LIMIT ${FAILURES}) f
    WHERE f.at >= greatest(${failedSince}::timestamptz, (SELECT at FROM events
        WHERE user_id = ${who} AND type = 'session.opened' ORDER BY id DESC LIMIT 1))
      AND f.type IN ('signin.failed', 'signin.limited', 'totp.failed', 'backup_code.failed')) AS failures`

export const toPast = ({ sign_ins: signIns, failures }: PastRow): Past => ({
  signIns: (signIns ?? []).map(({ at, place }) => ({ at: new Date(at), place })),
  failures,
})

export async function selectPast(userId: string, failedSince: Date, places: boolean): Promise<Past> {
  const [row] = await sql<PastRow>({
    name: places ? 'audit-past' : 'audit-failures',
    text: pastSql('$1::uuid', '$2', places),
    values: [userId, failedSince],
  })
  return row ? toPast(row) : { signIns: [], failures: 0 }
}

// ── the chain ────────────────────────────────────────────────────────────────

/** Where a chain of events stands: the place and hash of one of them. */
export interface Link {
  seq: number
  /** Hex. */
  hash: string
}

/** SHA-256 of nothing: what the first event of anybody follows. */
const BEGINNING: Link = {
  seq: 0,
  hash: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
}

/** Where a person's chain begins (after what was cut off) and ends now. */
export async function selectEnds(
  userId: string,
): Promise<{ start: Link & { cutAt: Date | null }; head: Link }> {
  const [row] = await sql<{
    start_seq: number | null
    start_hash: string | null
    cut_at: Date | null
    seq: number | null
    hash: string | null
  }>({
    name: 'audit-ends',
    text: `SELECT a.seq AS start_seq, encode(a.hash, 'hex') AS start_hash, a.cut_at, h.seq, encode(h.hash, 'hex') AS hash
           FROM (SELECT $1::uuid AS id) u LEFT JOIN event_heads h ON h.user_id = u.id
           LEFT JOIN event_anchors a ON a.user_id = u.id`,
    values: [userId],
  })
  const start =
    row?.start_hash && row.start_seq !== null ? { seq: row.start_seq, hash: row.start_hash } : BEGINNING
  const head = row?.hash && row.seq !== null ? { seq: row.seq, hash: row.hash } : start
  return { start: { ...start, cutAt: row?.cut_at ?? null }, head }
}

/** An event with its place in the chain. */
export interface ChainedRow extends Row, Link {
  requestId: string | null
  /** Hex. */
  prevHash: string
  /** The text that was hashed after prevHash, made anew from the row as it is now. */
  hashed: string
}

/** A page of a chain, oldest first, of all there is after `after` up to `to`. */
export async function selectChain(
  userId: string,
  page: { after: number; to: number; limit: number },
): Promise<ChainedRow[]> {
  return await sql<ChainedRow>({
    name: 'audit-chain',
    text: `SELECT ${VIEW}, request_id AS "requestId", seq, encode(prev_hash, 'hex') AS "prevHash", encode(hash, 'hex') AS hash,
             jsonb_build_array(seq, to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), type, outcome,
               user_id, actor, session_id, device_id, client_id, request_id, host(ip), user_agent, data)::text AS hashed
           FROM events WHERE user_id = $1::uuid AND seq > $2 AND seq <= $3 ORDER BY seq, events.id LIMIT $4::int`,
    values: [userId, page.after, page.to, page.limit],
  })
}

/** Events of a person that no chain from its beginning to its end would pass. */
export async function countOutside(userId: string, start: number, head: number): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'audit-outside',
    text: `SELECT count(*)::int AS count FROM (
             SELECT 1 FROM events WHERE user_id = $1::uuid AND (seq <= $2 OR seq IS NULL)
             UNION ALL SELECT 1 FROM events e JOIN event_heads h ON h.user_id = e.user_id
               WHERE e.user_id = $1::uuid AND e.seq > greatest($3, h.seq)) o`,
    values: [userId, start, head],
  })
  return row?.count ?? 0
}

/** People who have a history, a page of them. */
export async function selectPeople(after: string, limit: number): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'audit-people',
    text: 'SELECT user_id::text AS id FROM event_heads WHERE user_id > $1::uuid ORDER BY user_id LIMIT $2',
    values: [after, limit],
  })
  return rows.map(({ id }) => id)
}

// ── the end of what is old ───────────────────────────────────────────────────

/** Removes one batch of events older than `before`; one process at a time. @returns how many went, null: another is at it */
export async function expire(before: Date, batch: number): Promise<number | null> {
  return await inTx(async (tx) => {
    const [lock] = await tx.$queryRaw<{ mine: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtext('gatehouse.events.expire')) AS mine`
    if (!lock?.mine) return null
    const [row] = await tx.$queryRaw<{ gone: number }[]>`
      SELECT events_expire(${before}::timestamptz, ${batch}::int) AS gone`
    return row?.gone ?? 0
  })
}

/** Leaves a line about what was removed, for the operator. */
export const noteExpired = (count: number, before: Date): Promise<void> =>
  insertEvent(null, { type: 'event.expired', outcome: 'info', actor: 'system', data: { count, before } })
