/** The frame of every change that a signed-in person makes to their factors. */
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'
import * as users from '../users'
import { mayChange, type Who } from './gate'

/** Cookies for the browser that made the change: its older ones are dead. */
export interface Renewed {
  setCookies: string[]
}

/**
 * Makes one change of a person's factors, as they asked for it with a fresh proof (STP1): one at a time for
 * each person, in one transaction with what always comes with it. Trusted browsers are asked again, other
 * sessions prove themselves again before anything sensitive, and this session gets a new cookie (SES2).
 * @param change makes it and tells of it; what it has written when it refuses stays (the event of a wrong
 *   code), so it refuses before it changes anything
 * @returns refusals `proof_required`, `rate_limited`, those of `change`, `session_required` when this session
 *   ended or was renewed meanwhile
 */
export async function changeFactors<T extends object>(
  who: Who,
  caller: Caller,
  change: (tx: Tx) => Promise<Result<T>>,
): Promise<Result<T & Renewed>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  const { userId, sid } = who
  try {
    return await inTx(async (tx) => {
      if (!(await users.lock(tx, userId))) return refuse('session_required')
      const changed = await change(tx)
      if (!changed.ok) return changed
      await sessions.forgetTrust(tx, userId)
      await sessions.demandStepUp(tx, userId, sid)
      const renewed = await sessions.renewIn(tx, who, caller)
      if (!renewed) throw new Ended()
      return { ok: true, value: { ...changed.value, setCookies: renewed.setCookies } }
    })
  } catch (error) {
    if (error instanceof Ended) return refuse('session_required')
    throw error
  }
}

/** Rolls the change back: a session that is over changes nothing. */
class Ended extends Error {}
