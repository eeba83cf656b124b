/**
 * The room's only SQL. What is atomic here:
 * - `insertDelivery`: the row and its job are written by one statement, or neither.
 * - `claim`: counts the attempt before anything is sent.
 * - `reschedule`, `settle`: only while the row is still owed by that very attempt.
 */
import pg from 'pg'
import { inTx, pool, sql, type Tx } from '../base/db'
import { env } from '../base/env'
import { log } from '../base/log'
import { EVENT_COLUMNS, type EventInput, eventRow } from './event'

// ── events ───────────────────────────────────────────────────────────────────

const columnNames = EVENT_COLUMNS.map(([name]) => name).join(', ')

/**
 * `INSERT INTO events …` whose first parameter is `$firstParam`; fit for a CTE of a larger statement.
 * With `from`, the name of another CTE, the event is written only if that one gave a row.
 */
export function eventSql(
  firstParam: number,
  e: EventInput,
  from?: string,
): { text: string; values: unknown[] } {
  const places = EVENT_COLUMNS.map(([, type], index) => `$${firstParam + index}::${type}`).join(', ')
  const rows = from ? `SELECT ${places} FROM ${from}` : `VALUES (${places})`
  return { text: `INSERT INTO events (${columnNames}) ${rows}`, values: eventRow(e) }
}

export async function insertEvent(tx: Tx | null, e: EventInput): Promise<void> {
  const { text, values } = eventSql(1, e)
  if (tx) await tx.$executeRawUnsafe(text, ...values)
  else await sql({ name: 'audit-record', text, values })
}

/** Several at once, in their order, by one statement. */
export async function insertEvents(tx: Tx, events: EventInput[]): Promise<void> {
  if (events.length === 0) return
  const rows = events.map(eventRow)
  const columns = EVENT_COLUMNS.map((_, column) => rows.map((row) => row[column] ?? null))
  const arrays = columns.map((_, index) => `$${index + 1}::text[]`).join(', ')
  const cells = EVENT_COLUMNS.map(([, type], index) => `c${index}::${type}`).join(', ')
  const names = EVENT_COLUMNS.map((_, index) => `c${index}`).join(', ')
  await tx.$executeRawUnsafe(
    `INSERT INTO events (${columnNames})
     SELECT ${cells} FROM unnest(${arrays}) WITH ORDINALITY AS t (${names}, n) ORDER BY n`,
    ...columns,
  )
}

// ── deliveries ───────────────────────────────────────────────────────────────

export interface DeliveryRow {
  id: string
  kind: string
  userId: string | null
  target: string
  attempts: number
  lastError: string | null
  createdAt: Date
  notBefore: Date | null
  notAfter: Date | null
  deliveredAt: Date | null
  failedAt: Date | null
}

const deliveryColumns = `id, kind, user_id AS "userId", target, attempts, last_error AS "lastError",
  created_at AS "createdAt", not_before AS "notBefore", not_after AS "notAfter", delivered_at AS "deliveredAt", failed_at AS "failedAt"`

/** The queue's name for deliveries of a kind: a process only fetches kinds that it can handle. */
export const taskName = (kind: string): string => `deliver:${kind}`

/**
 * Kinds that go to servers of other people, of which some are slow or down: a target's are made one after the
 * other, so that it takes up one place in the queue however many it is owed.
 */
export const ABROAD: readonly string[] = ['backchannel_logout']
const isAbroad = ABROAD.map((kind) => `'${kind}'`).join(', ')

const ADD_JOB = `graphile_worker.add_job('deliver:' || d.kind, json_build_object('id', d.id),
  job_key := 'delivery:' || d.id, queue_name := CASE WHEN d.kind IN (${isAbroad}) THEN d.kind || ':' || md5(d.target) END,
  run_at := `

export interface NewDelivery {
  id: string
  kind: string
  userId: string | null
  dedupeKey: string | null
  target: string
  payloadSealed: string
  createdAt: Date
  notBefore: Date | null
  notAfter: Date
}

