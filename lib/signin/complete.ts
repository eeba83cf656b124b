/** The end of an attempt: the one place that asks for a session. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import { tellSecurity } from '../security'
import * as sessions from '../sessions'
import type { Attempt, Finished } from './attempt'
import { policy, running, stepOf } from './gate'
import { join } from './join'
import { type KnownPerson, look } from './look'
import { beginAnew, type Outcome } from './outcome'
import { type Step, twoProven, twoStepOn } from './steps'
import * as store from './store'
import type { UnusualReason } from './unusual'

export interface Completed {
  step: 'done'
  request: string | null
  returnTo: string
  setCookies: string[]
  facts: sessions.SessionFacts
}

/** What the request at hand has just done, so that nothing is asked for twice. */
export interface Just {
  /** What was proven and is not stored yet: that is one write with what follows from it. Sets fields of the attempt as a whole. */
  prove?: (attempt: Attempt) => void
  /** The person as they were read. */
  known?: KnownPerson
  /** Tries that are given back by the statement that opens the session, if one is opened. */
  tries?: factors.TriesOf
}

/**
 * Looks at the person of an attempt anew and goes to what is missing, or out of it with a session when nothing
 * is. Every verb that proves something ends here, so no way in decides for itself that it was enough.
 * @param stored the attempt as this caller's request has just written or found it
 * @returns refusal `flow_expired`; a person who may not sign in is an outcome at `identify`
 */
export async function advance(
  flow: string,
  stored: Attempt,
  caller: Caller,
  { prove, known, tries }: Just = {},
): Promise<Result<Outcome>> {
  const at = { ...stored }
  prove?.(at)
  const { userId } = at
  if (!userId) return ok({ step: waiting(stepOf(at)) })
  const seen = await look(at, caller, known)
  if (!seen) return beginAnew(flow, refuse('account_disabled').refusal)
  const change = (a: Attempt) => {
    prove?.(a)
    // Another tab may have begun with somebody else meanwhile: what was seen is not about them.
    if (a.userId !== userId) return
    a.status = 'active'
    // A reason that was seen once stays: with it the attempt may not come back from a better address.
    a.person = { ...seen.person, unusual: union(a.person?.unusual, seen.person.unusual) }
    a.versions ??= { session: seen.user.sessionVersion, factor: seen.user.factorVersion }
  }
  const settled = await store.settle(flow, change, leftOf, stored)
  if (!settled) return refuse('flow_expired')
  const { attempt } = settled
  if (!at.person?.unusual?.length) await noteUnusual(attempt, caller)
  if (settled.taken) return mintOrPutBack(flow, attempt, caller, tries)
  const step = stepOf(attempt)
  if (step !== 'done') return ok({ step })
  const joined = await join(flow, attempt, caller)
  return joined.ok ? take(flow, caller) : beginAnew(flow, joined.refusal)
}

const union = (...lists: (readonly UnusualReason[] | undefined)[]): UnusualReason[] => [
  ...new Set(lists.flatMap((list) => list ?? [])),
]

/** Once for each attempt, as soon as its first proof was right, whether or not it gets any further. */
async function noteUnusual({ userId, person, proofs }: Attempt, caller: Caller): Promise<void> {
  if (!person?.unusual?.length) return
  const data = { reasons: person.unusual, method: proofs[0]?.method }
  const event = { type: 'signin.unusual', outcome: 'info', userId, caller, data } as const
  await record(null, event).catch((error: Error) =>
    log().error({ err: error, userId }, 'unusual sign-in not recorded'),
  )
}

/**
 * Turns an attempt whose every proof is given into a session. Of two at once, one does; the other is
 * told `flow_expired` and finds, at its next look, that the browser is signed in. An attempt that
 * lacks a proof is refused the same way: there is no way to come here early.
 */
export async function complete(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  if (stepOf(found.value) !== 'done') return refuse('flow_expired')
  return advance(flow, found.value, caller)
}

/** A step that an attempt without a person can be at. */
const waiting = (step: Step): Exclude<Step, 'done'> => (step === 'done' ? 'identify' : step)

/** An attempt of which nothing is missing, about somebody who was looked at after the last proof. */
type Whole = Attempt & {
  userId: string
  proofs: [Attempt['proofs'][number], ...Attempt['proofs']]
  person: NonNullable<Attempt['person']>
}

const isWhole = (attempt: Attempt): attempt is Whole =>
  stepOf(attempt) === 'done' &&
  attempt.userId !== null &&
  attempt.proofs.length > 0 &&
  attempt.person !== null

