/** The end of an attempt: the one place that asks for a session. */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { tellSecurity } from '../security'
import * as sessions from '../sessions'
import type { Attempt } from './attempt'
import { running, stepOf } from './gate'
import * as store from './store'

export interface Completed {
  step: 'done'
  request: string | null
  returnTo: string
  setCookies: string[]
  facts: sessions.SessionFacts
}

/**
 * Turns an attempt whose every proof is given into a session. Of two at once, one does; the other is
 * told `flow_expired` and finds, at its next look, that the browser is signed in. An attempt that
 * lacks a proof is refused the same way: there is no way to come here early.
 */
export async function complete(flow: string, caller: Caller): Promise<Result<Completed>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  if (stepOf(found.value) !== 'done') return refuse('flow_expired')
  const attempt = await store.take(flow)
  if (!attempt) return refuse('flow_expired')
  try {
    return await mint(flow, attempt, caller)
  } catch (error) {
    // Nothing was minted: the person keeps what they proved and tries again.
    await store.putBack(flow, attempt)
    throw error
  }
}

/** Tells the person of a sign-in from a browser they never used; the first of an account is no news. */
async function tellNewDevice(userId: string, caller: Caller): Promise<void> {
  if ((await sessions.devices(userId, 2)).length < 2) return
  try {
    await inTx((tx) => tellSecurity(tx, userId, 'new_device', caller))
  } catch (error) {
    // The session is open; a mail that could not be owed must not make the sign-in look failed.
    log().error({ err: error, userId }, 'new device not told')
  }
}

async function mint(flow: string, attempt: Attempt, caller: Caller): Promise<Result<Completed>> {
  const [first] = attempt.proofs
  if (stepOf(attempt) !== 'done' || !attempt.userId || !first)
    throw new Error('login attempt is not complete')
  const opened = await sessions.open({
    userId: attempt.userId,
    method: first.method,
    proofs: attempt.proofs,
    caller,
    previous: await sessions.check(caller.cookies),
  })
  if (!opened.ok) return opened
  const { browserHash, request, returnTo } = attempt
  // From here on there is a session: an attempt put back now would become a second one.
  await store
    .leaveFinished(flow, { finished: true, browserHash, request, returnTo })
    .catch((error: Error) => log().warn({ err: error.message }, 'what is left of a sign-in was not kept'))
  const { facts, setCookies, newDevice } = opened.value
  if (newDevice) await tellNewDevice(facts.userId, caller)
  return ok({ step: 'done', request, returnTo, setCookies, facts })
}
