/**
 * Attempts in Redis, sealed, one key each. Atomic: `update` writes only if nothing changed since it (or whoever
 * handed it an attempt) read; `take` is GETDEL, so an attempt completes once.
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

/** The text that each attempt at hand is kept as. */
const keptAs = new WeakMap<Attempt | Finished, string>()

/** Null when it was sealed under a secret that is gone: the person begins again. */
function decode(flow: string, raw: string | null): Attempt | Finished | null {
  if (!raw) return null
  try {
    const attempt = JSON.parse(open(PURPOSE, flow, raw)) as Attempt | Finished
    keptAs.set(attempt, raw)
    return attempt
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

/** How often somebody else may have been faster: of all who write at once, one gets through each time. */
const WRITERS = 40

const COMPARE_AND_SET = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1`

/**
 * Changes a running attempt; `change` may run again when another tab was faster. Null when it is gone or done.
 * @param at as `read` or `update` gave it: if it is still that, it need not be read again
 */
export async function update(
  flow: string,
  change: (attempt: Attempt) => void,
  at?: Attempt,
): Promise<Attempt | null> {
  let known = at && keptAs.get(at)
  for (let tries = 0; tries < WRITERS; tries++) {
    const raw = known ?? (await withRedis((redis) => redis.get(key('loginAttempt', flow))))
    known = undefined
    const attempt = decode(flow, raw)
    if (!raw || !attempt || 'finished' in attempt) return null
    change(attempt)
    const life = attempt.expiresAt - nowMs()
    if (life <= 0) return null
    const next = encode(flow, attempt)
    const set = await withRedis((redis) =>
      redis.eval(COMPARE_AND_SET, 1, key('loginAttempt', flow), raw, next, Math.ceil(life)),
    )
    if (set === 1) {
      keptAs.set(attempt, next)
      return attempt
    }
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
