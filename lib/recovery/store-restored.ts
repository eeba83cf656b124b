/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'

/** Ends every recovery under way: it may have been vetoed since. @returns how many */
export const endRecoveries = (run: Unhurried): Promise<number> =>
  run('UPDATE recovery_requests SET vetoed_at = $1 WHERE vetoed_at IS NULL AND completed_at IS NULL', [now()])
