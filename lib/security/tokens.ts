/** Personal access tokens: made by a fresh proof, told to every proven address, ended at once. */
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import { personalTokens } from '../oidc'
import * as users from '../users'
import { makeChange, type Who } from './gate'
import { tellSecurity } from './news'

/**
 * Makes one.
 * @returns its value, this once; refusals `proof_required`, `rate_limited`, `session_required`, `method_off`, `too_many`,
 *   `invalid_input` with `field`
 */
export async function make(
  who: Who,
  input: { name: string; scopes: readonly string[]; days: number },
  caller: Caller,
): Promise<Result<{ value: string; name: string; expiresAt: Date }>> {
  const name = users.plainLine(input.name)
  // Two at once do not both get the last place; and nobody is locked down in between.
  return makeChange(who, caller, async (tx) => {
    const made = await personalTokens.make(tx, who.userId, { ...input, name }, caller)
    if (!made.ok) return made
    await tellSecurity(tx, who.userId, { what: 'token_made', name }, caller)
    return ok({ value: made.value.value, name, expiresAt: made.value.expiresAt })
  })
}

/** Ends one; asks for no fresh proof (decision 074). @returns refusal `not_found` */
export async function remove(who: Who, { id }: { id: string }, caller: Caller): Promise<Result> {
  const ended = await inTx((tx) => personalTokens.end(tx, who.userId, id, { caller }))
  return ended > 0 ? ok() : refuse('not_found')
}

/** Ends all of a user in `tx`, with everything else that somebody may hold. */
export const endAll = (tx: Tx, userId: string, caller: Caller): Promise<number> =>
  personalTokens.end(tx, userId, null, { caller })
