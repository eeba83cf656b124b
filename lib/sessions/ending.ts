/** Ending sessions: one transaction, with what other rooms owe for it, and then everyone is told. */
import { type EventInput, handle, owe, record, recordAll } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { isUuid, uuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import * as store from './store'
import * as believed from './store-believed'
import * as deviceStore from './store-devices'
import { buriedAtOnce, type Told, tellEnded, tryRedis } from './telling'

/** What one revoke did. */
export interface Revoked {
  /** Names all that ended with it: apps are told by it (`oidc.receipts`). */
  id: string
  /** The ids that this call ended, at most fifty; those already over are not among them. */
  sids: string[]
  /** There are more: dead as well from the commit on, and marked in the background. */
  rest: boolean
}

/**
 * Ends sessions: one transaction, then everyone is told. Whatever hangs on them (cookies, refresh and
 * access tokens, userinfo, introspection) asks `alive` and dies with them.
 * @param where one session, one device, all but one, or all of a user
 */
export const revoke = (where: store.RevokeWhere, why: RevokeReason): Promise<Revoked> =>
  store.inTx((tx) => revokeIn(tx, where, why))

/**
 * Ends the sessions that came from somebody's account elsewhere, because its provider says that they are over there.
 * A session that was proven otherwise since does not rest on it any more and goes on.
 * @param where.credential the linked account's id
 * @param where.upstream names the provider's session; without it all that came from the account
 */
export async function revokeUpstream(
  where: { credential: string; upstream?: string } | { credential?: string; upstream: string },
  why: RevokeReason,
): Promise<{ sids: string[] }> {
  const ended: string[] = []
  // One after the other: somebody with many sessions takes one connection from requests, not all of them.
  for (const { userId, sid } of await store.sessionsFrom(where))
    ended.push(...(await revoke({ userId, sid }, why)).sids)
  return { sids: ended }
}

/**
 * The ids of live sessions that `revoke(where)` would end, most recently active first.
 * @param limit at most so many (default and most 1,000)
 * @param tx as this transaction sees them
 */
export const wouldEnd = (where: store.RevokeWhere, limit = 1000, tx?: Tx): Promise<string[]> =>
  store.liveIds(where, Math.min(limit, 1000), tx)

/** The ids of this user's sessions that one revoke has ended so far, at most 1,000; none for a name that is none. */
export const endedBy = async (userId: string, revokeId: string): Promise<string[]> =>
  isUuid(revokeId) ? store.idsOfRevoke(userId, revokeId, 1000) : []

export interface RevokeReason {
  reason: string
  caller?: Caller
  /** Who did it, when not the user. */
  actor?: string
}

/** What ended, for rooms that owe something to whoever hangs on sessions. */
export interface Ended {
  sessions: { sid: string; userId: string }[]
  reason: string
}

type EndingHook = (tx: Tx, ended: Ended) => Promise<void>
const endingHooks: EndingHook[] = []

/**
 * Calls `fn` in every transaction that ends sessions, as part of it: what a room writes there (a delivery it owes) is
 * committed with the end, or neither is. Called for batches of at most 200. To be registered when the room is loaded.
 */
export function whenEnding(fn: EndingHook): void {
  endingHooks.push(fn)
}

/** How many rows a revoke marks by itself; what is beyond is dead by the epoch, and its rows are marked afterwards. */
const AT_ONCE = 50
const BATCH = 200
/** The kind of delivery that marks what is beyond. */
const REST = 'sessions_rest'

/** The same as part of `tx` (from `inTx`), for changes that must not happen without it; told after the commit. */
export async function revokeIn(tx: Tx, where: store.RevokeWhere, why: RevokeReason): Promise<Revoked> {
  const id = uuid()
  const { userId } = where
  const { reason, actor, caller } = why
  const { sids, version, rest } = await store.markRevoked(tx, where, { reason, revokeId: id }, AT_ONCE)
  const event = { type: 'session.revoked', userId, actor, caller } as const
  const events: EventInput[] = sids
    .slice(0, 50)
    .map((sid) => ({ ...event, sessionId: sid, data: { reason } }))
  if (sids.length > 50) events.push({ ...event, data: { reason, more: sids.length - 50 } })
  await recordAll(tx, events)
  if (sids.length === 0) return { id, sids, rest }
  await hookedIn(tx, sids, userId, reason)
  if (rest && version !== null) {
    const payload: Rest = { userId, version, revokeId: id, reason, actor: actor ?? null }
    await owe(tx, { kind: REST, userId, target: 'sessions', payload })
  }
  // Before the commit: should this process die in between, a session ends too early, never too late.
  const ended: Told = { userId, sids, version, exceptSid: where.exceptSid ?? null, reason }
  const buried = await buriedAtOnce(ended)
  store.onCommit(tx, () => tellEnded(ended, buried))
  return { id, sids, rest }
}

const runHooks = async (tx: Tx, ended: Ended): Promise<void> => {
  for (const hook of endingHooks) await hook(tx, ended)
}

const hookedIn = (tx: Tx, sids: string[], userId: string, reason: string): Promise<void> =>
  runHooks(tx, { sessions: sids.map((sid) => ({ sid, userId })), reason })

interface Rest {
  userId: string
  version: number
  revokeId: string
  reason: string
  actor: string | null
}

/** Marks the rows that an epoch ended, batch by batch, each with what is owed for it. */
handle(REST, async (_delivery, payload, signal) => {
  const { userId, version, revokeId, reason, actor } = payload as Rest
  for (let sids: string[] = []; !signal.aborted; ) {
    sids = await store.inTx(async (tx) => {
      const marked = await store.markBelow(tx, userId, version, { reason, revokeId }, BATCH)
      if (marked.length === 0) return marked
      await record(tx, { type: 'session.revoked', userId, actor, data: { reason, more: marked.length } })
      await hookedIn(tx, marked, userId, reason)
      return marked
    })
    // Nobody believes Redis about them any more; other services read it without asking for the epoch.
    await tryRedis(() => believed.bury(sids))
    if (sids.length < BATCH) return
  }
  throw new Error('stopped before all sessions were marked')
})

/**
 * Forgets a device: its sessions end, and the browser is a new one from now on.
 * @returns the sessions that ended; refusal `not_found` when it is none of this user's
 */
export const forgetDevice = (userId: string, deviceId: string, why: RevokeReason): Promise<Result<Revoked>> =>
  store.inTx(async (tx) => {
    // No sign-in of theirs comes in between: it would leave a session without a device.
    await store.lockUser(tx, userId)
    const name = isUuid(deviceId) ? await deviceStore.nameOf(tx, userId, deviceId) : null
    if (name === null) return refuse('not_found')
    const ended = await revokeIn(tx, { userId, deviceId }, why)
    await deviceStore.forget(tx, userId, deviceId)
    await record(tx, { type: 'device.forgotten', userId, caller: why.caller, deviceId, data: { name } })
    return ok(ended)
  })

/**
 * Ends all that was ever opened as this user, in `tx` (from `inTx`): sessions, and what apps hold of them; no browser is
 * known any more. For a guest who becomes a person: whoever had the guest's cookie has nothing.
 */
export async function beginAnew(tx: Tx, userId: string, why: RevokeReason): Promise<void> {
  await revokeIn(tx, { userId, all: true }, why)
  await store.deleteDevices(tx, userId)
}

/** Another process may know of activity that is not written yet; only afterwards is a session over for good. */
const GRACE_MS = 5 * 60_000

/**
 * Marks sessions whose time is over, so that apps are told of it. Nothing waits for this: that they are over is judged
 * at every use.
 * @returns how many it marked
 */
export async function endExpired(): Promise<number> {
  let total = 0
  for (let marked = BATCH; marked === BATCH; total += marked) {
    marked = await store.inTx(async (tx) => {
      const rows = await store.markExpired(tx, new Date(nowMs() - GRACE_MS), uuid(), BATCH)
      if (rows.length === 0) return 0
      const reason = 'expired'
      await recordAll(
        tx,
        rows.map(({ sid, userId }) => ({
          type: 'session.revoked',
          userId,
          sessionId: sid,
          actor: 'system',
          data: { reason },
        })),
      )
      await runHooks(tx, { sessions: rows, reason })
      return rows.length
    })
  }
  return total
}
