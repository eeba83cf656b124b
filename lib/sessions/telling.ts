/**
 * What Redis and the other processes are told of sessions that ended or were renewed. What could not be told is told again
 * for as long as this process lives.
 */
import { nowMs } from '../base/clock'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { publish } from '../base/redis'
import * as cache from './cache'
import type { SessionFacts } from './facts'
import * as believed from './store-believed'

const REDIS_RESTS_MS = 1000
let redisRestsUntil = 0

/** Runs a Redis command whose failure only costs speed; after one failure Redis is left alone for a second. */
export async function tryRedis<T>(fn: () => Promise<T>): Promise<T | null> {
  const rest = redisRestsUntil - nowMs()
  // A clock that is set back makes no rest longer.
  if (rest > 0 && rest <= REDIS_RESTS_MS) return null
  try {
    return await fn()
  } catch (error) {
    redisRestsUntil = nowMs() + REDIS_RESTS_MS
    log().warn({ err: (error as Error).message }, 'session cache: redis does not answer')
    return null
  }
}

/**
 * Sessions (and users, whose sessions all ended) of which Redis could not be told, and how to tell it. Its copy would outlive our
 * five seconds by far: until it knows, we go by the row, and we say it again every second.
 */
export const untold = new Map<string, () => Promise<void>>()
export const TELL_AGAIN_MS = 1000

export async function tell(sid: string, say: () => Promise<void>): Promise<void> {
  // What came up meanwhile (the end of a session just renewed) is newer and stays to be told.
  const before = untold.get(sid)
  const still = () => untold.get(sid) === before
  try {
    await say()
    if (still()) untold.delete(sid)
  } catch (error) {
    if (still()) untold.set(sid, say)
    log().warn({ err: (error as Error).message }, 'redis was not told of a session; it is told again')
  }
}

export const tellRenewed = (renewed: SessionFacts): Promise<void> =>
  tell(renewed.sid, async () => {
    await believed.replaceFacts(renewed)
    await publish(CHANNELS.cacheDrop, { kind: 'session', id: renewed.sid })
  })

let telling = false

export async function tellAgain(): Promise<void> {
  if (telling) return
  telling = true
  for (const [sid, say] of untold) {
    await tell(sid, say)
    // It does not answer yet.
    if (untold.get(sid) === say) break
  }
  telling = false
}

/** What other processes are told of a revoke. */
export interface Told {
  userId: string
  sids: string[]
  /** The epoch, where all sessions (but one) ended. */
  version: number | null
  exceptSid: string | null
  reason: string
}

const announceEnded = ({ userId, sids, version, exceptSid, reason }: Told): Promise<void> =>
  publish(CHANNELS.sessionRevoked, {
    userId,
    sessionIds: sids,
    ...(version !== null && { all: true, ...(exceptSid && { exceptSessionId: exceptSid }) }),
    reason,
    at: new Date(nowMs()).toISOString(),
  })

export async function tellEnded(ended: Told, buried: boolean): Promise<void> {
  const { userId, sids, version } = ended
  for (const sid of sids) cache.drop(sid)
  if (version !== null) cache.dropUser(userId)
  // Again: a Redis that lost what it was told before the commit may have been offered the row as it was until then.
  if (buried && (await buriedAtOnce(ended))) return announceEnded(ended)
  if (version !== null) {
    untold.set(userId, async () => {
      await bury(ended)
      await announceEnded(ended)
    })
    return
  }
  for (const sid of sids) {
    untold.set(sid, async () => {
      await believed.bury([sid])
      await announceEnded({ ...ended, sids: [sid] })
    })
  }
}

async function bury({ userId, sids, version }: Told): Promise<void> {
  await Promise.all([version === null ? null : believed.raiseEpoch(userId, version), believed.bury(sids)])
}

let lasts = false

/** Whether this process goes on, and tells later what cannot be told now. */
export const lasting = (is: boolean): void => {
  lasts = is
}

/** False when Redis did not answer and this process will tell it later; one that will not live to do so fails. */
export async function buriedAtOnce(ended: Told): Promise<boolean> {
  try {
    await bury(ended)
    return true
  } catch (error) {
    if (!lasts) throw error
    log().warn({ err: (error as Error).message }, 'redis was not told of ended sessions; it is told again')
    return false
  }
}
