/** What of this room's tables a backup brings back that was over, all of it in the caller's transaction. */
import { now } from '../base/clock'
import type { Unhurried } from '../base/db'

/**
 * Ends every refresh token, every token that a person made, and every consent: which of them were taken back since the
 * backup nobody knows any more, and an app that asks again gets nothing that its person does not want.
 * @returns how many of each
 */
export async function endAll(
  run: Unhurried,
): Promise<{ refreshTokens: number; personalTokens: number; consents: number }> {
  const end = (table: string) => run(`UPDATE ${table} SET revoked_at = $1 WHERE revoked_at IS NULL`, [now()])
  return {
    refreshTokens: await run('DELETE FROM refresh_tokens'),
    personalTokens: await end('personal_access_tokens'),
    consents: await end('grants'),
  }
}
