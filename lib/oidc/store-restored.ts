/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'

/** Ends every refresh token and every token that a person made. @returns how many refresh tokens */
export async function endTokens(run: Unhurried): Promise<number> {
  await run('UPDATE personal_access_tokens SET revoked_at = $1 WHERE revoked_at IS NULL', [now()])
  return run('DELETE FROM refresh_tokens')
}
