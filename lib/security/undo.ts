/**
 * Taking a change of the primary address back. Who took over an account changes its address first; so the
 * old address can undo it for 72 hours, whatever was changed since: it is proven and primary again,
 * addresses and numbers brought along around the change are gone, everybody is signed out, and the password
 * takes nobody in until the old address chose a new one: whoever changed the address proved themselves with it.
 * It signs nobody in.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { allOrNothing, spendRequest } from './gate'
import { tellSecurity } from './news'
import { BEFORE_MS, foreignFactors, type Goes, shutOut } from './shut-out'

export const UNDO_HOURS = 72

/** A change of the primary address, as its undo link keeps it. */
interface Change {
  from: string
  to: string
  /** Milliseconds since the epoch. */
  at: number
  /** When `from` was proven, milliseconds since the epoch; null for never. */
  provenAt: number | null
}

function changeOf(link: factors.Link): Omit<Change, 'provenAt'> {
  const { from, to, at } = link.data
  if (typeof from !== 'string' || typeof to !== 'string' || typeof at !== 'number') {
    throw new Error('an undo link without its change')
  }
  return { from, to, at }
}

/** The address of the page that takes a change back. */
export async function undoLink(tx: Tx, userId: string, change: Change): Promise<string> {
  const token = await factors.links.issue(tx, {
    purpose: 'email_undo',
    userId,
    data: { ...change },
    lifeSeconds: UNDO_HOURS * 3600,
  })
  return `${env().url}/undo?token=${token}`
}

/** What a live link would restore and remove, as people read it; null when it no longer works. Changes nothing. */
export async function peek(token: string): Promise<(Goes & { from: string; to: string }) | null> {
  const link = await factors.links.peek('email_undo', token)
  if (!link || (await users.isOver(link.userId))) return null
  const { userId } = link
  const { from, to, at } = changeOf(link)
  const since = new Date(at - BEFORE_MS)
  const [emails, phones, brought] = await Promise.all([
    users.emails.list(userId),
    users.phones.list(userId),
    foreignFactors(userId, { since }),
  ])
  const goes = ({ address, verifiedAt, createdAt }: users.EmailView) =>
    address.toLowerCase() !== from.toLowerCase() && (verifiedAt ?? createdAt) >= since
  return {
    from,
    to,
    addresses: emails.filter(goes).map(({ address }) => address),
    numbers: users.foreignNumbers(phones, { since }).map(({ readable }) => readable),
    factors: brought.map(({ kind, name }) => ({ kind, name })),
  }
}

/**
 * Takes the change back, also when the account was closed since: then it is kept. Of two at once, one does. Later
 * changes cannot be taken back any more by those
 * who were made primary by them, nor can the addresses that went lock the account; earlier ones can.
 * @returns the address that is primary again; refusals `rate_limited`, `link_over`, `email_taken` when it belongs to
 *   somebody else by now (the link stays good)
 */
export async function undo(token: string, caller: Caller): Promise<Result<{ address: string }>> {
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  const seen = await factors.links.peek('email_undo', token)
  if (!seen) return refuse('link_over')
  return await allOrNothing(async (tx) => {
    await users.lockAccount(tx, seen.userId)
    const link = await factors.links.use(tx, 'email_undo', token)
    if (!link) return refuse('link_over')
    const { from, at } = changeOf(link)
    const { userId } = link
    const kept = await users.keep(tx, userId, { caller })
    if (!kept.ok) return refuse('link_over')
    const since = new Date(at - BEFORE_MS)
    const restored = await users.emails.restorePrimary(tx, userId, from, since, caller)
    if (!restored.ok) return restored
    await factors.links.voidAll(tx, userId, 'email_undo', link.issuedAt)
    await shutOut(tx, userId, { since, owner: from }, { reason: 'email_change_undone', caller })
    await tellSecurity(tx, userId, { what: 'email_change_undone', address: from }, caller)
    return ok({ address: from })
  })
}
