/**
 * Redis of the room: what is believed of a session, `session:valid:{sid}`, and of a user's sessions, `session:epoch:{userId}`.
 * Atomic: no facts overwrite a tombstone or later facts, and an epoch never goes back.
 */
import { sql } from '../base/db'
import { KEYS, key } from '../base/keys'
import { redis, withRedis } from '../base/redis'
import type { SessionFacts } from './facts'

const TOMBSTONE = 'revoked'
const TTL = KEYS.sessionValid.ttlSeconds

/**
 * What Redis says: facts, `revoked`, or null when it knows nothing that still holds. One round trip where the caller
 * knows whose the session is.
 */
export async function cachedFacts(
  sid: string,
  userId: string | null,
): Promise<SessionFacts | 'revoked' | null> {
  const client = redis()
  const [text, known] = await Promise.all([
    client.get(key('sessionValid', sid)),
    userId ? client.get(key('sessionEpoch', userId)) : null,
  ])
  if (text === null) return null
  if (text === TOMBSTONE) return 'revoked'
  const facts = JSON.parse(text) as SessionFacts
  const epoch = userId === facts.userId ? known : await client.get(key('sessionEpoch', facts.userId))
  return facts.sessionVersion < Number(epoch ?? 0) ? null : facts
}

/**
 * Offers facts to Redis unless it already holds a tombstone or what is as new; gives what it then holds.
 * The facts are the caller's alone where they are of a version that is over.
 */
export async function publishFacts(facts: SessionFacts): Promise<SessionFacts | 'revoked'> {
  const script = `
    local held = redis.call('GET', KEYS[1])
    if held then
      if held == ARGV[1] then return held end
      local generation = tonumber(string.match(held, '"generation":(%d+)') or '0')
      local version = tonumber(string.match(held, '"sessionVersion":(%d+)') or '0')
      if generation >= tonumber(ARGV[4]) and version >= tonumber(ARGV[5]) then return held end
    end
    redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
    return ''`
  const held = (await redis().eval(
    script,
    1,
    key('sessionValid', facts.sid),
    TOMBSTONE,
    JSON.stringify(facts),
    TTL,
    facts.generation,
    facts.sessionVersion,
  )) as string
  if (held === TOMBSTONE) return TOMBSTONE
  return held ? (JSON.parse(held) as SessionFacts) : facts
}

/** Says that every session of the user of an older version is over. @throws StoresDown */
export async function raiseEpoch(userId: string, version: number): Promise<void> {
  const script = `
    local held = tonumber(redis.call('GET', KEYS[1]) or '0')
    redis.call('SET', KEYS[1], math.max(held, tonumber(ARGV[1])), 'EX', ARGV[2])`
  await withRedis((client) =>
    client.eval(script, 1, key('sessionEpoch', userId), version, KEYS.sessionEpoch.ttlSeconds),
  )
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
