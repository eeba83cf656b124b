/**
 * Codes sent by mail or text message: the one that proves an address, those that sign their reader in. Each is good
 * only in the attempt that asked for it.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import { type Attempt, startOver, type Typed, type Verification } from './attempt'
import { advance } from './complete'
import { policy, running, spendRequest } from './gate'
import { makePerson, withAccount } from './newcomer'
import { type Outcome, refusedAccount, turnDown } from './outcome'
import { onlyPasskeys } from './steps'
import * as store from './store'

/**
 * Sends a sign-in code to an address: a first proof that needs no password. An address that is nobody's
 * walks the same way and, where sign-up is open, becomes an account once the code came back; else its
 * reader is told that there is no account.
 */
export async function emailCode(
  flow: string,
  input: { email: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const typed: Typed = { email: input.email.slice(0, 254) }
  if (!mailAllowed()) return turnDown(flow, 'identify', refuse('method_off').refusal, typed)
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'identify', limited.refusal, typed)
  const email = users.normalizeEmail(input.email)
  if (!email.ok) return turnDown(flow, 'identify', { ...email.refusal, field: 'email' }, typed)
  const user = await users.find({ email: email.value })
  const device = await sessions.knownDevice(user?.id ?? null, caller.cookies)
  const key = user?.id ?? uuid()
  const attempt = await store.update(flow, (a) => {
    startOver(a)
    a.newcomer = user ? null : { userId: key, email: email.value }
    a.typed = typed
  })
  if (!attempt) return refuse('flow_expired')
  const decoy = user === null && !env().signUp
  return sendCode(flow, { purpose: 'email_sign_in', key, to: email.value, decoy, device }, caller)
}

/** Where passkeys are the only way in, a code by mail is how whoever has none yet gets there. */
const mailAllowed = (): boolean => env().signInMethods.includes('email_code') || onlyPasskeys(policy())

/**
 * Sends a sign-in code by text message to a number that somebody proved. A number that is nobody's walks
 * the same way and gets nothing: accounts are not made by phone.
 * @returns refusals `invalid_phone`, `phone_country` at `identify`
 */
export async function phoneCode(
  flow: string,
  input: { phone: string; country?: string },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  if (!env().signInMethods.includes('sms_code'))
    return turnDown(flow, 'identify', refuse('method_off').refusal)
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'identify', limited.refusal)
  const number = users.normalizePhone(input.phone, input.country)
  if (!number.ok) return turnDown(flow, 'identify', { ...number.refusal, field: 'phone' })
  const owner = await users.phones.ownerOf(number.value)
  const device = await sessions.knownDevice(owner, caller.cookies)
  const attempt = await store.update(flow, startOver)
  if (!attempt) return refuse('flow_expired')
  const to = {
    purpose: 'phone_sign_in',
    key: owner ?? uuid(),
    to: number.value,
    decoy: owner === null,
    device,
  } as const
  return sendCode(flow, to, caller)
}

/** Sends a code (or its decoy) and leads to the page that asks for it. */
export async function sendCode(
  flow: string,
  to: Pick<Verification, 'purpose' | 'key' | 'to' | 'decoy' | 'device'>,
  caller: Caller,
): Promise<Result<Outcome>> {
  const sent = await factors.otp.begin({
    ...to,
    locale: caller.locale,
    binding: flow,
    caller,
    link: (code) => `${env().url}/verify/link?flow=${flow}&code=${code}`,
  })
  const at = nowMs()
  const attempt = await store.update(flow, (a) => {
    const before = a.verification?.key === to.key ? a.verification : null
    if (sent.ok) {
      a.notice = null
      a.verification = {
        ...to,
        resent: before !== null,
        resendAt: at + sent.value.resendInSeconds * 1000,
        expiresAt: at + sent.value.expiresInSeconds * 1000,
      }
    } else {
      const retryAt = at + (sent.refusal.retryAfterSeconds ?? 60) * 1000
      a.notice = { code: sent.refusal.code, retryAt }
      a.verification = { ...to, resent: false, resendAt: retryAt, expiresAt: before?.expiresAt ?? retryAt }
    }
  })
  if (!attempt) return refuse('flow_expired')
  return ok(sent.ok ? { step: 'verify_email' } : { step: 'verify_email', refusal: sent.refusal })
}

/** Sends another code; the newest one counts. */
export async function resend(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const { verification } = found.value
  if (!verification) return refuse('flow_expired')
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'verify_email', limited.refusal)
  const { purpose, key, to, decoy, device } = verification
  return sendCode(flow, { purpose, key, to, decoy, device }, caller)
}

