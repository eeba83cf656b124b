/** What an operator does for a person who lost every second factor, and has proven otherwise who they are. */
import { record } from '../audit'
import { inTx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import { tellSecurity } from './news'

/** How many of each were removed. */
export type Removed = Omit<factors.Enrolled, 'password'>

/**
 * Removes every second factor of a user: authenticator apps, passkeys, security keys, backup codes. In one
 * transaction every session of theirs ends, no browser is trusted any more, sign-ins under way begin anew,
 * and all their proven addresses are told. A password stays: the next sign-in asks for what policy demands.
 * @param by.actor who answers for it, kept in the event
 * @param by.reason kept in the event
 * @returns refusal `not_found` for nobody, and for a person who has none
 */
export async function resetFactors(
  userId: string,
  by: { actor: string; reason?: string },
): Promise<Result<{ removed: Removed; sessionsRevoked: number }>> {
  const { actor, reason } = by
  return inTx(async (tx) => {
    if (!(await users.lock(tx, userId))) return refuse('not_found')
    const removed = await factors.removeSecondFactors(tx, userId)
    if (Object.values(removed).every((count) => count === 0)) return refuse('not_found')
    await record(tx, { type: 'factors.reset', userId, actor, data: { removed, ...(reason && { reason }) } })
    await sessions.forgetTrust(tx, userId)
    const { sids } = await sessions.revokeIn(tx, { userId, all: true }, { reason: 'factors_reset', actor })
    await tellSecurity(tx, userId, 'factors_reset', null)
    return ok({ removed, sessionsRevoked: sids.length })
  })
}
