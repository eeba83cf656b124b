/**
 * Closing one's account. It takes two steps, so that neither a thief nor a bad day destroys it: at once nobody is signed in
 * as this person any more, apps have lost their access and what they had proven is free; what is stored goes days later,
 * and until then a link in the mail that told of it keeps the account. So do the links of mails before it that shut an
 * intruder out (`lockdown`, `undo`).
 */
import type { Caller } from '../base/caller'
import { now, nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import * as oidc from '../oidc'
import * as sessions from '../sessions'
import * as users from '../users'
import { allOrNothing, mayChange, spendRequest, type Who } from './gate'
import { tellSecurity } from './news'
import { endPrepared } from './shut-out'

const DAY_MS = 86_400_000

/** How many days a closed account can be kept; 0: not at all. */
export const keptDays = (): number => env().closedDays

export interface Closed {
  /** From then on it is erased. */
  eraseAt: Date
  /** It can be kept until then, by a link that every proven address got. */
  canBeKept: boolean
}

/**
 * Closes the account of whoever asks, in one transaction, and tells every proven address.
 * @param input.address the primary address, typed as a confirmation; anything where there is none
 * @returns refusals `proof_required`, `rate_limited`, `confirmation_wrong` (field `address`), `session_required`,
 *   `account_required` for a guest
 */
export async function close(who: Who, input: { address: string }, caller: Caller): Promise<Result<Closed>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  const user = await users.get(who.userId)
  if (!user) return refuse('session_required')
  if (user.email && !sameMailbox(input.address, user.email))
    return refuse('confirmation_wrong', { field: 'address' })
  return await allOrNothing(async (tx) => {
    await users.lockAccount(tx, who.userId)
    // Whoever was shut out a moment ago, with a request under way, closes nothing.
    return (await sessions.isLiveIn(tx, who))
      ? await closeIn(tx, who.userId, { caller })
      : refuse('session_required')
  })
}

function sameMailbox(typed: string, address: string): boolean {
  const normalized = users.normalizeEmail(typed)
  return normalized.ok && normalized.value.toLowerCase() === address.toLowerCase()
}

/**
 * The same for somebody else, by an operator.
 * @param days for how long it can be kept (default: as everywhere); 0: not at all
 * @returns refusals `not_found` (closed already, too), `account_required`
 */
export const closeFor = (userId: string, by: { actor: string }, days?: number): Promise<Result<Closed>> =>
  allOrNothing(async (tx) => {
    await users.lockAccount(tx, userId)
    return (await users.lock(tx, userId)) ? await closeIn(tx, userId, by, days) : refuse('not_found')
  })

/** Under `users.lockAccount`, and holding the user: what is linked or allowed just now is there to be ended. */
async function closeIn(
  tx: Tx,
  userId: string,
  by: { caller?: Caller; actor?: string },
  days = keptDays(),
): Promise<Result<Closed>> {
  const { caller } = by
  const eraseAt = new Date(nowMs() + days * DAY_MS)
  await factors.links.voidAll(tx, userId, ['password_reset', 'contact_invitation', 'recovery_veto'])
  // While there are still addresses to tell; it is sent after the commit alone.
  await tellSecurity(
    tx,
    userId,
    { what: 'account_closed', keep: days > 0 ? { days, url: await keepLink(tx, userId, days) } : null },
    caller ?? null,
  )
  // Those who would vouch for them stay: whoever keeps the account would miss them when they need them.
  await endPrepared(tx, userId, now(), caller)
  for (const account of await federation.accounts.list(userId))
    await federation.accounts.unlink(tx, userId, account.id, caller)
  const closed = await users.close(tx, userId, eraseAt, by)
  if (!closed.ok) return closed
  await sessions.revokeIn(tx, { userId, all: true }, { reason: 'closed', ...by })
  await oidc.grants.revokeAll(tx, userId, by)
  return ok({ eraseAt, canBeKept: days > 0 })
}

async function keepLink(tx: Tx, userId: string, days: number): Promise<string> {
  const token = await factors.links.issue(tx, { purpose: 'account_keep', userId, lifeSeconds: days * 86_400 })
  return `${env().url}/keep?token=${token}`
}

/** The account a live link keeps; null when it no longer keeps any. Changes nothing. */
export async function peek(token: string): Promise<users.ClosedAccount | null> {
  const link = await factors.links.peek('account_keep', token)
  const account = link && (await users.findClosed(link.userId))
  return account && account.eraseAt > now() ? account : null
}

/**
 * Keeps the account of a link. Nobody is signed in by it; linked accounts elsewhere, consents and tokens stay gone. Of
 * two at once, one does it.
 * @returns refusals `rate_limited`, `link_over`, `email_taken` when all its addresses are somebody else's by now (the
 *   link stays good)
 */
export async function keep(token: string, caller: Caller): Promise<Result> {
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  const seen = await factors.links.peek('account_keep', token)
  if (!seen) return refuse('link_over')
  return await allOrNothing(async (tx) => {
    await users.lockAccount(tx, seen.userId)
    const link = await factors.links.use(tx, 'account_keep', token)
    return link ? await keepIn(tx, link.userId, { caller }) : refuse('link_over')
  })
}

/** The same by an operator. @returns refusals `not_found` when there is no such closed account, `email_taken` */
export const keepFor = (userId: string, by: { actor: string }): Promise<Result> =>
  allOrNothing(async (tx) => {
    await users.lockAccount(tx, userId)
    return await keepIn(tx, userId, by)
  })

async function keepIn(tx: Tx, userId: string, by: { caller?: Caller; actor?: string }): Promise<Result> {
  const kept = await users.keep(tx, userId, by)
  if (!kept.ok) return by.actor ? kept : refuse('link_over')
  if (!kept.value.kept) return refuse(by.actor ? 'not_found' : 'link_over')
  if (!kept.value.reachable) return refuse('email_taken')
  await factors.links.voidAll(tx, userId, 'account_keep')
  await tellSecurity(tx, userId, 'account_kept', by.caller ?? null)
  return ok()
}

const SWEEP_MS = 3_600_000

/** Erases closed accounts whose day has come, now and every hour. Returns the way to stop. */
export function startErasing(): () => void {
  const erase = () =>
    users.eraseClosed().then(
      (gone) => {
        if (gone > 0) log().info({ gone }, 'closed accounts are erased')
      },
      (error: Error) =>
        log().warn({ err: error.message }, 'closed accounts not erased; tried again in an hour'),
    )
  const timer = setInterval(() => void erase(), SWEEP_MS)
  timer.unref()
  void erase()
  return () => clearInterval(timer)
}
