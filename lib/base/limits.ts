/**
 * Two limiters. `bucket`: a leaky bucket in Redis (GCRA) that smooths traffic. `budget`: a count in
 * Postgres that guards a secret and survives a flush of Redis. Both are spent before anything is
 * compared, and both count and check in one atomic statement (ASVS 6.3.1, RL4, RL6, RL8).
 */
import { nowMs } from './clock'
import { sql } from './db'
import { env } from './env'
import { type KeyName, key } from './keys'
import { log } from './log'
import { withRedis } from './redis'
import { ok, type Result, refuse } from './refusals'
import { hmac, hmacs } from './secrets'

/**
 * GCRA: the key holds the theoretical arrival time. ARGV: now, milliseconds a token takes to leak,
 * capacity, cost. Answers 0 when it passes, else the milliseconds to wait.
 */
const GCRA = `
local tat = tonumber(redis.call('GET', KEYS[1]) or '0')
local now, step, capacity, cost = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
if tat < now then tat = now end
-- No bucket is fuller than full: a clock that was set back shuts nobody out for longer.
if tat > now + step * capacity then
  tat = now + step * capacity
  redis.call('SET', KEYS[1], string.format('%.0f', tat), 'PX', string.format('%.0f', math.ceil(step * capacity)))
end
local new = tat + step * cost
local over = new - now - step * capacity
if over > 0 then return math.ceil(over) end
redis.call('SET', KEYS[1], string.format('%.0f', new), 'PX', string.format('%.0f', math.ceil(new - now)))
return 0
`

export interface Bucket {
  /** How many may come at once. */
  capacity: number
  /** How many leak out in a minute. */
  perMinute: number
}

/**
 * Spends `cost` of a leaky bucket: `capacity` at once, then exactly `perMinute`.
 * @param subject an address or name; anything personal is hashed into the key by the caller
 * @returns refusal `rate_limited` with an honest `retryAfterSeconds`
 * @throws StoresDown when Redis is away: the caller fails closed.
 */
