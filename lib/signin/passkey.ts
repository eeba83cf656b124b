/**
 * Passkeys and security keys in a login: as the first proof, the second, or something new. Which of them an
 * attempt asks for is its step's to say; a challenge made for one is of no use for another (PK1).
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { tellSecurity } from '../security'
import * as users from '../users'
import { type Attempt, startOver } from './attempt'
import { sendCode } from './codes'
import { advance } from './complete'
import { atEnroll, parsed } from './enroll'
import { running, spendRequest, stepOf } from './gate'
import { type Outcome, turnDown } from './outcome'
import { addProof, atSecond } from './second'
import * as store from './store'

/** What the browser is asked to do, as WebAuthn Level 3 has it in JSON. */
export type Ceremony =
  | { ceremony: 'get'; options: Awaited<ReturnType<typeof factors.passkeys.authenticationOptions>> }
  | { ceremony: 'create'; options: Awaited<ReturnType<typeof factors.passkeys.registrationOptions>> }

/**
 * Options for the ceremony that the attempt's step asks for. At the first step they name no credential and nobody:
 * they are the same for all (ENU4), but for whoever proves again who they are.
 * @param asked.kind at `enroll`: what is to be made
 * @param asked.conditional at `enroll`: the browser makes it by itself, after a password it just filled in
 * @returns refusals `flow_expired`, `method_off`, `rate_limited`
 */
export async function passkeyOptions(
  flow: string,
  caller: Caller,
  asked: { kind?: factors.PasskeyKind; conditional?: boolean } = {},
): Promise<Result<Ceremony>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const attempt = found.value
  const step = stepOf(attempt)
  if (step === 'second') return secondOptions(flow, caller)
  if (step === 'enroll') return newOptions(flow, asked.kind ?? 'passkey', asked.conditional ?? false, caller)
  if (step === 'done' || step === 'backup_codes') return refuse('flow_expired')
  if (!env().signInMethods.includes('passkey')) return refuse('method_off')
  const first = await firstUse(attempt)
  return ok({ ceremony: 'get', options: await factors.passkeys.authenticationOptions({ flow, ...first }) })
}

/** Who proves again who they are, and has passkeys, uses one of these. */
async function firstUse({
  reauthUserId: userId,
}: Attempt): Promise<{ use: 'first' } | { use: 'fresh'; userId: string; kinds: ['passkey'] }> {
  const own = userId !== null && (await factors.enrolled(userId)).passkeys > 0
  return own ? { use: 'fresh', userId, kinds: ['passkey'] } : { use: 'first' }
}

async function secondOptions(flow: string, caller: Caller): Promise<Result<Ceremony>> {
  const found = await atSecond(flow, caller)
  if (!found.ok) return found
  const { userId, asked } = found.value
  const kinds = (['passkey', 'security_key'] as const).filter((kind) => asked.offers.includes(kind))
  if (kinds.length === 0) return refuse('method_off')
  const options = await factors.passkeys.authenticationOptions({
    flow,
    use: 'second',
    userId,
    kinds,
    verified: asked.verifiedOnly,
  })
  return ok({ ceremony: 'get', options })
}

async function newOptions(
  flow: string,
  kind: factors.PasskeyKind,
  conditional: boolean,
  caller: Caller,
): Promise<Result<Ceremony>> {
  const found = await atEnroll(flow, caller)
  if (!found.ok) return found
  const { attempt, userId, asked } = found.value
  if (!asked.methods.includes(kind)) return refuse('method_off')
  const user = await users.get(userId)
  const name = user?.email ?? env().productName
  const options = await factors.passkeys.registrationOptions(userId, {
    name,
    displayName: user?.name ?? name,
    kind,
    binding: flow,
    // What must be set up, or is to raise the level for an app, is set up by somebody who is there.
    conditional: conditional && !asked.required && attempt.level === null,
  })
  return ok({ ceremony: 'create', options })
}

/**
 * Takes the browser's answer, as a first or a second proof. A key that verified its user is both at once.
 * @param input.response as the browser gave it, or as JSON
 * @param input.trust at the second step: this browser shall skip it from now on
 * @returns an outcome at the same step with the refusal (those of `factors.passkeys.authenticate`, `method_off`,
 *   `account_disabled`, `passkey_unverified`), or what comes next; refusal `flow_expired`
 * @throws StoresDown
 */
export async function passkey(
  flow: string,
  input: { response: unknown; trust?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const step = stepOf(found.value)
  if (step === 'done' || step === 'enroll' || step === 'backup_codes') return refuse('flow_expired')
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, step, limited.refusal)
  const response = parsed(input.response)
  return step === 'second'
    ? asSecond(flow, { ...input, response }, caller)
    : asFirst(flow, found.value, response, caller)
}

/** A key whose counter went back may exist twice: its owner is told at once. */
const alarm =
  (caller: Caller) =>
  (tx: Tx, userId: string, { nickname, kind }: factors.passkeys.PasskeyRow): Promise<void> =>
    tellSecurity(tx, userId, { what: 'factor_cloned', name: nickname, kind }, caller)

async function asFirst(
  flow: string,
  before: Attempt,
  response: unknown,
  caller: Caller,
): Promise<Result<Outcome>> {
  if (!env().signInMethods.includes('passkey'))
    return turnDown(flow, 'identify', refuse('method_off').refusal)
  const answer = { flow, ...(await firstUse(before)), response }
  const proven = await factors.passkeys.authenticate(answer, caller, alarm(caller))
  if (!proven.ok) return turnDown(flow, 'identify', proven.refusal)
  const { userId, passkeyId, amr } = proven.value
  const user = await users.get(userId)
  if (user?.status === 'deleted') return turnDown(flow, 'identify', refuse('account_closed').refusal)
  if (user?.status !== 'active' && user?.status !== 'pending')
    return turnDown(flow, 'identify', refuse('account_disabled').refusal)
  const { id, status, sessionVersion, factorVersion } = user
  // It may have been removed since it was judged. Looked at after the versions, which move with every removal.
  if (!(await factors.passkeys.list(id)).some((one) => one.id === passkeyId))
    return turnDown(flow, 'identify', refuse('passkey_unknown').refusal)
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.userId = id
    a.status = status
    a.proofs = [{ method: 'passkey', amr, at: nowMs(), credential: passkeyId }]
    a.versions = { session: sessionVersion, factor: factorVersion }
    a.canPasskey = true
  })
  if (!attempt) return refuse('flow_expired')
  if (stepOf(attempt) === 'verify_email' && user.email) {
    const to = { purpose: 'email_verification', key: id, to: user.email, decoy: false } as const
    return sendCode(flow, to, caller)
  }
  return advance(flow, attempt, caller)
}

async function asSecond(
  flow: string,
  { response, trust }: { response: unknown; trust?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await atSecond(flow, caller)
  if (!found.ok) return found
  const { attempt, userId, asked } = found.value
  const answer = { flow, use: 'second', userId, response } as const
  const proven = await factors.passkeys.authenticate(answer, caller, alarm(caller))
  if (!proven.ok) return turnDown(flow, 'second', proven.refusal)
  const { kind, passkeyId, userVerified, amr } = proven.value
  if (!asked.offers.includes(kind)) return turnDown(flow, 'second', refuse('method_off').refusal)
  // A key that was only touched is what was shown already: touching it, or another one, again proves no more.
  if (asked.verifiedOnly && !userVerified)
    return turnDown(flow, 'second', refuse('passkey_unverified').refusal)
  return addProof(flow, attempt, { method: kind, amr, credential: passkeyId }, caller, trust)
}