/** @returns the id of the row that is owed: the given one, or the older one with the same dedupeKey. */
export async function insertDelivery(tx: Tx, d: NewDelivery): Promise<string> {
  const [made] = await insertDeliveries(tx, [d])
  if (made) return made
  const older = await tx.delivery.findUnique({
    where: { dedupeKey: d.dedupeKey ?? '' },
    select: { id: true },
  })
  return older?.id ?? d.id
}

/** Several with their jobs, by one statement. @returns the ids of those that were not owed before */
export async function insertDeliveries(tx: Tx, all: NewDelivery[]): Promise<string[]> {
  if (all.length === 0) return []
  const made = await tx.$queryRawUnsafe<{ id: string }[]>(
    `WITH d AS (
       INSERT INTO deliveries (id, kind, user_id, dedupe_key, target, payload_sealed, created_at, not_after, not_before)
       SELECT * FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::text[], $5::text[], $6::text[], $7::timestamptz[],
         $8::timestamptz[], $9::timestamptz[])
       ON CONFLICT (dedupe_key) DO NOTHING
       RETURNING id, kind, target, not_before)
     SELECT d.id::text AS id, (${ADD_JOB} d.not_before)).id::text AS job FROM d`,
    all.map((d) => d.id),
    all.map((d) => d.kind),
    all.map((d) => d.userId),
    all.map((d) => d.dedupeKey),
    all.map((d) => d.target),
    all.map((d) => d.payloadSealed),
    all.map((d) => d.createdAt.toISOString()),
    all.map((d) => d.notAfter.toISOString()),
    all.map((d) => d.notBefore?.toISOString() ?? null),
  )
  return made.map((row) => row.id)
}

export type DeliveryState = 'owed' | 'delivered' | 'failed'

/** What became of deliveries, by dedupe key; those that are not there any more are left out. */
export async function statesOf(dedupeKeys: string[]): Promise<Map<string, DeliveryState>> {
  if (dedupeKeys.length === 0) return new Map()
  const rows = await sql<{ key: string; state: DeliveryState }>({
    name: 'delivery-states',
    text: `SELECT dedupe_key AS key, CASE WHEN delivered_at IS NOT NULL THEN 'delivered'
             WHEN failed_at IS NOT NULL THEN 'failed' ELSE 'owed' END AS state
           FROM deliveries WHERE dedupe_key = ANY($1::text[])`,
    values: [dedupeKeys],
  })
  return new Map(rows.map((row) => [row.key, row.state]))
}

/** Counts an attempt and gives the row, or null when nothing is owed any more. */
export async function claim(id: string): Promise<(DeliveryRow & { payloadSealed: string | null }) | null> {
  const [row] = await sql<DeliveryRow & { payloadSealed: string | null }>({
    name: 'delivery-claim',
    text: `UPDATE deliveries SET attempts = attempts + 1
           WHERE id = $1::uuid AND delivered_at IS NULL AND failed_at IS NULL
           RETURNING ${deliveryColumns}, payload_sealed AS "payloadSealed"`,
    values: [id],
  })
  return row ?? null
}

/** Writes the receipt and empties the payload. False when somebody else already settled it. */
export async function settle(
  tx: Tx | null,
  id: string,
  end: { deliveredAt: Date } | { failedAt: Date; error: string },
): Promise<boolean> {
  const values = [
    id,
    'deliveredAt' in end ? end.deliveredAt.toISOString() : null,
    'failedAt' in end ? end.failedAt.toISOString() : null,
    'error' in end ? end.error : null,
  ]
  const text = `UPDATE deliveries SET delivered_at = $2::timestamptz, failed_at = $3::timestamptz,
      last_error = COALESCE($4::text, last_error), payload_sealed = NULL
    WHERE id = $1::uuid AND delivered_at IS NULL AND failed_at IS NULL RETURNING id`
  const rows = tx
    ? await tx.$queryRawUnsafe<{ id: string }[]>(text, ...values)
    : await sql<{ id: string }>({ name: 'delivery-settle', text, values })
  return rows.length === 1
}

