/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'
import { eventSql } from './store'

/** Gives up what was owed: it was sent since, or is about something that is over. Notes that there was a restore. */
export async function giveUpOwed(run: Unhurried, data: Record<string, number>): Promise<number> {
  const event = eventSql(1, { type: 'portal.restored', actor: 'operator', data })
  await run(`WITH e AS (${event.text}) SELECT 1`, event.values)
  return run(
    `UPDATE deliveries SET failed_at = $1, last_error = 'restored from a backup', payload_sealed = NULL
     WHERE delivered_at IS NULL AND failed_at IS NULL`,
    [now()],
  )
}
