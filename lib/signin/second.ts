/**
 * The second step: a factor of another kind than the first proof. What may be used is what `secondAsked` offers,
 * whatever a form says. Every try is spent before anything is compared, in the attempt and for the account.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { budget } from '../base/limits'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { tellSecurity } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, SecondSent } from './attempt'
import { advance } from './complete'
import { factsOf, policy, running, spendRequest, stepOf } from './gate'
import { standingOf } from './look'
import { beginAnew, type Outcome, turnDown } from './outcome'
import { note } from './password'
import { type Offer, type SecondAsked, secondAsked } from './steps'
import * as store from './store'

/** Wrong tries in one attempt; then it begins anew. */
const TRIES = 5

/** A second proof that is typed. */
export type TypedMethod = Exclude<Offer, 'passkey' | 'security_key'>

/** The attempt at its second step, and what that asks for. */
export async function atSecond(
  flow: string,
  caller: Caller,
): Promise<Result<{ attempt: Attempt; userId: string; asked: SecondAsked }>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const attempt = found.value
  const asked = secondAsked(factsOf(attempt), policy())
  if (stepOf(attempt) !== 'second' || !asked || !attempt.userId) return refuse('flow_expired')
  return ok({ attempt, userId: attempt.userId, asked })
}

/**
 * Takes a typed second proof. Five wrong ones send the attempt back to its beginning; each also counts for the
 * account, so that attempts begun anew or side by side buy no more of them (TOTP5).
 * @param input.trust this browser shall skip the second step from now on
 * @returns an outcome at `second` with the refusal, at `identify` after too many, or what comes next; refusal
 *   `flow_expired` when the attempt is not at this step
 * @throws StoresDown
 */
export async function second(
  flow: string,
  input: { method: TypedMethod; code: string; trust?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await atSecond(flow, caller)
  if (!found.ok) return found
  const { attempt, userId, asked } = found.value
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'second', limited.refusal)
  const { method } = input
  if (!asked.offers.includes(method)) return turnDown(flow, 'second', refuse('method_off').refusal)

  const whose = { userId, device: await sessions.knownDevice(userId, caller.cookies) }
  const allowed = await spend(method, whose)
  if (!allowed.ok) {
    note('signin.limited', userId, caller, method)
    return turnDown(flow, 'second', allowed.refusal)
  }
  const here = await budget(`second-attempt:${flow}:${attempt.proofs[0]?.at}`, {
    max: TRIES,
    windowSeconds: env().loginAttemptSeconds,
  })
  if (!here.ok) return exhausted(flow, userId, caller)

  const proven = await check(attempt, userId, input, flow, caller)
  if (!proven.ok) {
    // The two others write their own.
    if (method !== 'totp' && method !== 'backup_code') note('signin.failed', userId, caller, method)
    if (here.value.left === 0) return exhausted(flow, userId, caller)
    return turnDown(flow, 'second', { ...proven.refusal, field: proven.refusal.field ?? 'code' })
  }
  await giveBack(method, whose)
  return addProof(flow, attempt, { method, amr: AMR[method], ...proven.value }, caller, input.trust)
}

const AMR: Record<TypedMethod, string[]> = {
  totp: ['otp'],
  backup_code: ['otp'],
  email_code: ['email'],
  sms_code: ['sms'],
  password: ['pwd'],
}

/** Adds a second proof to the very attempt it was asked in, and goes on. */
export async function addProof(
  flow: string,
  before: Attempt,
  proof: { method: string; amr: string[]; credential?: string },
  caller: Caller,
  trust = false,
): Promise<Result<Outcome>> {
  const attempt = await store.update(flow, (a) => {
    // Another tab began anew, perhaps as somebody else: a proof counts only beside the one it was asked after.
    if (a.userId !== before.userId || a.proofs[0]?.at !== before.proofs[0]?.at) return
    a.proofs.push({ ...proof, at: nowMs() })
    a.trust ||= trust
    a.secondSent = null
    a.notice = null
  })
  return attempt ? advance(flow, attempt, caller) : refuse('flow_expired')
}