/**
 * Takes the code. It proves the address of a new or waiting account, or who the person is; the attempt
 * completes when nothing else is missing.
 */
export async function verify(
  flow: string,
  input: { code: string; canPasskey?: boolean },
  caller: Caller,
): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  const { verification } = found.value
  if (!verification) return refuse('flow_expired')
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'verify_email', limited.refusal)

  const code = input.code.replace(/[\s-]/g, '')
  if (!/^\d{6}$/.test(code)) {
    return turnDown(flow, 'verify_email', { ...refuse('code_wrong').refusal, field: 'code' })
  }
  const { purpose, key, to, device } = verification
  const checked = await factors.otp.verify({ purpose, key, to, device, binding: flow, code, caller })
  if (!checked.ok) return turnDown(flow, 'verify_email', { ...checked.refusal, field: 'code' })

  // Whoever reads the mailbox is no guesser: strangers' wrong passwords no longer stand in the owner's way.
  if (purpose === 'email_sign_in')
    await factors.tries.giveBack({ email: to, userId: found.value.newcomer ? null : key })
  const settled = await settle(found.value, verification, caller)
  if (!settled.ok) return refusedAccount(flow, settled.refusal)
  const attempt = await store.update(flow, (a) => {
    // Another tab began anew meanwhile: what came back here proves nothing of what is asked there.
    if (a.verification?.key !== key || a.verification.purpose !== purpose) return
    const at = nowMs()
    const pending = a.signUp
    const { accountId } = settled.value
    // The provider's word stays the first proof; the code proved the address that it did not vouch for.
    if (pending && a.stranger) {
      a.proofs = withAccount(a.proofs, accountId)
      a.linked = accountId
        ? { account: { id: accountId, userId: settled.value.userId ?? '' }, identity: a.stranger }
        : null
      a.stranger = null
      a.proofs.push({ method: 'address', amr: [], at })
    } else if (pending?.passwordHash) a.proofs.push({ method: 'password', amr: ['pwd'], at })
    // Whoever signs up without a password has proven what a code by mail proves, and goes on to the passkey.
    else if (pending) a.proofs = [{ method: 'email_code', amr: ['email'], at }]
    a.passkeyWanted = pending !== null && pending.passwordHash === null && !a.linked
    a.canPasskey = input.canPasskey ?? a.canPasskey
    if (purpose === 'email_sign_in') a.proofs = [{ method: 'email_code', amr: ['email'], at }]
    else if (purpose === 'phone_sign_in') a.proofs = [{ method: 'sms_code', amr: ['sms'], at }]
    else if (!a.proofs.some(({ method }) => method === 'address'))
      a.proofs.push({ method: 'address', amr: [], at })
    a.userId = settled.value.userId
    a.status = settled.value.userId ? 'active' : null
    a.versions = settled.value.versions ?? a.versions
    a.signUp = null
    a.verification = null
    a.notice = null
  })
  if (!attempt) return refuse('flow_expired')
  return advance(flow, attempt, caller)
}

const ownerOf = async (email: string): Promise<string | null> => (await users.find({ email }))?.id ?? null

/**
 * What a right code settles in Postgres: makes the new account, or makes the waiting one active.
 * @returns the user, or null while somebody new has yet to say their name; of one who signs in by the code, the
 *   versions from before it was looked whose the address is: they move when somebody is shut out; of one who came by a
 *   provider, their linked account
 */
async function settle(
  attempt: Attempt,
  { purpose, to, key }: Verification,
  caller: Caller,
): Promise<Result<{ userId: string | null; versions?: sessions.Versions; accountId?: string | null }>> {
  const { signUp: pending, newcomer, stranger } = attempt
  if (purpose === 'email_sign_in' && newcomer) return ok({ userId: null })
  if (purpose !== 'email_verification') {
    const user = await users.get(key)
    // The address or number may have left the account, or gone to somebody else, since the code was sent (OTP2).
    const owner = purpose === 'phone_sign_in' ? await users.phones.ownerOf(to) : await ownerOf(to)
    if (owner !== key) return refuse('code_expired')
    if (user?.status === 'active') {
      const versions = { session: user.sessionVersion, factor: user.factorVersion }
      return ok({ userId: user.id, versions })
    }
    if (user?.status !== 'pending' || purpose === 'phone_sign_in') return refuse('account_disabled')
  }
  if (!pending) {
    const verified = await inTx((tx) => users.emails.verify(tx, key, to, caller))
    return verified.ok ? ok({ userId: key }) : verified
  }
  const { passwordHash, userId: id, ...person } = pending
  return makePerson(attempt, { id, ...person }, { passwordHash, stranger }, caller)
}
