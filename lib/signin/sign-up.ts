/**
 * Sign-up, and the code that proves an address. Nothing is written to Postgres before the address is
 * proven: an account that somebody else prepared for your address does not exist (LNK3).
 */
import type { Caller } from '../base/caller'
import { cleanText } from '../base/caller'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { startOver, type Typed } from './attempt'
import { sendCode } from './codes'
import { advance } from './complete'
import { running, spendRequest, stepOf } from './gate'
import { makePerson, withAccount } from './newcomer'
import { beginAnew, type Outcome, refusedAccount, turnDown } from './outcome'
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

/**
 * What a new person adds before the account is made: a name, and an address where the provider they came by vouches for
 * none. That one is proven by a code first.
 * @returns an outcome at `details` with the refusal, at `verify_email`, or what comes next; refusal `flow_expired`
 */
export async function details(
  flow: string,
  input: { email?: string; firstName?: string; lastName?: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const { newcomer, stranger } = found.value
  if (stepOf(found.value) !== 'details') return refuse('flow_expired')
  const typed: Typed = {
    email: newcomer?.email ?? input.email?.slice(0, 254) ?? '',
    firstName: cleanText(input.firstName ?? '', MAX_NAME),
    lastName: cleanText(input.lastName ?? '', MAX_NAME),
  }
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'details', limited.refusal, typed)
  const names = { firstName: typed.firstName || null, lastName: typed.lastName || null }
  const person = { ...names, locale: stranger?.locale ?? caller.locale }
  if (!newcomer) return stranger ? proveFirst(flow, typed, person, caller) : refuse('flow_expired')
  const made = await makePerson(
    found.value,
    { id: newcomer.userId, email: newcomer.email, ...person },
    { stranger },
    caller,
  )
  // Somebody proved the address, or linked the account, a moment earlier: what was decided here no longer holds.
  if (!made.ok) {
    const owner = await users.find({ email: newcomer.email })
    // The same form, posted twice: the other post made this very person, and goes on with the attempt.
    if (owner?.id === (found.value.guest ?? newcomer.userId)) return refuse('flow_expired')
    return refusedAccount(flow, made.refusal, beginAnew)
  }
  const { userId, accountId } = made.value
  const attempt = await store.update(flow, (a) => {
    if (a.newcomer?.userId !== newcomer.userId) return
    a.userId = userId
    a.status = 'active'
    a.proofs = withAccount(a.proofs, accountId)
    a.linked = stranger && accountId ? { account: { id: accountId, userId }, identity: stranger } : null
    a.newcomer = null
    a.stranger = null
    a.notice = null
  })
  return attempt ? advance(flow, attempt, caller) : refuse('flow_expired')
}

/** An address that no provider vouches for is proven as at every sign-up, and is nobody's until then (LNK2, LNK3). */
async function proveFirst(
  flow: string,
  typed: Typed,
  person: { firstName: string | null; lastName: string | null; locale: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const email = users.normalizeEmail(typed.email ?? '')
  if (!email.ok) return turnDown(flow, 'details', { ...email.refusal, field: 'email' }, typed)
  const owner = await users.find({ email: email.value })
  const attempt = await store.update(flow, (a) => {
    a.typed = typed
    a.signUp = { userId: uuid(), email: email.value, ...person, passwordHash: null }
    a.notice = null
  })
  if (!attempt?.signUp) return refuse('flow_expired')
  const { userId: key } = attempt.signUp
  const decoy = owner?.emailVerified === true
  return sendCode(flow, { purpose: 'email_verification', key, to: email.value, decoy }, caller)
}
