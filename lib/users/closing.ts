/**
 * The end of an account in two steps. *Closed*: nobody is this person any more, and what they had proven is free for
 * anybody; until its day comes the account can be kept. *Erased*: the row, all that hangs on it, and the history are gone.
 */
import { forgetGone, forgetReceipts, owedTo, record } from '../audit'
import type { Caller } from '../base/caller'
import { now } from '../base/clock'
import { inTx, type Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { normalizeEmail } from './address'
import { announce } from './announce'
import { voidOtherClaims } from './emails'
import { voidOtherClaims as voidOtherNumberClaims } from './phones'
import { runDisablingHooks } from './standing'
import * as store from './store'
import * as closed from './store-closed'
import { lockNumber } from './store-phones'

interface By {
  /** Who did it, when not the person. */
  actor?: string
  caller?: Caller
}

/**
 * Closes an account in `tx` (from `inTx`). Nobody finds it by an address or number from the commit on, which anybody may
 * prove; sessions and sign-ins under way are of an old version, and what other rooms end (`whenDisabling`) has ended. The
 * caller revokes the sessions too. Not for guests, who have nothing to keep and go by themselves.
 * @param eraseAt until then it can be kept
 * @returns refusals `not_found` (closed already, too), `account_required`
 */
export async function close(tx: Tx, userId: string, eraseAt: Date, by: By): Promise<Result> {
  const user = isUuid(userId) ? await store.lockUser(tx, userId) : null
  if (!user) return refuse('not_found')
  if (user.is_anonymous) return refuse('account_required')
  const { actor, caller } = by
  await runDisablingHooks(tx, userId, { actor: actor ?? userId, ...(caller && { caller }) })
  await closed.writeClosed(tx, userId, eraseAt)
  await record(tx, {
    type: 'user.closed',
    userId,
    ...(actor && { actor }),
    ...(caller && { caller }),
    data: { eraseAt: eraseAt.toISOString() },
  })
  announce(tx, 'updated', userId)
  return ok()
}

/**
 * Opens a closed account again in `tx` (from `inTx`), with whatever of its addresses and numbers nobody proved since;
 * who only claimed them loses them, as whenever somebody proves one. Nobody is signed in by it. An account that is not
 * closed stays as it is. Once its day has come only an operator (`by.actor`) keeps one that is not erased yet.
 * @returns whether it was closed, and whether any address still leads to it: when all are somebody else's by now, and the
 *   caller does not restore one, roll back. Refusal `not_found`
 */
export async function keep(
  tx: Tx,
  userId: string,
  by: By,
): Promise<Result<{ kept: boolean; reachable: boolean }>> {
  if (!isUuid(userId)) return refuse('not_found')
  const eraseAt = await closed.lockClosed(tx, userId)
  if (!eraseAt)
    return (await store.lockUser(tx, userId)) ? ok({ kept: false, reachable: true }) : refuse('not_found')
  if (eraseAt <= now() && !by.actor) return refuse('not_found')
  const held = await closed.readHeld(tx, userId)
  for (const address of held.addresses) await store.lockAddress(tx, address)
  for (const number of held.numbers) await lockNumber(tx, number)
  const given = await closed.giveBack(tx, userId)
  await record(tx, { type: 'user.kept', userId, ...by })
  for (const address of given.addresses) await voidOtherClaims(tx, userId, address)
  for (const number of given.numbers) await voidOtherNumberClaims(tx, userId, number)
  announce(tx, 'updated', userId)
  return ok({ kept: true, reachable: given.addresses.length > 0 || held.addresses.length === 0 })
}

export interface ClosedAccount {
  id: string
  /** The primary address it had. */
  email: string | null
  closedAt: Date
  eraseAt: Date
}

const view = (row: closed.ClosedRow): ClosedAccount => ({
  id: row.id,
  email: row.address,
  closedAt: row.deleted_at,
  eraseAt: row.erase_at,
})

/** A closed account by its id or the primary address it had; the one closed last, where several had that. */
export async function findClosed(name: string): Promise<ClosedAccount | null> {
  if (isUuid(name)) {
    const row = await closed.findClosed({ id: name })
    return row && view(row)
  }
  const address = normalizeEmail(name)
  const row = address.ok ? await closed.findClosed({ address: address.value }) : null
  return row && view(row)
}

/** Whether an account is closed and its day has come: no link keeps it any more. */
export async function isOver(userId: string): Promise<boolean> {
  const row = isUuid(userId) ? await closed.findClosed({ id: userId }) : null
  return row !== null && row.erase_at <= now()
}

/** Closed accounts, soonest erased first. @param limit at most 1,000 */
export async function listClosed(limit: number): Promise<ClosedAccount[]> {
  return (await closed.readClosed(null, Math.max(1, Math.min(limit, 1000)))).map(view)
}

/** Brings the day on which a closed account is erased forward to now. False when there is none, or its day has come. */
export const eraseNow = (userId: string): Promise<boolean> =>
  inTx(async (tx) => isUuid(userId) && (await closed.writeEraseNow(tx, userId)))

const BATCH = 100

/**
 * Erases closed accounts whose day has come, each in a transaction of its own: the person, all that hangs on them and the
 * receipts of what they were sent; then their history, part by part (the last event that is left says that they are gone, and by no name).
 * Whoever is still owed something (a mail that says so, apps that are told) goes at a later call.
 * @returns how many went
 */
export async function eraseClosed(): Promise<number> {
  let gone = 0
  let after: closed.ClosedRow | null = null
  for (;;) {
    const page: closed.ClosedRow[] = await closed.readClosed(after, BATCH)
    const due = page.filter((row) => row.erase_at <= now()).map((row) => row.id)
    const owed = await owedTo(due)
    for (const userId of due) if (!owed.has(userId) && (await eraseOrSay(userId))) gone += 1
    after = page.at(-1) ?? null
    if (!after || due.length < page.length || page.length < BATCH) break
  }
  await forgetGone()
  return gone
}

/** One that cannot go today keeps nobody else's data, also where it takes Postgres too long. */
async function eraseOrSay(userId: string): Promise<boolean> {
  try {
    return await erase(userId)
  } catch (error) {
    log().warn({ userId, err: (error as Error).message }, 'an account was not erased; tried again in an hour')
    return false
  }
}

const erase = (userId: string): Promise<boolean> =>
  inTx(async (tx) => {
    // What is deleted here is locked in another order by whoever keeps it.
    await store.lockAccount(tx, userId)
    if (!(await closed.eraseUser(tx, userId))) return false
    await record(tx, { type: 'user.deleted', userId, actor: 'system' })
    await forgetReceipts(tx, userId)
    announce(tx, 'updated', userId)
    return true
  })
