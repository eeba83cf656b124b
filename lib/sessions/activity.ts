/** When sessions were last used: noted in memory, and written in batches. */
import { nowMs } from '../base/clock'
import { log } from '../base/log'
import * as cache from './cache'
import type { SessionFacts } from './facts'
import * as lists from './store-lists'

const GRAIN_MS = 60_000

/** What is not written yet. */
export const activity = new Map<string, number>()

export function noteActivity(facts: SessionFacts): void {
  const at = nowMs()
  if (at - facts.lastActiveAt < GRAIN_MS) return
  facts.lastActiveAt = at
  activity.set(facts.sid, at)
}

/** Notes that an app used the session on the person's behalf (a refresh): it is not idle while its apps are in use. */
export function noteUse(sid: string): void {
  const facts = cache.lookup(sid)
  if (facts) noteActivity(facts)
}

export async function flushActivity(): Promise<void> {
  if (activity.size === 0) return
  const batch = new Map(activity)
  activity.clear()
  try {
    await lists.writeActivity(batch)
  } catch (error) {
    for (const [sid, at] of batch) if (!activity.has(sid)) activity.set(sid, at)
    log().warn({ err: (error as Error).message }, 'session activity not written; it is kept for the next try')
  }
}
