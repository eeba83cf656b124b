/** What every verb of the room asks first: whose attempt is it, what is it waiting for, may it be asked now. */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { bucket } from '../base/limits'
import { ok, type Result, refuse } from '../base/refusals'
import { equal, sha256 } from '../base/secrets'
import * as sessions from '../sessions'
import type { Attempt, Finished } from './attempt'
import { type Facts, nextStep, type Policy, type Step } from './steps'
import * as store from './store'

/** What the steps of an attempt are decided from. */
export const factsOf = (attempt: Attempt): Facts => ({
  proofs: attempt.proofs,
  codeSent: attempt.verification !== null && attempt.verification.purpose !== 'email_verification',
  signingUp: attempt.signUp !== null,
  status: attempt.status,
  person: attempt.person,
  wants: {
    level: attempt.level,
    essential: attempt.essential,
    reauth: attempt.reauth !== null,
    passkey: attempt.passkeyWanted ? 'sign_up' : attempt.offer && attempt.canPasskey ? 'offer' : null,
    // Who chose a passkey just now, at sign-up, did not mean the offers put off before.
    postponed: attempt.postponed === 'now' || (attempt.postponed === 'before' && !attempt.passkeyWanted),
    codesToSave: attempt.backupCodes !== null,
  },
})

export const policy = (): Policy => {
  const { secondFactor, signInMethods } = env()
  return { secondFactor, signInMethods, at: nowMs() }
}

/** The step an attempt is at. */
export const stepOf = (attempt: Attempt): Step => nextStep(factsOf(attempt), policy())

/** One leaky bucket for every request of the login that costs something. */
export const spendRequest = (caller: Caller): Promise<Result> =>
  bucket(caller.ipPrefix, { capacity: env().limits.requestsBurst, perMinute: env().limits.requestsPerMinute })

/** The attempt, if it belongs to this browser (Keycloak CVE-2026-7507: another's flow URL is of no use). */
export async function own(flow: string, caller: Caller): Promise<Result<Attempt | Finished>> {
  const attempt = await store.read(flow)
  const token = sessions.browserToken(caller.cookies)
  if (!token) return refuse(attempt ? 'cookies_blocked' : 'flow_expired')
  // Judged here too: an attempt ends by our clock, not by Redis's.
  if (!attempt || (!('finished' in attempt) && nowMs() >= attempt.expiresAt)) return refuse('flow_expired')
  if (!equal(attempt.browserHash, sha256(token))) return refuse('flow_foreign_browser')
  return ok(attempt)
}

/** The same, while it still runs. */
export async function running(flow: string, caller: Caller): Promise<Result<Attempt>> {
  const found = await own(flow, caller)
  if (!found.ok) return found
  return 'finished' in found.value ? refuse('flow_expired') : ok(found.value)
}