/** What is left of an attempt of which nothing is missing, so that it is taken; null of any other. */
const leftOf = (attempt: Attempt): Finished | null => {
  if (!isWhole(attempt) || attempt.linking !== null) return null
  const { browserHash, request, returnTo } = attempt
  return { finished: true, browserHash, request, returnTo }
}

async function take(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const settled = await store.settle(flow, () => {}, leftOf)
  if (!settled) return refuse('flow_expired')
  // Another post of it began anew after this one had looked: what that proved is looked at first.
  return settled.taken ? mintOrPutBack(flow, settled.attempt, caller) : advance(flow, settled.attempt, caller)
}

async function mintOrPutBack(
  flow: string,
  attempt: Attempt,
  caller: Caller,
  tries?: factors.TriesOf,
): Promise<Result<Outcome>> {
  if (!isWhole(attempt)) throw new Error('an attempt was taken that lacks something')
  try {
    return await mint(flow, attempt, caller, tries)
  } catch (error) {
    // Nothing was minted: the person keeps what they proved and tries again.
    await store.putBack(flow, attempt)
    throw error
  }
}

/**
 * Tells the person of a sign-in from a browser they never used (the first of an account is no news), or one that is
 * unusual in another way, with the reasons.
 */
async function tellSignIn(
  userId: string,
  { newDevice, unusual = [] }: { newDevice: boolean; unusual: readonly UnusualReason[] | undefined },
  caller: Caller,
): Promise<void> {
  const another = newDevice && (await sessions.devices(userId, 2)).length >= 2
  if (!another && unusual.length === 0) return
  try {
    const what = another ? 'new_device' : 'unusual_sign_in'
    await inTx((tx) => tellSecurity(tx, userId, { what, reasons: unusual }, caller))
  } catch (error) {
    // The session is open; a mail that could not be owed must not make the sign-in look failed.
    log().error({ err: error, userId }, 'sign-in not told')
  }
}

/** A second factor was given beside a password that was chosen by mail: from now on it is the person's own. */
async function vouch(userId: string, at: number): Promise<void> {
  await factors.password
    .vouched(userId, at)
    .catch((error: Error) => log().warn({ err: error.message, userId }, 'password not vouched for'))
}

/** What the provider said is kept once the person is in: when it was used, their address and name there, its tokens. */
async function touch({ linked }: Attempt): Promise<void> {
  if (!linked) return
  const { account, identity } = linked
  await inTx((tx) => federation.accounts.touch(tx, account, identity)).catch((error: Error) =>
    log().warn({ err: error.message, userId: account.userId }, 'use of a linked account not noted'),
  )
}

async function mint(
  flow: string,
  attempt: Whole,
  caller: Caller,
  tries?: factors.TriesOf,
): Promise<Result<Outcome>> {
  const { proofs, person, request, returnTo } = attempt
  const [first] = proofs
  const previous = await sessions.check(caller.cookies)
  // Proving again who one is renews a session. One that was revoked meanwhile stays revoked, and its attempt with it.
  if (attempt.reauthUserId !== null && previous?.sid !== attempt.session) {
    await store.putBack(flow, attempt)
    return beginAnew(flow, refuse('account_changed').refusal)
  }
  const bothProven = twoProven(proofs, policy())
  const provider = first.method === 'oauth' ? (attempt.linked?.identity.provider ?? null) : null
  const opened = await sessions.open({
    userId: attempt.userId,
    method: first.method,
    proofs,
    caller,
    previous,
    secondSkipped: (twoStepOn(person, policy()) && !bothProven) || undated(proofs),
    trust: attempt.trust && bothProven,
    versions: attempt.versions,
    provider,
    budgets: tries && factors.tries.keysOf(tries),
  })
  if (!opened.ok) {
    await store.putBack(flow, attempt)
    return beginAnew(flow, opened.refusal)
  }
  const { facts, setCookies, newDevice } = opened.value
  if (person.passwordByMail && first.method === 'password' && bothProven) await vouch(facts.userId, first.at)
  await touch(attempt)
  await tellSignIn(facts.userId, { newDevice, unusual: person.unusual }, caller)
  if (attempt.postponed === 'now') setCookies.push(sessions.laterCookie())
  if (provider) setCookies.push(sessions.providerCookie(provider))
  return ok({ step: 'done', request, returnTo, setCookies, facts })
}

/** Nothing of it was proven at a time that anybody knows: good for a sign-in, never for a sensitive change (STP1). */
const undated = (proofs: readonly sessions.Proof[]): boolean =>
  proofs.every((proof) => proof.undated || proof.method === 'address')
