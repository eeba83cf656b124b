/**
 * Round trips in Redis, sealed, one key each. Atomic: `take` is GETDEL, so that one of two gets it; `answer` keeps what a
 * provider posted only if nothing was posted before; `once` and `lock` are SET NX.
 */
import { key } from '../base/keys'
import { withRedis } from '../base/redis'
import { open, seal } from '../base/secrets'
import type { Checks } from './core'
import type { Context } from './types'

const PURPOSE = 'oauth-state'
const SECONDS = 600

export interface RoundTrip {
  context: Context
  /** SHA-256 of the cookie of the browser that began it. */
  browserHash: string
  checks: Checks
  /** Milliseconds since the epoch. */
  expiresAt: number
  /** What the provider posted; null until it has. */
  posted: Record<string, string> | null
}

const keyOf = (posted: boolean, state: string): string =>
  key(posted ? 'oauthStatePosted' : 'oauthState', state)

const STATE = /^[\w-]{20,200}$/
export const isState = (state: string | null): state is string => state !== null && STATE.test(state)

function decode(state: string, raw: string | null): RoundTrip | null {
  if (!raw) return null
  try {
    return JSON.parse(open(PURPOSE, state, raw)) as RoundTrip
  } catch {
    // Sealed under a secret that is gone: the person begins again.
    return null
  }
}

const encode = (state: string, trip: RoundTrip): string => seal(PURPOSE, state, JSON.stringify(trip))

/** @param posted the provider posts its answer */
export async function create(posted: boolean, state: string, trip: RoundTrip): Promise<void> {
  const name = keyOf(posted, state)
  const set = await withRedis((redis) => redis.set(name, encode(state, trip), 'EX', SECONDS, 'NX'))
  if (set !== 'OK') throw new Error('a state came twice')
}

/** Takes a round trip away; of two at once, one gets it. */
export async function take(posted: boolean, state: string): Promise<RoundTrip | null> {
  return decode(state, await withRedis((redis) => redis.getdel(keyOf(posted, state))))
}

const COMPARE_AND_SET = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'KEEPTTL')
return 1`

/** Keeps what a provider posted. False when there is no such round trip, it is another's, or it has its answer. */
export async function answer(
  state: string,
  provider: string,
  fields: Record<string, string>,
): Promise<boolean> {
  const name = keyOf(true, state)
  const raw = await withRedis((redis) => redis.get(name))
  const trip = decode(state, raw)
  if (!raw || !trip || trip.posted || trip.context.provider !== provider) return false
  const answered = encode(state, { ...trip, posted: fields })
  return (await withRedis((redis) => redis.eval(COMPARE_AND_SET, 1, name, raw, answered))) === 1
}

/** True for the first who says so. */
export async function once(provider: string, hash: string): Promise<boolean> {
  const name = key('oauthLogout', provider, hash)
  return (await withRedis((redis) => redis.set(name, '1', 'EX', 900, 'NX'))) === 'OK'
}

const UNLOCK = `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end`

/** Whether `holder` may refresh this account's tokens now; others wait. */
export async function lock(accountId: string, holder: string): Promise<boolean> {
  return (
    (await withRedis((redis) => redis.set(key('oauthRefresh', accountId), holder, 'EX', 15, 'NX'))) === 'OK'
  )
}

export async function unlock(accountId: string, holder: string): Promise<void> {
  await withRedis((redis) => redis.eval(UNLOCK, 1, key('oauthRefresh', accountId), holder))
}
