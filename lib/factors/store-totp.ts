/**
 * Authenticator apps in Postgres, and the one being set up in Redis. Atomic here: `claimStep` takes a time
 * step in one conditional UPDATE, so of any number of requests with the same code one gets it; `tryPending`
 * counts a try before its secret is handed out; `insertTotp` takes a pending id once and counts under a lock.
 */
import { type EventInput, eventSql } from '../audit'
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'
import { KEYS, key } from '../base/keys'
import { withRedis } from '../base/redis'

export interface TotpRow {
  id: string
  name: string
  secretSealed: string
  lastStep: number
}

export const readTotps = (userId: string): Promise<TotpRow[]> =>
  sql<TotpRow>({
    name: 'factors-totps',
    text: `SELECT id::text, name, secret_sealed AS "secretSealed", last_step::int AS "lastStep"
           FROM totps WHERE user_id = $1 ORDER BY last_used_at DESC NULLS LAST`,
    values: [userId],
  })

export interface TotpView {
  id: string
  name: string
  createdAt: Date
  lastUsedAt: Date | null
}

export const listTotps = (userId: string): Promise<TotpView[]> =>
  sql<TotpView>({
    name: 'factors-totp-list',
    text: `SELECT id::text, name, created_at AS "createdAt", last_used_at AS "lastUsedAt"
           FROM totps WHERE user_id = $1 ORDER BY created_at, id`,
    values: [userId],
  })

/**
 * Uses up `step` and all before it, and writes the event with it. @param resealed the secret under a newer key
 * @returns false when that step, or a later one, was used already
 */
export async function claimStep(
  id: string,
  step: number,
  resealed: string | null,
  event: EventInput,
): Promise<boolean> {
  const events = eventSql(5, event, 'used')
  const rows = await sql({
    name: 'factors-totp-claim',
    text: `WITH used AS (
             UPDATE totps SET last_step = $2, last_used_at = $3, secret_sealed = coalesce($4, secret_sealed)
             WHERE id = $1 AND last_step < $2 RETURNING id),
           noted AS (${events.text})
           SELECT id FROM used`,
    values: [id, step, now(), resealed, ...events.values],
  })
  return rows.length > 0
}

/**
 * Inserts a confirmed authenticator under the id that its set-up had.
 * @returns `full` when the user has `max` already, `taken` when this set-up was confirmed before
 */
export async function insertTotp(
  tx: Tx,
  totp: { id: string; userId: string; name: string; secretSealed: string; lastStep: number },
  max: number,
): Promise<'ok' | 'full' | 'taken'> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('totp:' || ${totp.userId}, 0))`
  const others = await tx.totp.findMany({ where: { userId: totp.userId }, select: { id: true } })
  if (others.some(({ id }) => id === totp.id)) return 'taken'
  if (others.length >= max) return 'full'
  const at = now()
  await tx.totp.create({ data: { ...totp, createdAt: at, lastUsedAt: null } })
  return 'ok'
}

export async function countTotps(userId: string): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'factors-totp-count',
    text: 'SELECT count(*)::int AS count FROM totps WHERE user_id = $1',
    values: [userId],
  })
  return row?.count ?? 0
}

/** @returns the name it had; null when the user has no such authenticator */
export async function renameTotp(tx: Tx, userId: string, id: string, name: string): Promise<string | null> {
  const [row] = await tx.$queryRaw<{ before: string }[]>`
    UPDATE totps t SET name = ${name} FROM (SELECT id, name FROM totps WHERE id = ${id}::uuid FOR UPDATE) old
    WHERE t.id = old.id AND t.user_id = ${userId}::uuid RETURNING old.name AS before`
  return row?.before ?? null
}

/** @returns its name; null when the user has no such authenticator */
export async function deleteTotp(tx: Tx, userId: string, id: string): Promise<string | null> {
  const [row] = await tx.$queryRaw<{ name: string }[]>`
    DELETE FROM totps WHERE id = ${id}::uuid AND user_id = ${userId}::uuid RETURNING name`
  return row?.name ?? null
}

/** KEYS[1] the set-up. ARGV: its binding, now, end and life in ms, a fresh sealed secret. Answers the one that counts. */
const BEGIN = `
local found = redis.call('HMGET', KEYS[1], 'for', 'end', 'sealed')
if found[3] and found[1] == ARGV[1] and tonumber(found[2]) > tonumber(ARGV[2]) then return found[3] end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'for', ARGV[1], 'end', ARGV[3], 'sealed', ARGV[5], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return ARGV[5]`

/** KEYS[1] the set-up. ARGV: its binding, now in ms, most tries. The last try is the last there is. */
const TRY = `
local found = redis.call('HMGET', KEYS[1], 'for', 'end', 'sealed')
if not found[3] or found[1] ~= ARGV[1] then return false end
if tonumber(found[2]) <= tonumber(ARGV[2]) then redis.call('DEL', KEYS[1]) return false end
if redis.call('HINCRBY', KEYS[1], 'tries', 1) > tonumber(ARGV[3]) then redis.call('DEL', KEYS[1]) return false end
return found[3]`

/** KEYS[1] the set-up. ARGV: the sealed secret that was confirmed; a newer one stays. */
const DROP = `
if redis.call('HGET', KEYS[1], 'sealed') == ARGV[1] then return redis.call('DEL', KEYS[1]) end
return 0`

const nameOf = (userId: string): string => key('pendingRegistration', userId)

/** Keeps `sealed` for this binding, unless the binding has one already: then that one stays. @returns what is kept */
export async function beginPending(
  userId: string,
  asked: { binding: string; nowMs: number; sealed: string },
): Promise<string> {
  const lifeMs = KEYS.pendingRegistration.ttlSeconds * 1000
  const end = asked.nowMs + lifeMs
  return (await withRedis((client) =>
    client.eval(BEGIN, 1, nameOf(userId), asked.binding, asked.nowMs, end, lifeMs, asked.sealed),
  )) as string
}

/** Changes nothing. */
export async function readPending(userId: string, binding: string, nowMs: number): Promise<string | null> {
  const [whose, end, sealed] = await withRedis((client) =>
    client.hmget(nameOf(userId), 'for', 'end', 'sealed'),
  )
  return sealed && whose === binding && Number(end) > nowMs ? sealed : null
}

export async function tryPending(
  userId: string,
  guess: { binding: string; nowMs: number; maxTries: number },
): Promise<string | null> {
  return (await withRedis((client) =>
    client.eval(TRY, 1, nameOf(userId), guess.binding, guess.nowMs, guess.maxTries),
  )) as string | null
}

export async function dropPending(userId: string, sealed: string): Promise<void> {
  await withRedis((client) => client.eval(DROP, 1, nameOf(userId), sealed))
}
