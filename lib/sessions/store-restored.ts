/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'

/** Ends every session and every trust in a browser. @returns how many sessions */
export async function endAll(run: Unhurried): Promise<number> {
  await run('UPDATE devices SET trusted_until = NULL, trust_hash = NULL WHERE trust_hash IS NOT NULL')
  return run(`UPDATE sessions SET revoked_at = $1, revoked_reason = 'restored' WHERE revoked_at IS NULL`, [
    now(),
  ])
}
