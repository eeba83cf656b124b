/**
 * Attempts in Redis, sealed, one key each. Atomic: `update` writes only if nothing changed since it
 * read; `take` is GETDEL, so an attempt completes once.
 */
import { nowMs } from '../base/clock'
import { key } from '../base/keys'
import { withRedis } from '../base/redis'
import { open, seal } from '../base/secrets'
import type { Attempt, Finished } from './attempt'

const PURPOSE = 'login-attempt'
const FINISHED_SECONDS = 600

const FLOW = /^[\w-]{22}$/
export const isFlow = (flow: string): boolean => FLOW.test(flow)

/** Null when it was sealed under a secret that is gone: the person begins again. */
function decode(flow: string, raw: string | null): Attempt | Finished | null {
  if (!raw) return null
  try {
    return JSON.parse(open(PURPOSE, flow, raw)) as Attempt | Finished
  } catch {
    return null
  }
}
const encode = (flow: string, value: Attempt | Finished): string => seal(PURPOSE, flow, JSON.stringify(value))

export async function create(flow: string, attempt: Attempt): Promise<void> {
  const life = attempt.expiresAt - nowMs()
  await withRedis((redis) => redis.set(key('loginAttempt', flow), encode(flow, attempt), 'PX', life))
}

export async function read(flow: string): Promise<Attempt | Finished | null> {
  if (!isFlow(flow)) return null
  const raw = await withRedis((redis) => redis.get(key('loginAttempt', flow)))
  return decode(flow, raw)
}

const COMPARE_AND_SET = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

/** Changes a running attempt; `change` may run again when another tab was faster. Null when it is gone or done. */
export async function update(flow: string, change: (attempt: Attempt) => void): Promise<Attempt | null> {
  for (let tries = 0; tries < 8; tries++) {
    const raw = await withRedis((redis) => redis.get(key('loginAttempt', flow)))
    const attempt = decode(flow, raw)
    if (!raw || !attempt || 'finished' in attempt) return null
    change(attempt)
    const life = attempt.expiresAt - nowMs()
    if (life <= 0) return null
    const set = await withRedis((redis) =>
      redis.eval(COMPARE_AND_SET, 1, key('loginAttempt', flow), raw, encode(flow, attempt), Math.ceil(life)),
    )
    if (set === 1) return attempt
  }
  throw new Error('login attempt: too many writers')
}

/** Takes a running attempt away; of two at once, one gets it. */
export async function take(flow: string): Promise<Attempt | null> {
  const raw = await withRedis((redis) => redis.getdel(key('loginAttempt', flow)))
  const attempt = decode(flow, raw)
  return attempt && !('finished' in attempt) ? attempt : null
}

/** Puts back what `take` took, when it could not be completed after all. */
export const putBack = create

export async function leaveFinished(flow: string, finished: Finished): Promise<void> {
  await withRedis((redis) =>
    redis.set(key('loginAttempt', flow), encode(flow, finished), 'EX', FINISHED_SECONDS),
  )
}

export async function remove(flow: string): Promise<void> {
  await withRedis((redis) => redis.del(key('loginAttempt', flow)))
}
