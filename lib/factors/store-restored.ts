/** What of this room's tables a backup brings back that was used, all of it in the caller's transaction. */
import { now, nowMs } from '../base/clock'
import type { Unhurried } from '../base/db'
import { STEP_SECONDS } from './totp-code'

/**
 * Voids every link, and every backup code unless they are to be kept: which of them were used since the backup
 * nobody knows any more. No authenticator's code of now, or of the step to come, is good again.
 */
export async function voidUsed(
  run: Unhurried,
  keep: { backupCodes: boolean },
): Promise<{ links: number; backupCodes: number }> {
  const links = await run('UPDATE one_time_links SET used_at = $1 WHERE used_at IS NULL', [now()])
  await run('UPDATE totps SET last_step = greatest(last_step, $1)', [
    Math.floor(nowMs() / 1000 / STEP_SECONDS) + 1,
  ])
  if (keep.backupCodes) return { links, backupCodes: 0 }
  const backupCodes = await run('UPDATE backup_codes SET used_at = $1 WHERE used_at IS NULL', [now()])
  return { links, backupCodes }
}
