/**
 * Attempts in Redis, sealed, one key each. Atomic: `update` and `settle` write only if nothing changed since they (or whoever
 * handed them an attempt) read, so an attempt is settled once.
 */
import { nowMs } from '../base/clock'
import { key } from '../base/keys'
import { withRedis } from '../base/redis'
import { open, seal } from '../base/secrets'
import type { Attempt, Finished } from './attempt'

const PURPOSE = 'login-attempt'
const FINISHED_MS = 600_000

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
  return (await settle(flow, change, () => null, at))?.attempt ?? null
}

/**
 * The same; where `left` then has something to say, that is kept in its place: the attempt is done, and nobody else gets it.
 * @returns `taken`: this call did that
 */
export async function settle(
  flow: string,
  change: (attempt: Attempt) => void,
  left: (attempt: Attempt) => Finished | null,
  at?: Attempt,
): Promise<{ attempt: Attempt; taken: boolean } | null> {
  let known = at && keptAs.get(at)
  for (let tries = 0; tries < WRITERS; tries++) {
    const raw = known ?? (await withRedis((redis) => redis.get(key('loginAttempt', flow))))
    known = undefined
    const attempt = decode(flow, raw)
    if (!raw || !attempt || 'finished' in attempt) return null
    change(attempt)
    const life = attempt.expiresAt - nowMs()
    if (life <= 0) return null
    const finished = left(attempt)
    const next = encode(flow, finished ?? attempt)
    const keepMs = finished ? FINISHED_MS : Math.ceil(life)
    const set = await withRedis((redis) =>
      redis.eval(COMPARE_AND_SET, 1, key('loginAttempt', flow), raw, next, keepMs),
    )
    if (set === 1) {
      if (!finished) keptAs.set(attempt, next)
      return { attempt, taken: finished !== null }
    }
  }
  throw new Error('login attempt: too many writers')
}

/** Puts back what `settle` took, when nothing could be made of it after all. */
export const putBack = create

export async function remove(flow: string): Promise<void> {
  await withRedis((redis) => redis.del(key('loginAttempt', flow)))
}
