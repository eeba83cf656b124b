/**
 * Room: audit.
 * Owns: events (append-only, each user's chained by hashes), deliveries (what is owed to the outside,
 *   and its receipt) and the queue beneath them.
 * Hands off: how a kind of delivery is made, to whoever calls `handle(kind, …)`.
 * Invariants: an event is never changed, and goes only when it is old, with an anchor in its place; what is owed commits with the change that made it owed; a
 *   dedupeKey is owed once; no secret and no control character reaches an event.
 */
import 'server-only'
import type { Tx } from '../base/db'
import type { EventInput } from './event'
import * as store from './store'

export { deviceMark } from '../base/device-mark'
export {
  type Delivery,
  type Handler,
  handle,
  type Owed,
  owe,
  oweAll,
  receipts,
  Undeliverable,
} from './delivery'
export type { EventInput, EventPlace, EventView } from './event'
export {
  before,
  type ChainedEvent,
  clientsIn,
  download,
  downloadChain,
  type Filter,
  list,
  type Past,
  type PastRow,
  past,
  people,
  type Verified,
  verify,
  type WholeChain,
} from './history'
export { EVENT_KINDS, type EventKind, kindOf, PERSONAL } from './kinds'
export { expire } from './retention'
export type { DeliveryFilter, DeliveryRow, DeliveryState } from './store'
export { eventSql } from './store'
export { EVENT_TYPES, type EventOutcome, type EventType } from './types'
export { drain, migrate, start, stop } from './worker'

const MAX_PAGE = 200
const page = (limit: number): number => Math.max(1, Math.min(Math.trunc(limit) || 1, MAX_PAGE))

/**
 * Writes what happened, in `tx` where the change is made there (null: by itself).
 * @throws Error for an unknown type; StoresDown when Postgres is away
 */
export async function record(tx: Tx | null, e: EventInput): Promise<void> {
  await store.insertEvent(tx, e)
}

/** Writes several events in their order by one statement, in `tx`. @throws as `record` */
export async function recordAll(tx: Tx, events: EventInput[]): Promise<void> {
  await store.insertEvents(tx, events)
}

/** Deliveries without their contents, newest first; page on with `before` = the last one's id. */
export async function deliveries(filter: store.DeliveryFilter = {}): Promise<store.DeliveryRow[]> {
  return await store.selectDeliveries({ ...filter, limit: page(filter.limit ?? 50) })
}

/** Which of these people are still owed something. @throws StoresDown */
export const owedTo = (userIds: readonly string[]): Promise<Set<string>> => store.owedTo(userIds)

/** Removes, in `tx`, the receipts of what somebody was sent who is gone. */
export const forgetReceipts = (tx: Tx, userId: string): Promise<void> => store.forgetReceipts(tx, userId)

const PARTS = 1000

/**
 * Removes the histories of people who are gone up to the event that says so (`user.deleted`), which stays; guests' stay
 * whole. In parts, each in a transaction of its own: it may be years. What a crash leaves goes at the next call. The
 * database lets nothing go of anybody who is there.
 * @returns how many events went
 * @throws StoresDown
 */
export async function forgetGone(): Promise<number> {
  let total = 0
  for (const userId of await store.selectGone()) {
    for (;;) {
      const gone = await store.forgetPart(userId, PARTS)
      total += gone
      if (gone < PARTS) break
    }
  }
  return total
}

/** After a backup was put back: nothing is owed. */
export { giveUpOwed as giveUpAfterRestore } from './store-restored'
