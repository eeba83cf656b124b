/**
 * Setting something up during a sign-in: because the operator or an app asks for it, or because it was offered.
 * Every proof that is needed is given before; who only has a password may add a first second factor, as they
 * could sign in with it alone until now.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx, type Tx } from '../base/db'
import { env, type StrongMethod } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { enrol } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt } from './attempt'
import { advance } from './complete'
import { factsOf, policy, running, spendRequest, stepOf } from './gate'
import { type Outcome, turnDown } from './outcome'
import { type EnrollmentAsked, enrollmentAsked, mayPutOff } from './steps'
import * as store from './store'

/** The attempt at this step, and what is asked for. */
export async function atEnroll(
  flow: string,
  caller: Caller,
): Promise<Result<{ attempt: Attempt; userId: string; asked: EnrollmentAsked }>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const attempt = found.value
  const asked = enrollmentAsked(factsOf(attempt), policy())
  if (stepOf(attempt) !== 'enroll' || !asked || !attempt.userId) return refuse('flow_expired')
  return ok({ attempt, userId: attempt.userId, asked })
}

/**
 * The key of a new authenticator app for this attempt; asked again it is the same.
 * @returns refusals `flow_expired`, `method_off`, `too_many`
 */
export async function enrollTotp(flow: string, caller: Caller): Promise<Result<factors.Enrolment>> {
  const found = await atEnroll(flow, caller)
  if (!found.ok) return found
  const { userId, asked } = found.value
  if (!asked.methods.includes('totp')) return refuse('method_off')
  const user = await users.get(userId)
  return factors.totp.begin(userId, { label: user?.email ?? env().productName, binding: flow })
}

/**
 * Takes the new factor, by its first code or the browser's answer. It was just used, so it also counts as a proof
 * of this attempt. With a first one come backup codes, where the operator allows them.
 * @param input.name what the person calls it
 * @returns an outcome at `enroll` with the refusal, or what comes next; refusal `flow_expired`
 */
export async function enroll(
  flow: string,
  input: { method: StrongMethod; code?: string; response?: unknown; name?: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await atEnroll(flow, caller)
  if (!found.ok) return found
  const { attempt, userId, asked } = found.value
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'enroll', limited.refusal)
  if (!asked.methods.includes(input.method)) return turnDown(flow, 'enroll', refuse('method_off').refusal)

  const added = await inTx(async (tx) => {
    await users.lock(tx, userId)
    const versions = await sessions.versionsIn(tx, userId)
    const { session, factor } = attempt.versions ?? {}
    if (versions?.session !== session || versions?.factor !== factor) return refuse('account_changed')
    const proof = await add(tx, userId, input, flow, caller)
    if (!proof.ok) return proof
    // Who is signed in elsewhere has proven less than the person has from now on.
    await sessions.demandStepUp(tx, userId, null)
    return ok({
      proof: proof.value,
      codes: await firstCodes(tx, attempt, userId, caller),
      versions: await sessions.versionsIn(tx, userId),
    })
  })
  if (!added.ok) return turnDown(flow, 'enroll', added.refusal)
  const { proof, codes, versions } = added.value
  const updated = await store.update(flow, (a) => {
    if (a.userId !== userId || a.proofs[0]?.at !== attempt.proofs[0]?.at) return
    a.proofs.push({ ...proof, at: nowMs() })
    a.versions = versions
    a.backupCodes = codes ?? a.backupCodes
    a.passkeyWanted = false
    // Somebody who just set something up is not asked for more in the same breath.
    a.offer = false
    a.notice = null
  })
  return updated ? advance(flow, updated, caller) : refuse('flow_expired')
}

interface NewProof {
  method: StrongMethod
  amr: string[]
  credential: string
}

async function add(
  tx: Tx,
  userId: string,
  { method, code = '', response, name }: Parameters<typeof enroll>[1],
  binding: string,
  caller: Caller,
): Promise<Result<NewProof>> {
  if (method === 'totp') {
    const made = await enrol.totp(tx, userId, { code, name: name ?? '', binding }, caller)
    return made.ok ? ok({ method, amr: ['otp'], credential: made.value.id }) : made
  }
  const answer = { response: parsed(response), binding, nickname: name }
  const made = await enrol.passkey(tx, userId, answer, caller)
  if (!made.ok) return made
  const { id, synced, kind, userPresent, userVerified } = made.value
  // The options said which kind was asked for; a form that says another one changes nothing.
  return ok({
    method: kind,
    // One that was made silently is there to be used from the next time on; no app is told that it was shown (STP3).
    amr: userPresent ? [synced ? 'swk' : 'hwk', 'user', ...(userVerified ? ['mfa'] : [])] : [],
    credential: id,
  })
}

/** A form carries the browser's answer as text. */
export function parsed(response: unknown): unknown {
  if (typeof response !== 'string' || response.length > 20_000) return response
  try {
    return JSON.parse(response)
  } catch {
    return null
  }
}

/** Backup codes for somebody who has none, where they are allowed. */
async function firstCodes(
  tx: Tx,
  { person }: Attempt,
  userId: string,
  caller: Caller,
): Promise<string[] | null> {
  if (!env().secondFactor.methods.includes('backup_code') || person?.enrolled.backupCodes) return null
  return factors.backupCodes.generate(tx, userId, caller)
}

/**
 * Leaves for later what may be left; this browser is not asked again for thirty days.
 * @returns refusal `flow_expired` where it may not be left
 */
export async function postponeEnroll(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await atEnroll(flow, caller)
  if (!found.ok) return found
  if (!mayPutOff(found.value.asked)) return refuse('flow_expired')
  const updated = await store.update(flow, (a) => {
    a.postponed = 'now'
    a.notice = null
  })
  return updated ? advance(flow, updated, caller) : refuse('flow_expired')
}

/** The person says that the backup codes are written down; they are kept nowhere from now on. */
export async function savedCodes(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  if (stepOf(found.value) !== 'backup_codes') return refuse('flow_expired')
  const updated = await store.update(flow, (a) => {
    a.backupCodes = null
    a.notice = null
  })
  return updated ? advance(flow, updated, caller) : refuse('flow_expired')
}
