/** What the verbs of the room ask first: may this network ask now, and did this person prove themselves lately. */
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { env } from '../base/env'
import { bucket } from '../base/limits'
import { ok, type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'

/** Whose browser asks. */
export type Who = sessions.SessionFacts

/** One leaky bucket for every request that costs something; the login's. */
export const spendRequest = (caller: Caller): Promise<Result> =>
  bucket(caller.ipPrefix, { capacity: env().limits.requestsBurst, perMinute: env().limits.requestsPerMinute })

/** A proof of the last ten minutes, in this browser (STP1). */
export const fresh = (who: Who): Result => (sessions.isFresh(who) ? ok() : refuse('proof_required'))

/** What every change asks before it begins. @returns refusals `proof_required`, `rate_limited` */
export async function mayChange(who: Who, caller: Caller): Promise<Result> {
  const proven = fresh(who)
  return proven.ok ? spendRequest(caller) : proven
}

/**
 * Makes a change that no new cookie comes with, in one transaction in which that session goes on. Who was shut out a
 * moment ago, with a request under way, changes nothing any more.
 * @returns refusals of `change`, `session_required`
 */
export const whileHere = <T>(who: Who, change: (tx: Tx) => Promise<Result<T>>): Promise<Result<T>> =>
  inTx(async (tx) => ((await sessions.isLiveIn(tx, who)) ? change(tx) : refuse('session_required')))

/** Both: a change as it is made with a fresh proof. */
export async function makeChange<T>(
  who: Who,
  caller: Caller,
  change: (tx: Tx) => Promise<Result<T>>,
): Promise<Result<T>> {
  const may = await mayChange(who, caller)
  return may.ok ? whileHere(who, change) : may
}

/** `inTx`, of which nothing is left when it refuses: a link is not spent on nothing. */
export async function allOrNothing<T>(fn: (tx: Tx) => Promise<Result<T>>): Promise<Result<T>> {
  const refused = Symbol('refused')
  let answer: Result<T> | null = null
  try {
    return await inTx(async (tx) => {
      answer = await fn(tx)
      if (!answer.ok) throw refused
      return answer
    })
  } catch (error) {
    if (error === refused && answer) return answer
    throw error
  }
}
