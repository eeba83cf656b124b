/** The oldest events go when the operator keeps them no longer; what is left stays verifiable. */
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { log } from '../base/log'
import * as store from './store-history'

const BATCH = 500
const HOUR_MS = 3_600_000

/**
 * Removes what is older than EVENT_DAYS, batch by batch. The database lets nothing go that is younger than thirty days
 * or that would leave a chain without its anchor.
 * @returns how many events went
 */
export async function expire(): Promise<number> {
  const { eventDays } = env()
  if (eventDays === 0) return 0
  const before = new Date(nowMs() - eventDays * 86_400_000)
  let total = 0
  for (;;) {
    const gone = await store.expire(before, BATCH)
    total += gone ?? 0
    if (!gone) break
  }
  if (total > 0) await store.noteExpired(total, before)
  return total
}

/** Now and every hour. Returns the way to stop. */
export function startExpiring(): () => void {
  const work = () =>
    expire().catch((error: Error) =>
      log().warn({ err: error.message }, 'old events not removed; tried again in an hour'),
    )
  const timer = setInterval(() => void work(), HOUR_MS)
  timer.unref()
  void work()
  return () => clearInterval(timer)
}