/** Plans the next attempt after attempt number `attempts` failed; its job replaces the running one. */
export async function reschedule(
  id: string,
  attempts: number,
  error: string | null,
  delaySeconds: number,
): Promise<void> {
  await sql({
    name: 'delivery-reschedule',
    text: `WITH d AS (
             UPDATE deliveries SET last_error = $3
             WHERE id = $1::uuid AND attempts = $2 AND delivered_at IS NULL AND failed_at IS NULL
             RETURNING id, kind, target)
           SELECT (${ADD_JOB} now() + make_interval(secs => $4::float8))).id FROM d`,
    values: [id, attempts, error, delaySeconds],
  })
}

/** Brings every waiting job of the given kinds forward to now. */
export async function hurry(kinds: string[]): Promise<void> {
  await sql({
    name: 'delivery-hurry',
    text: `SELECT count(*) FROM graphile_worker.reschedule_jobs(
             ARRAY(SELECT id FROM graphile_worker.jobs WHERE locked_at IS NULL AND task_identifier = ANY($1::text[])),
             run_at := now())`,
    values: [kinds.map(taskName)],
  })
}

/** How many jobs of the given kinds are due and nobody's. */
export async function due(kinds: string[]): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'delivery-due',
    text: `SELECT count(*)::int AS count FROM graphile_worker.jobs
           WHERE run_at <= now() AND locked_at IS NULL AND attempts < max_attempts AND task_identifier = ANY($1::text[])`,
    values: [kinds.map(taskName)],
  })
  return row?.count ?? 0
}

export interface DeliveryFilter {
  userId?: string
  kind?: string
  state?: 'owed' | 'delivered' | 'failed'
  /** The id of the last delivery of the page before. */
  before?: string
  limit?: number
}

export async function selectDeliveries(filter: DeliveryFilter): Promise<DeliveryRow[]> {
  const state = {
    owed: 'delivered_at IS NULL AND failed_at IS NULL',
    delivered: 'delivered_at IS NOT NULL',
    failed: 'failed_at IS NOT NULL',
  } as const
  return await sql<DeliveryRow>({
    name: `delivery-list-${filter.state ?? 'all'}`,
    text: `SELECT ${deliveryColumns} FROM deliveries
           WHERE ($1::uuid IS NULL OR user_id = $1::uuid) AND ($2::text IS NULL OR kind = $2)
             AND ($3::uuid IS NULL OR (created_at, id) <
                 (SELECT b.created_at, b.id FROM deliveries b WHERE b.id = $3::uuid))
             ${filter.state ? `AND ${state[filter.state]}` : ''}
           ORDER BY created_at DESC, id DESC LIMIT $4::int`,
    values: [filter.userId ?? null, filter.kind ?? null, filter.before ?? null, filter.limit ?? 50],
  })
}

export async function owedTo(userIds: readonly string[]): Promise<Set<string>> {
  if (userIds.length === 0) return new Set()
  const rows = await sql<{ id: string }>({
    name: 'delivery-owed-to',
    text: `SELECT DISTINCT user_id::text AS id FROM deliveries
           WHERE user_id = ANY($1::uuid[]) AND delivered_at IS NULL AND failed_at IS NULL`,
    values: [userIds],
  })
  return new Set(rows.map(({ id }) => id))
}

export async function forgetReceipts(tx: Tx, userId: string): Promise<void> {
  await tx.$executeRaw`
    DELETE FROM deliveries WHERE user_id = ${userId}::uuid AND (delivered_at IS NOT NULL OR failed_at IS NOT NULL)`
}

