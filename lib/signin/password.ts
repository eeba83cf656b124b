/** The password as a first proof. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { bucket, budget } from '../base/limits'
import { log } from '../base/log'
import { type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { tellSecurity } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import { type Attempt, startOver, type Typed } from './attempt'
import { sendCode } from './codes'
import { advance } from './complete'
import { running, spendRequest, stepOf } from './gate'
import { failedSince, type KnownPerson } from './look'
import { type Outcome, turnDown } from './outcome'
import * as store from './store'
import { readKnown } from './store-known'
import { MANY_FAILURES } from './unusual'

const ONE_A_WINDOW = { capacity: 1, perMinute: 1 / 15 }
/** The failure that its owner is told of, and how long none after it is news. */
const NEWS = { max: MANY_FAILURES, windowSeconds: 86_400 }

/**
 * Takes an address and a password. Unknown names cost and answer the same as known ones (ENU1-3).
 * Tries are spent before anything is compared: per client network, per account, and for a browser
 * that the account knows, per that browser, so that a stranger cannot lock the owner out.
 * @param input.canPasskey the browser said that it can do WebAuthn
 * @returns refusal only when the attempt itself is gone; a wrong password is an outcome with its refusal
 * @throws StoresDown
 */
export async function password(
  flow: string,
  input: { email: string; password: string; canPasskey?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const [found, limited] = await Promise.all([running(flow, caller), spendRequest(caller)])
  if (!found.ok) return found
  const typed: Typed = { email: input.email.slice(0, 254) }
  if (!env().signInMethods.includes('password'))
    return turnDown(flow, 'identify', refuse('method_off').refusal, typed)
  if (!limited.ok) return turnDown(flow, 'identify', limited.refusal, typed)
  const email = users.normalizeEmail(input.email)
  if (!email.ok) return turnDown(flow, 'identify', { ...email.refusal, field: 'email' }, typed)

  const known = await readKnown(email.value, {
    device: sessions.deviceToken(caller.cookies),
    failedSince: failedSince(),
    places: caller.place !== null,
  })
  const { user, device, held } = known
  const whose =
    device && user ? { userId: user.id, device } : { email: email.value, userId: user?.id ?? null }
  const allowed = await factors.tries.spend(whose)
  if (!allowed.ok) {
    if (user) note('signin.limited', user.id, caller)
    return turnDown(flow, 'identify', allowed.refusal, typed)
  }

  const verified = await factors.password.verify(user?.id ?? null, input.password, held.hash)
  if (!verified.ok) return turnDown(flow, 'identify', verified.refusal, typed)
  // An account that its owner locked takes no password until a new one is chosen; nobody is told which it was.
  if (!verified.value.match || !user || user.lockedDownAt) {
    if (user) note('signin.failed', user.id, caller)
    return turnDown(flow, 'identify', refuse('wrong_credentials').refusal, typed)
  }
  let opened = false
  try {
    const outcome = await matched(
      flow,
      found.value,
      { ...known, user },
      { typed, address: email.value, whose, canPasskey: input.canPasskey },
      caller,
    )
    opened = outcome.ok && outcome.value.step === 'done'
    return outcome
  } finally {
    // What opened a session has given them back in the same statement.
    if (!opened) await factors.tries.giveBack(whose)
  }
}

/** The password was right: whose it is goes on with that, if they may. */
async function matched(
  flow: string,
  attempt: Attempt,
  known: KnownPerson,
  {
    typed,
    address,
    whose,
    canPasskey,
  }: { typed: Typed; address: string; whose: factors.TriesOf; canPasskey?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const { id, status, sessionVersion, factorVersion } = known.user
  if (status !== 'active' && status !== 'pending') {
    return turnDown(flow, 'identify', refuse('account_disabled').refusal, typed)
  }
  const prove = (a: Attempt) => {
    startOver(a)
    a.userId = id
    a.status = status
    a.proofs = [{ method: 'password', amr: ['pwd'], at: nowMs() }]
    // Read before the password was compared: a reset that came in between moved them.
    a.versions = { session: sessionVersion, factor: factorVersion }
    a.canPasskey = canPasskey ?? a.canPasskey
    a.typed = typed
  }
  if (status === 'active') return advance(flow, attempt, caller, { prove, known, tries: whose })
  const proven = await store.update(flow, prove, attempt)
  if (!proven) return refuse('flow_expired')
  if (stepOf(proven) !== 'verify_email') return advance(flow, proven, caller)
  return sendCode(flow, { purpose: 'email_verification', key: id, to: address, decoy: false }, caller)
}

/** Writes an event without making the answer wait: a known name must not answer later than an unknown one. */
export function note(
  type: 'signin.failed' | 'signin.limited',
  userId: string,
  caller: Caller,
  method = 'password',
): void {
  const write = async () => {
    // Refused tries are without number, and nothing is ever deleted from a history: one line for each window.
    if (type === 'signin.limited' && !(await bucket(userId, ONE_A_WINDOW, type)).ok) return
    await record(null, { type, outcome: 'failure', userId, caller, data: { method } })
    if (type === 'signin.failed') await tellOfMany(userId, caller)
  }
  write().catch((error: Error) => log().warn({ err: error.message, type }, 'event not written'))
}

/** The tenth failure within a day is told to the owner, once: the count reaches it once, whoever is at it (ASVS 6.3.5). */
async function tellOfMany(userId: string, caller: Caller): Promise<void> {
  const spent = await budget(`signin-failures:${userId}`, NEWS)
  if (!spent.ok || spent.value.left > 0) return
  await inTx((tx) => tellSecurity(tx, userId, 'many_failures', caller))
}
