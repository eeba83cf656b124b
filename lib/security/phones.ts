/**
 * A person's numbers, as they change them: add, prove by code, make primary, remove. Who proved
 * themselves a while ago only proves again before anything here but typing a code (STP1): the page asks,
 * and these verbs ask too.
 */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import { fresh, makeChange, mayChange, spendRequest, type Who, whileHere } from './gate'
import { tellSecurity } from './news'

/** What a code is bound to: the person, the number, and the browser's session that asked (OTP2). */
const bound = (who: Pick<Who, 'userId' | 'sid'>, number: string) =>
  ({ purpose: 'phone_verification', key: who.userId, to: number, binding: who.sid }) as const

export interface Added {
  id: string
  /** The number is noted, but no code could be sent yet: when to come back. */
  refusal: Refusal | null
}

/**
 * Notes a number and sends a code to it. A number that is somebody else's walks the same way: same
 * answer, same limits; its owner is told, and no code ever matches (ENU1).
 * @param input.country ISO 3166, for a number typed without a leading +
 * @returns refusals `proof_required`, `invalid_phone`, `phone_country`, `already_exists`, `too_many`,
 *   `sms_off`, `rate_limited`
 */
export async function add(
  who: Who,
  input: { number: string; country?: string },
  caller: Caller,
): Promise<Result<Added>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  const claimed = await users.phones.add(who.userId, input, caller)
  if (!claimed.ok) return claimed
  const sent = await send(who, claimed.value, caller)
  return ok({ id: claimed.value.id, refusal: sent.ok ? null : sent.refusal })
}

/** Sends another code; the newest one counts, for one number at a time. */
export async function resend(who: Who, id: string, caller: Caller): Promise<Result> {
  const found = await users.phones.claim(who.userId, id)
  if (!found) return refuse('not_found')
  if (found.verifiedAt) return refuse('already_exists')
  const allowed = await spendRequest(caller)
  return allowed.ok ? send(who, found, caller) : allowed
}

async function send(who: Who, { number, taken }: users.PhoneClaim, caller: Caller): Promise<Result> {
  const user = await users.get(who.userId)
  const sent = await factors.otp.begin({
    ...bound(who, number),
    userId: who.userId,
    locale: user?.locale ?? caller.locale,
    caller,
    decoy: taken,
    // A text message has no room for a link, and a phone fills the code in by itself.
    link: () => '',
  })
  return sent.ok ? ok() : sent
}

/** The code on its way to a number, asked for in this browser; null when there is none. */
export async function pending(who: Who, number: string): Promise<factors.otp.Pending | null> {
  return await factors.otp.pending(bound(who, number))
}

/**
 * Takes the code for a number: from now on it is the person's, and nobody else's claim to it lives on.
 * All proven addresses are told.
 * @returns the number as people read it; refusals of `otp.verify`, `not_found`, `session_required`,
 *   `already_exists` when somebody else proved it in the meantime
 */
export async function verify(
  who: Who,
  id: string,
  code: string,
  caller: Caller,
): Promise<Result<{ number: string }>> {
  const found = await users.phones.claim(who.userId, id)
  if (!found) return refuse('not_found')
  const { number, readable: name, verifiedAt } = found
  if (verifiedAt) return ok({ number: name })
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  const checked = await factors.otp.verify({
    ...bound(who, number),
    userId: who.userId,
    caller,
    code: code.replace(/[\s-]/g, ''),
  })
  if (!checked.ok) return checked
  return whileHere(who, async (tx) => {
    const verified = await users.phones.verify(tx, who.userId, number, caller)
    if (!verified.ok) return verified
    if (verified.value.fresh) await tellSecurity(tx, who.userId, { what: 'phone_added', name }, caller)
    return ok({ number: name })
  })
}

/**
 * Makes a proven number the primary one: the one that apps learn, when they may.
 * @returns the number as people read it; refusals `proof_required`, `rate_limited`, `session_required`, `not_found`
 */
export async function makePrimary(who: Who, id: string, caller: Caller): Promise<Result<{ number: string }>> {
  return makeChange(who, caller, async (tx) => {
    const moved = await users.phones.makePrimary(tx, who.userId, id, caller)
    if (!moved.ok) return moved
    const name = users.readablePhone(moved.value.number)
    if (moved.value.changed) {
      await tellSecurity(tx, who.userId, { what: 'phone_primary_changed', name }, caller)
    }
    return ok({ number: name })
  })
}

/**
 * Removes a number. The last verified way back in stays until there is another. Sign-ins under way begin anew, and
 * trusted browsers are asked again.
 * @returns the number as people read it; refusals `proof_required`, `rate_limited`, `session_required`, `last_way_back`, `not_found`
 */
export async function remove(who: Who, id: string, caller: Caller): Promise<Result<{ number: string }>> {
  return makeChange(who, caller, async (tx) => {
    const removed = await users.phones.remove(tx, who.userId, id, caller)
    if (!removed.ok) return removed
    const name = users.readablePhone(removed.value.number)
    if (removed.value.wasVerified) {
      // Whoever reads it still may be half-way through a sign-in by it.
      await sessions.forgetTrust(tx, who.userId)
      await tellSecurity(tx, who.userId, { what: 'phone_removed', name }, caller)
    }
    return ok({ number: name })
  })
}

/**
 * For operators: takes a number from whoever proved it, after it changed hands. Its old owner is told at all proven
 * addresses; sign-in codes sent there before are worth nothing. The new holder then adds it as any other number.
 * @param number as typed, with a leading +
 * @returns whose it was; refusals `invalid_phone`, `not_found`
 */
export async function release(number: string): Promise<Result<{ userId: string; number: string }>> {
  // Judged by its form alone: the country may have left SMS_COUNTRIES since.
  const e164 = number.replace(/[\s().-]/g, '')
  if (!/^\+[1-9]\d{5,14}$/.test(e164)) return refuse('invalid_phone')
  const name = users.readablePhone(e164)
  return inTx(async (tx) => {
    const released = await users.phones.release(tx, e164)
    if (!released) return refuse('not_found')
    const { userId } = released
    await sessions.forgetTrust(tx, userId)
    await tellSecurity(tx, userId, { what: 'phone_released', name }, null)
    return ok({ userId, number: name })
  })
}

/**
 * Chooses whether security changes are told by text message too.
 * @returns refusals `proof_required`: whoever only has the browser must not silence it; `session_required`
 */
export async function setTexts(who: Who, on: boolean, caller: Caller): Promise<Result> {
  const proven = fresh(who)
  if (!proven.ok) return proven
  return whileHere(who, async (tx) => {
    await users.phones.setTexts(tx, who.userId, on, caller)
    return ok()
  })
}