/** Whoever came this far gave a right first proof, so the owner is told (ASVS 6.3.5); once a day, however often. */
async function exhausted(flow: string, userId: string, caller: Caller): Promise<Result<Outcome>> {
  const day = new Date(nowMs()).toISOString().slice(0, 10)
  try {
    await inTx((tx) => tellSecurity(tx, userId, { what: 'second_failed', dedupeKey: day }, caller))
  } catch (error) {
    log().error({ err: error, userId }, 'failed second steps not told')
  }
  return beginAnew(flow, refuse('second_exhausted').refusal)
}

type Whose = { userId: string; device: string | null }

/** The password's tries are those of every other door at which it is asked for (RL5). */
const spend = async (method: TypedMethod, whose: Whose): Promise<Result<unknown>> =>
  method === 'password' ? factors.tries.spend(await passwordTries(whose)) : factors.tries.spendSecond(whose)

const giveBack = async (method: TypedMethod, whose: Whose): Promise<void> =>
  method === 'password'
    ? factors.tries.giveBack(await passwordTries(whose))
    : factors.tries.giveBackSecond(whose)

async function passwordTries({ userId, device }: Whose) {
  if (device) return { userId, device }
  return { email: (await users.get(userId))?.email ?? userId, userId }
}

async function check(
  attempt: Attempt,
  userId: string,
  { method, code }: { method: TypedMethod; code: string },
  flow: string,
  caller: Caller,
): Promise<Result<{ credential?: string }>> {
  if (method === 'totp') {
    const verified = await factors.totp.verify(userId, code, caller)
    return verified.ok ? ok({ credential: verified.value.id }) : verified
  }
  if (method === 'backup_code') {
    const used = await factors.backupCodes.verify(userId, code, caller, (tx, left) =>
      tellSecurity(tx, userId, { what: 'backup_code_used', left }, caller),
    )
    return used.ok ? ok({}) : used
  }
  if (method === 'password') {
    const compared = await factors.password.verify(userId, code)
    if (!compared.ok) return compared
    return compared.value.match ? ok({}) : refuse('password_wrong', { field: 'code' })
  }
  const sent = attempt.secondSent
  if (sent?.method !== method || sent.to !== (await reachOf(userId, method)))
    return refuse('code_expired', { field: 'code' })
  const digits = code.replace(/[\s-]/g, '')
  const guess = { purpose: PURPOSE[method], key: userId, to: sent.to, binding: flow, code: digits }
  const checked = await factors.otp.verify({ ...guess, caller, userId })
  return checked.ok ? ok({}) : checked
}

/**
 * Where a code for the second step goes as of now: the address or number may have left the account since the
 * attempt last looked at its person (OTP2).
 */
async function reachOf(userId: string, method: SecondSent['method']): Promise<string | null> {
  const reach = (await standingOf(userId))?.person.reach
  return (method === 'email_code' ? reach?.email : reach?.phone) ?? null
}

const PURPOSE = { email_code: 'email_second', sms_code: 'phone_second' } as const

/**
 * Sends a code for the second step to the person's own proven address or number; the newest one counts.
 * @returns an outcome at `second`, with a refusal when none may be sent now (or `method_off`)
 */
export async function sendSecond(
  flow: string,
  input: { method: 'email_code' | 'sms_code' },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await atSecond(flow, caller)
  if (!found.ok) return found
  const { userId, asked } = found.value
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'second', limited.refusal)
  const { method } = input
  const to = await reachOf(userId, method)
  if (!asked.offers.includes(method) || !to) return turnDown(flow, 'second', refuse('method_off').refusal)
  const user = await users.get(userId)
  const sent = await factors.otp.begin({
    purpose: PURPOSE[method],
    key: userId,
    to,
    locale: user?.locale ?? caller.locale,
    binding: flow,
    caller,
    userId,
    link: () => env().url,
  })
  if (!sent.ok) return turnDown(flow, 'second', sent.refusal)
  const at = nowMs()
  const next: SecondSent = {
    method,
    to,
    resendAt: at + sent.value.resendInSeconds * 1000,
    expiresAt: at + sent.value.expiresInSeconds * 1000,
  }
  const updated = await store.update(flow, (a) => {
    if (a.userId !== userId) return
    a.secondSent = next
    a.notice = null
  })
  return updated ? ok({ step: 'second' }) : refuse('flow_expired')
}
