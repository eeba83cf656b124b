/**
 * Sign-up, and the code that proves an address. Nothing is written to Postgres before the address is
 * proven: an account that somebody else prepared for your address does not exist (LNK3).
 */
import type { Caller } from '../base/caller'
import { cleanText } from '../base/caller'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { makeAccount } from './account'
import { startOver, type Typed } from './attempt'
import { sendCode } from './codes'
import { advance } from './complete'
import { running, spendRequest, stepOf } from './gate'
import { type Outcome, refusedAccount, turnDown } from './outcome'
import * as store from './store'

const MAX_NAME = 80

export interface SignUpInput {
  email: string
  password?: string
  /** What the account begins with; a password where not said. */
  way?: 'passkey' | 'password'
  firstName?: string
  lastName?: string
}

/**
 * Takes what a new account needs and sends a code to the address. An address that is someone's walks
 * the same way: same page, same time, and its owner gets a mail of another kind. Without a password the account
 * is made once the address is proven, and the passkey is added to it as the next step.
 * @returns an outcome at `identify` with the refusal for a field, or at `verify_email`
 */
export async function signUp(flow: string, input: SignUpInput, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const typed: Typed = {
    email: input.email.slice(0, 254),
    firstName: cleanText(input.firstName ?? '', MAX_NAME),
    lastName: cleanText(input.lastName ?? '', MAX_NAME),
  }
  const back = (refusal: Refusal, field?: string) =>
    turnDown(flow, 'identify', field ? { ...refusal, field } : refusal, typed)

  if (!env().signUp) return back(refuse('sign_up_closed').refusal)
  const way = input.way ?? 'password'
  if (!env().signInMethods.includes(way)) return back(refuse('method_off').refusal)
  const limited = await spendRequest(caller)
  if (!limited.ok) return back(limited.refusal)
  const email = users.normalizeEmail(input.email)
  if (!email.ok) return back(email.refusal, 'email')
  const names = [typed.firstName, typed.lastName].filter((name): name is string => Boolean(name))
  const hash = way === 'password' ? await hashOf(input.password ?? '', email.value, names) : ok(null)
  if (!hash.ok) return back(hash.refusal, hash.refusal.field)

  const owner = await users.find({ email: email.value })
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.typed = typed
    a.signUp = {
      userId: uuid(),
      email: email.value,
      firstName: typed.firstName || null,
      lastName: typed.lastName || null,
      locale: caller.locale,
      passwordHash: hash.value,
    }
  })
  if (!attempt?.signUp) return refuse('flow_expired')
  return sendCode(
    flow,
    {
      purpose: 'email_verification',
      key: attempt.signUp.userId,
      to: email.value,
      // Only a proven address is somebody's: one that was merely claimed keeps nobody from it.
      decoy: owner?.emailVerified === true,
    },
    caller,
  )
}

/** Judges and hashes a new password. */
async function hashOf(plain: string, email: string, names: string[]): Promise<Result<string>> {
  const rules = await factors.password.rules(plain, { email, names })
  if (!rules.ok) return { ok: false, refusal: { ...rules.refusal, field: 'password' } }
  return factors.password.hash(plain)
}

/** What a new person whose address is proven adds before the account is made. */
export async function details(
  flow: string,
  input: { firstName?: string; lastName?: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const { newcomer } = found.value
  if (stepOf(found.value) !== 'details' || !newcomer) return refuse('flow_expired')
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'details', limited.refusal)
  const registered = await inTx((tx) =>
    makeAccount(tx, found.value, {
      id: newcomer.userId,
      email: newcomer.email,
      verified: true,
      firstName: cleanText(input.firstName ?? '', MAX_NAME) || null,
      lastName: cleanText(input.lastName ?? '', MAX_NAME) || null,
      locale: caller.locale,
      caller,
    }),
  )
  if (!registered.ok) return refusedAccount(flow, registered.refusal)
  const attempt = await store.update(flow, (a) => {
    if (a.newcomer?.userId !== newcomer.userId) return
    a.userId = registered.value.id
    a.status = 'active'
    a.newcomer = null
    a.notice = null
  })
  return attempt ? advance(flow, caller) : refuse('flow_expired')
}