export async function bucket(subject: string, limit: Bucket, name?: string, cost = 1): Promise<Result> {
  const keyName: KeyName = name ? 'rateLimitNamed' : 'rateLimit'
  const redisKey = name ? key(keyName, name, subject) : key(keyName, subject)
  const wait = await withRedis((client) =>
    client.eval(GCRA, 1, redisKey, nowMs(), 60_000 / limit.perMinute, limit.capacity, cost),
  )
  return Number(wait) === 0
    ? ok()
    : refuse('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(Number(wait) / 1000)) })
}

export interface Budget {
  /** What is guarded, for example `password:<address>`; kept as an HMAC. */
  subject: string
  max: number
  /** The tries are good for this long, counted from the first. */
  windowSeconds: number
}

/**
 * Spends one try of each budget in one durable statement.
 * @returns refusal `rate_limited` with the seconds until the longest closed window ends
 */
export async function budgets(list: Budget[]): Promise<Result<{ left: number }>> {
  const at = new Date(nowMs())
  await adopt(list.map(({ subject }) => subject))
  const rows = await sql<{ spent: number; max: number; expires_at: Date }>({
    name: 'budget-spend',
    text: `WITH asked AS (
             SELECT * FROM unnest($1::text[], $2::int[], $3::int[]) AS a (key, max, seconds) ORDER BY key),
           kept AS (
             INSERT INTO budgets AS b (key, spent, started_at, expires_at)
             SELECT key, 1, $4::timestamptz, $4::timestamptz + make_interval(secs => seconds) FROM asked
             ON CONFLICT (key) DO UPDATE SET
               spent = CASE WHEN b.expires_at <= $4 THEN 1 ELSE b.spent + 1 END,
               started_at = CASE WHEN b.expires_at <= $4 THEN $4 ELSE b.started_at END,
               expires_at = CASE WHEN b.expires_at <= $4 THEN EXCLUDED.expires_at ELSE b.expires_at END
             RETURNING key, spent, expires_at)
           SELECT kept.spent, kept.expires_at, asked.max FROM kept JOIN asked USING (key)`,
    values: [
      budgetKeys(list.map((budget) => budget.subject)),
      list.map((budget) => budget.max),
      list.map((budget) => budget.windowSeconds),
      at,
    ],
  })
  const waits = rows
    .filter((row) => row.spent > row.max)
    .map((row) => row.expires_at.getTime() - at.getTime())
  if (waits.length > 0) {
    return refuse('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil(Math.max(...waits) / 1000)) })
  }
  return ok({ left: Math.min(...rows.map((row) => row.max - row.spent)) })
}

/** Tries that were counted under a secret rotated since are still spent (KEY2). */
async function adopt(subjects: string[]): Promise<void> {
  if (env().secrets.length < 2) return
  const older = subjects.flatMap((subject) => {
    const [now, ...before] = hmacs('budget', subject)
    return before.map((key) => ({ key, now }))
  })
  await sql({
    name: 'budget-adopt',
    text: `WITH known AS (SELECT * FROM unnest($1::text[], $2::text[]) AS k (key, now)),
           gone AS (DELETE FROM budgets b USING known WHERE b.key = known.key AND b.expires_at > $3
                    RETURNING known.now, b.spent, b.started_at, b.expires_at)
           INSERT INTO budgets AS b (key, spent, started_at, expires_at)
           SELECT now, sum(spent)::int, min(started_at), max(expires_at) FROM gone GROUP BY now
           ON CONFLICT (key) DO UPDATE SET spent = b.spent + EXCLUDED.spent`,
    values: [older.map(({ key }) => key), older.map(({ now }) => now), new Date(nowMs())],
  })
}

/** Spends one try of one budget; see `budgets`. */
export const budget = (
  subject: string,
  limit: { max: number; windowSeconds: number },
): Promise<Result<{ left: number }>> => budgets([{ subject, ...limit }])

export interface BackOff {
  /** What is guarded; kept as an HMAC. */
  subject: string
  /** Tries that follow each other without a wait. */
  free: number
  /** Seconds to wait after the last free try, after the one that follows it, and so on; the last repeats. */
  waitsSeconds: readonly number[]
  /** After so many nothing passes any more, until `forgetSeconds` after the last one. */
  max: number
  forgetSeconds: number
}

/**
 * Spends one try of a count whose waits grow, in one durable statement. Unlike `budgets`, a try that is
 * turned down costs nothing: knocking while one has to wait makes nobody wait for longer.
 * @returns the tries left without a wait; refusal `rate_limited` with an honest `retryAfterSeconds`
 */
export async function backOff(limit: BackOff): Promise<Result<{ left: number }>> {
  const { free, max, forgetSeconds } = limit
  const waits = [...limit.waitsSeconds]
  const key = hmac('budget', limit.subject)
  const at = nowMs()
  await adopt([limit.subject])
  const [spent] = await sql<{ spent: number }>({
    name: 'back-off-spend',
    text: `INSERT INTO budgets AS b (key, spent, started_at, expires_at)
           VALUES ($1, 1, $2::timestamptz, $2::timestamptz + make_interval(secs => $6))
           ON CONFLICT (key) DO UPDATE SET
             spent = CASE WHEN b.expires_at <= $2 THEN 1 ELSE b.spent + 1 END,
             started_at = $2, expires_at = EXCLUDED.expires_at
           WHERE b.expires_at <= $2 OR b.spent < $3 OR (b.spent < $4 AND b.started_at
             + make_interval(secs => ($5::int[])[least(b.spent - $3 + 1, cardinality($5::int[]))]) <= $2)
           RETURNING spent`,
    values: [key, new Date(at), free, max, waits, forgetSeconds],
  })
  if (spent) return ok({ left: Math.max(0, free - spent.spent) })
  const [row] = await sql<{ spent: number; started_at: Date; expires_at: Date }>({
    name: 'back-off-read',
    text: 'SELECT spent, started_at, expires_at FROM budgets WHERE key = $1',
    values: [key],
  })
  const waitSeconds = waits[Math.min((row?.spent ?? free) - free, waits.length - 1)] ?? 0
  const until = !row ? at : row.spent >= max ? +row.expires_at : +row.started_at + waitSeconds * 1000
  return refuse('rate_limited', { retryAfterSeconds: Math.max(1, Math.ceil((until - at) / 1000)) })
}

/** Where these budgets are kept. */
export const budgetKeys = (subjects: string[]): string[] => subjects.map((subject) => hmac('budget', subject))

/** Gives back whole what stands under `keys`, an expression; fit for a CTE of a larger statement. */
export const refundSql = (keys: string): string => `DELETE FROM budgets WHERE key = ANY(${keys}::text[])`

/** Gives budgets back whole (after a success). */
export async function refund(...subjects: string[]): Promise<void> {
  await sql({ name: 'budget-refund', text: refundSql('$1'), values: [budgetKeys(subjects)] })
}

/** Takes one try of each budget back; a window that has ended since has nothing to give. */
export async function giveBack(...subjects: string[]): Promise<void> {
  await sql({
    name: 'budget-give-back',
    text: 'UPDATE budgets SET spent = greatest(spent - 1, 0) WHERE key = ANY($1::text[])',
    values: [subjects.map((subject) => hmac('budget', subject))],
  })
}

const SWEEP_MS = 3_600_000
const SWEEP_BATCH = 5000

/** Drops one batch of budgets whose window has ended. Expiry itself is judged at use. */
async function sweepBatch(): Promise<number> {
  const rows = await sql<{ key: string }>({
    name: 'budget-sweep',
    text: 'DELETE FROM budgets WHERE key IN (SELECT key FROM budgets WHERE expires_at <= $1 LIMIT $2) RETURNING key',
    values: [new Date(nowMs()), SWEEP_BATCH],
  })
  return rows.length
}

/** Sweeps now and every hour: each name ever tried leaves budgets behind. Returns the way to stop. */
export function startSweeping(): () => void {
  const sweep = async () => {
    try {
      while ((await sweepBatch()) === SWEEP_BATCH);
    } catch (error) {
      log().warn({ err: (error as Error).message }, 'old budgets not swept; tried again in an hour')
    }
  }
  const timer = setInterval(() => void sweep(), SWEEP_MS)
  timer.unref()
  void sweep()
  return () => clearInterval(timer)
}

/** The mailbox behind an address as limits count it: case folded, "+tag" gone, so that one box is one budget. */
export const mailbox = (address: string): string => address.toLowerCase().replace(/(?<=.)\+[^@]*@/, '@')
