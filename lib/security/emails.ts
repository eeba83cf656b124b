/**
 * A person's addresses, as they change them: add, prove by code, make primary, remove. Who proved
 * themselves a while ago only proves again before anything here but typing a code (STP1): the page asks,
 * and these verbs ask too.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import { makeChange, spendRequest, type Who, whileHere } from './gate'
import { tellSecurity } from './news'
import { UNDO_HOURS, undoLink } from './undo'

/** What a code is bound to: the person, the address, and the browser's session that asked (OTP2). */
const bound = (who: Pick<Who, 'userId' | 'sid'>, address: string) =>
  ({ purpose: 'email_addition', key: who.userId, to: address, binding: who.sid }) as const

/** One of the person's own addresses; anybody else's is not there (AZ3). */
async function own(who: Who, id: string): Promise<Result<users.EmailView>> {
  const found = await users.emails.get(id)
  return found && found.userId === who.userId ? ok(found) : refuse('not_found')
}

export interface Added {
  id: string
  /** The address is noted, but no code could be sent yet: when to come back. */
  refusal: Refusal | null
}

/**
 * Notes an address and sends a code to it. An address that is somebody else's walks the same way: same
 * answer, same time; its owner is told, and no code ever matches (ENU1).
 * @returns refusals `proof_required`, `session_required`, `invalid_email`, `already_exists`, `too_many`, `rate_limited`
 */
export async function add(who: Who, email: string, caller: Caller): Promise<Result<Added>> {
  const claimed = await makeChange(who, caller, (tx) => users.emails.claim(tx, who.userId, email, caller))
  if (!claimed.ok) return claimed
  const sent = await send(who, claimed.value, caller)
  return ok({ id: claimed.value.id, refusal: sent.ok ? null : sent.refusal })
}

/** Sends another code; the newest one counts, for one address at a time. */
export async function resend(who: Who, id: string, caller: Caller): Promise<Result> {
  const found = await own(who, id)
  if (!found.ok) return found
  if (found.value.verifiedAt) return refuse('already_exists')
  const allowed = await spendRequest(caller)
  return allowed.ok ? send(who, found.value, caller) : allowed
}

async function send(who: Who, { id, address }: users.EmailView, caller: Caller): Promise<Result> {
  const [owner, user] = await Promise.all([users.find({ email: address }), users.get(who.userId)])
  const sent = await factors.otp.begin({
    ...bound(who, address),
    userId: who.userId,
    locale: user?.locale ?? caller.locale,
    caller,
    decoy: owner?.emailVerified === true && owner.id !== who.userId,
    link: (code) => `${env().url}/verify/address?id=${id}&code=${code}`,
  })
  return sent.ok ? ok() : sent
}

/** The code on its way to an address, asked for in this browser; null when there is none. */
export async function pending(who: Who, address: string): Promise<factors.otp.Pending | null> {
  return await factors.otp.pending(bound(who, address))
}

/**
 * Takes the code for an address: from now on it is the person's, and nobody else's claim to it lives on
 * (LNK3). All proven addresses are told.
 * @returns the address; refusals of `otp.verify`, `not_found`, `session_required`, `email_taken` when somebody
 *   else proved it in the meantime
 */
export async function verify(
  who: Who,
  id: string,
  code: string,
  caller: Caller,
): Promise<Result<{ address: string }>> {
  const found = await own(who, id)
  if (!found.ok) return found
  const { address, verifiedAt } = found.value
  if (verifiedAt) return ok({ address })
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  const checked = await factors.otp.verify({
    ...bound(who, address),
    userId: who.userId,
    caller,
    code: code.replace(/[\s-]/g, ''),
  })
  if (!checked.ok) return checked
  return whileHere(who, async (tx) => {
    const verified = await users.emails.verify(tx, who.userId, address, caller)
    if (!verified.ok) return verified
    await tellSecurity(tx, who.userId, { what: 'email_added', address }, caller)
    return ok({ address })
  })
}

/**
 * Makes a proven address the primary one. The old one is told and can take it back for 72 hours; links
 * that were sent to choose a new password are dead (REC3).
 * @returns the new primary; refusals `proof_required`, `rate_limited`, `session_required`, `not_found`, `email_unverified`
 */
export async function makePrimary(
  who: Who,
  id: string,
  caller: Caller,
): Promise<Result<{ address: string }>> {
  return makeChange(who, caller, async (tx) => {
    const moved = await users.emails.makePrimary(tx, who.userId, id, caller)
    if (!moved.ok) return moved
    const { old, primary } = moved.value
    const { address } = primary
    if (!old) return ok({ address })
    await factors.links.voidAll(tx, who.userId, 'password_reset')
    const url = await undoLink(tx, who.userId, {
      from: old.address,
      to: address,
      at: nowMs(),
      provenAt: old.verifiedAt?.getTime() ?? null,
    })
    await tellSecurity(
      tx,
      who.userId,
      {
        what: 'email_primary_changed',
        address,
        // Told even where it was never proven; but only a proven address may take the account back.
        alsoTo: old.address,
        undo: old.verifiedAt ? { to: old.address, url, hours: UNDO_HOURS } : null,
      },
      caller,
    )
    return ok({ address })
  })
}

/**
 * Removes an address. The last proven way back in and the primary stay. Sign-ins under way begin anew, trusted
 * browsers are asked again, and all proven addresses are told, the removed one too.
 * @returns the address; refusals `proof_required`, `rate_limited`, `session_required`, `not_found`, `last_way_back`, `primary_stays`
 */
export async function remove(who: Who, id: string, caller: Caller): Promise<Result<{ address: string }>> {
  return makeChange(who, caller, async (tx) => {
    const removed = await users.emails.remove(tx, who.userId, id, caller)
    if (!removed.ok) return removed
    const { address, verifiedAt } = removed.value
    if (verifiedAt) {
      // Whoever reads it still may be half-way through a sign-in by it.
      await sessions.forgetTrust(tx, who.userId)
      await factors.links.voidAll(tx, who.userId, 'password_reset')
      await tellSecurity(tx, who.userId, { what: 'email_removed', address, alsoTo: address }, caller)
    }
    return ok({ address })
  })
}

/**
 * Where the link of a mail was opened: in the browser that asked for it (then `address` is said), in
 * another one, or after its code was used, replaced or over. Changes nothing.
 */
export async function whereOpened(
  id: string,
  who: Who | null,
): Promise<{ at: 'here'; address: string } | { at: 'elsewhere' } | { at: 'over' }> {
  const found = await users.emails.get(id)
  if (!found || found.verifiedAt) return { at: 'over' }
  const { address, userId } = found
  if (who?.userId === userId && (await pending(who, address))) return { at: 'here', address }
  return { at: (await factors.otp.underWay(userId)) ? 'elsewhere' : 'over' }
}
