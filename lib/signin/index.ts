/**
 * Room: signin.
 * Owns: the running login attempt, from "who are you?" to the session it becomes.
 * Hands off: checking a proof to factors, people to users, the session to sessions.
 * Invariants: an attempt is not a session; it belongs to the browser that began it; only `complete`
 * mints a session, and once; a known and an unknown name walk the same corridor.
 */
import 'server-only'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { ownPath } from '../base/paths'
import { ok, type Result } from '../base/refusals'
import { equal, sha256 } from '../base/secrets'
import * as sessions from '../sessions'
import * as users from '../users'
import { own, spendRequest } from './gate'
import * as store from './store'

export type { Notice, Typed } from './attempt'
export { emailCode, phoneCode, resend, verify } from './codes'
export { type Completed, complete } from './complete'
export { enroll, enrollTotp, postponeEnroll, savedCodes } from './enroll'
export { asGuest, startSweepingGuests, sweepGuests } from './guest'
export type { Outcome } from './outcome'
export { type Ceremony, passkey, passkeyOptions } from './passkey'
export { password } from './password'
export { type Arrived, type Away, endedUpstream, fromProvider, toProvider, withoutLinking } from './provider'
export { couldReachAal2 } from './reach'
export { second, sendSecond, type TypedMethod } from './second'
export { details, signUp } from './sign-up'
export { nextStep, type Offer, type Step } from './steps'
export type { UnusualReason } from './unusual'
export { expect, type View } from './view'

/**
 * Begins an attempt in this browser.
 * @param input.returnTo a path of ours; anything else becomes /account (RED1)
 * @param input.request the relying app's request that is waiting
 * @param input.loginHint fills the address field; proves nothing
 * @param input.reauth the session's owner proves again who they are, with all they have set up
 * @param input.level a relying app asks for it; asked for where the person can reach it
 * @param input.essential the app takes no less: somebody who cannot reach it sets up what is missing
 * @param input.proveAnew the app asks for a proof of now, whatever there was before
 * @param input.offer false: nobody is offered a passkey at the end
 * @param input.mayGuest the relying app takes guests for what it asks
 * @returns the flow's id for the URL, and cookies to set; refusal `rate_limited`
 * @throws StoresDown
 */
export async function begin(input: {
  returnTo?: string
  request?: string
  loginHint?: string
  reauth?: boolean
  level?: 'aal2' | null
  essential?: boolean
  proveAnew?: boolean
  offer?: boolean
  mayGuest?: boolean
  caller: Caller
}): Promise<Result<{ flow: string; setCookies: string[] }>> {
  const limited = await spendRequest(input.caller)
  if (!limited.ok) return limited
  const existing = sessions.browserToken(input.caller.cookies)
  const fresh = existing ? null : sessions.newBrowserToken()
  const flow = randomToken(16)
  const createdAt = nowMs()
  const facts = await sessions.check(input.caller.cookies)
  // A guest has nothing to prove again: what they begin is the account they do not have yet.
  const owner = facts && !facts.guest && input.reauth ? await users.get(facts.userId) : null
  await store.create(flow, {
    browserHash: sha256(existing ?? fresh?.token ?? ''),
    createdAt,
    expiresAt: createdAt + env().loginAttemptSeconds * 1000,
    returnTo: safePath(input.returnTo),
    request: input.request ?? null,
    session: facts?.sid ?? null,
    reauth: owner?.email ?? null,
    reauthUserId: owner?.id ?? null,
    proveAnew: input.proveAnew ?? false,
    guest: facts?.guest ? facts.userId : null,
    mayGuest: input.mayGuest ?? false,
    newGuest: null,
    level: input.level ?? null,
    essential: input.essential ?? false,
    canPasskey: null,
    offer: input.offer ?? true,
    postponed: sessions.wantsLater(input.caller.cookies) ? 'before' : null,
    userId: null,
    status: null,
    proofs: [],
    person: null,
    versions: null,
    trust: false,
    secondSent: null,
    backupCodes: null,
    passkeyWanted: false,
    signUp: null,
    newcomer: null,
    stranger: null,
    linked: null,
    linking: null,
    verification: null,
    typed: { email: owner?.email ?? input.loginHint?.slice(0, 254) },
    notice: null,
  })
  return ok({ flow, setCookies: fresh ? [fresh.setCookie] : [] })
}

/** Where a link from a mail was opened: the browser that asked for it, another one, or after the attempt ended. */
export async function whereOpened(flow: string, caller: Caller): Promise<'here' | 'elsewhere' | 'over'> {
  const attempt = await store.read(flow)
  if (!attempt || 'finished' in attempt) return 'over'
  const token = sessions.browserToken(caller.cookies)
  return token && equal(attempt.browserHash, sha256(token)) ? 'here' : 'elsewhere'
}

/** Gives an attempt up. What it was about to make never existed. */
export async function cancel(flow: string, caller: Caller): Promise<Result<{ request: string | null }>> {
  const found = await own(flow, caller)
  if (!found.ok) return found
  if (!('finished' in found.value)) await store.remove(flow)
  return ok({ request: found.value.request })
}

/** A path of our own origin, or /account. */
export const safePath = (path: string | undefined): string => ownPath(path, '/account')
