/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'

/** Ends every refresh token and every token that a person made. @returns how many of each */
export async function endTokens(run: Unhurried): Promise<{ refreshTokens: number; personalTokens: number }> {
  const end = 'UPDATE personal_access_tokens SET revoked_at = $1 WHERE revoked_at IS NULL'
  const personalTokens = await run(end, [now()])
  return { refreshTokens: await run('DELETE FROM refresh_tokens'), personalTokens }
}
