/**
 * Room: audit.
 * Owns: events (append-only, each user's chained by hashes), deliveries (what is owed to the outside,
 *   and its receipt) and the queue beneath them.
 * Hands off: how a kind of delivery is made, to whoever calls `handle(kind, …)`.
 * Invariants: an event is never changed; what is owed commits with the change that made it owed; a
 *   dedupeKey is owed once; no secret and no control character reaches an event.
 */
import 'server-only'
import type { Tx } from '../base/db'
import type { EventInput, EventView } from './event'
import * as store from './store'

export { type Delivery, type Handler, handle, type Owed, owe, Undeliverable } from './delivery'
export type { EventInput, EventView } from './event'
export type { DeliveryFilter, DeliveryRow } from './store'
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

/**
 * A user's history, newest first.
 * @param filter.before cursor: `next` of the page before (or an event's id)
 * @param filter.limit at most 200
 */
export async function list(
  userId: string,
  filter: { before?: string; limit: number; types?: readonly EventInput['type'][] },
): Promise<{ items: EventView[]; next: string | null }> {
  if (filter.before !== undefined && !/^\d{1,18}$/.test(filter.before)) return { items: [], next: null }
  const limit = page(filter.limit)
  const found = await store.selectEvents({
    userId,
    before: filter.before,
    types: filter.types,
    limit: limit + 1,
  })
  const items = found.slice(0, limit)
  return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** Deliveries without their contents, newest first; page on with `before` = the last one's id. */
export async function deliveries(filter: store.DeliveryFilter = {}): Promise<store.DeliveryRow[]> {
  return await store.selectDeliveries({ ...filter, limit: page(filter.limit ?? 50) })
}

/** After a backup was put back: nothing is owed. */
export { giveUpOwed as giveUpAfterRestore } from './store-restored'