/** Of whom it is said that they are gone, with an account, and who still have a history before that (events_ended_idx). */
export async function selectGone(): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'audit-gone',
    text: `SELECT DISTINCT e.user_id::text AS id FROM events e
           WHERE e.type = 'user.deleted' AND e.data->>'guest' IS NULL AND EXISTS (
             SELECT 1 FROM events o WHERE o.user_id = e.user_id AND o.seq < e.seq)`,
    values: [],
  })
  return rows.map(({ id }) => id)
}

/** One part of such a history, oldest first. What may go is the database's rule. @returns how many events went */
export async function forgetPart(userId: string, limit: number): Promise<number> {
  const [row] = await sql<{ gone: number }>({
    name: 'audit-forget',
    text: 'SELECT events_forget($1::uuid, $2::int) AS gone',
    values: [userId, limit],
  })
  return row?.gone ?? 0
}

// ── upkeep ───────────────────────────────────────────────────────────────────

/** A job locked for longer than this belongs to a process that died: handlers end long before. */
export const LEASE_SECONDS = 120
const KEEP_RECEIPTS_DAYS = 30
const SWEEP_BATCH = 500

/**
 * The deliveries are the truth and the queue only their alarm clock: gives every owed delivery a job
 * where it has none (a restored backup) or one whose process died, and drops old receipts and the
 * remains of dead jobs. One process sweeps at a time, so that no delivery gets two jobs.
 * @returns how many deliveries were woken
 */
export async function sweep(): Promise<number> {
  return await inTx(async (tx) => {
    const [lock] = await tx.$queryRaw<{ mine: boolean }[]>`
      SELECT pg_try_advisory_xact_lock(hashtext('gatehouse.deliveries.sweep')) AS mine`
    if (!lock?.mine) return 0
    const woken = await tx.$queryRawUnsafe<{ job: string }[]>(
      `SELECT (${ADD_JOB} d.not_before)).id::text AS job
       FROM deliveries d LEFT JOIN graphile_worker.jobs j ON j.key = 'delivery:' || d.id
       WHERE d.delivered_at IS NULL AND d.failed_at IS NULL
         AND (j.id IS NULL OR j.attempts >= j.max_attempts
           OR j.locked_at < now() - make_interval(secs => ${LEASE_SECONDS}))
       LIMIT ${SWEEP_BATCH}`,
    )
    await tx.$executeRawUnsafe(
      `DELETE FROM deliveries WHERE id IN (
         SELECT id FROM deliveries WHERE created_at < now() - interval '${KEEP_RECEIPTS_DAYS} days'
           AND (delivered_at IS NOT NULL OR failed_at IS NOT NULL) ORDER BY created_at LIMIT ${SWEEP_BATCH})`,
    )
    await tx.$queryRawUnsafe(
      `SELECT count(*)::int FROM graphile_worker.complete_jobs(ARRAY(
         SELECT id FROM graphile_worker.jobs
         WHERE key IS NULL AND attempts >= max_attempts AND task_identifier LIKE 'deliver:%'
           AND (locked_at IS NULL OR locked_at < now() - interval '4 hours') LIMIT ${SWEEP_BATCH}))`,
    )
    return woken.length
  })
}

/** The connections that this process has for everything, for deliveries that are made now and then. */
export const housePool = (): pg.Pool => pool()

/** Connections of the queue's own, so that it never takes those of requests. The caller ends the pool. */
export function queuePool(max: number): pg.Pool {
  const queue = new pg.Pool({
    connectionString: env().databaseUrl,
    max,
    connectionTimeoutMillis: 3000,
    idleTimeoutMillis: 30_000,
    statement_timeout: 15_000,
    lock_timeout: 10_000,
    idle_in_transaction_session_timeout: 15_000,
    keepAlive: true,
    application_name: 'gatehouse-deliveries',
  })
  const complain = (error: Error) => log().warn({ err: error.message }, 'delivery queue lost a connection')
  queue.on('error', complain)
  queue.on('connect', (client) => client.on('error', complain))
  return queue
}
