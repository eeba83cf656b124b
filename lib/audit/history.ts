/** A person's own history: a page of it, all of it for a download, and whether it is whole. */
import { Chain } from '../../docs/verify-events.mjs'
import { bucket } from '../base/limits'
import { ok, type Result } from '../base/refusals'
import type { EventView } from './event'
import { type EventKind, PERSONAL, typesOf } from './kinds'
import * as store from './store-history'
import type { EventType } from './types'

const MAX_PAGE = 200
const EXPORT_PAGE = 500
/** A download reads everything there is: some at once, then one in a few minutes. */
const EXPORTS = { capacity: 6, perMinute: 0.5 }

export interface Filter extends Omit<store.HistoryFilter, 'types'> {
  /** `any`: all that people read in their own history. */
  kind?: EventKind | 'any' | undefined
  types?: readonly EventType[] | undefined
}

const toStore = ({ kind, types, ...rest }: Filter): store.HistoryFilter => ({
  ...rest,
  types: types ?? (kind === 'any' ? PERSONAL : kind && typesOf(kind)),
})

/**
 * A user's history, newest first.
 * @param filter.before cursor: `next` of the page before (or an event's id)
 * @param filter.limit at most 200
 */
export async function list(
  userId: string,
  filter: Filter & { before?: string | undefined; limit: number },
): Promise<{ items: EventView[]; next: string | null }> {
  if (filter.before !== undefined && !/^\d{1,18}$/.test(filter.before)) return { items: [], next: null }
  const limit = Math.max(1, Math.min(Math.trunc(filter.limit) || 1, MAX_PAGE))
  const found = await store.selectEvents(userId, {
    ...toStore(filter),
    before: filter.before,
    limit: limit + 1,
  })
  const items = found.slice(0, limit)
  return { items, next: found.length > limit ? (items.at(-1)?.id ?? null) : null }
}

/** The ids of apps that a history names, to choose among. */
export const clientsIn = (userId: string): Promise<string[]> => store.selectClients(userId)

/**
 * What a sign-in is compared with: the last ones, newest first, and how many tries failed since then.
 * @param places false: where they came from is of no use, and none of them are read
 */
export const past = (userId: string, failedSince: Date, places: boolean): Promise<store.Past> =>
  store.selectPast(userId, failedSince, places)

/** The same as a part of a larger statement: a query of one row, and what its row says. */
export const before = { sql: store.pastSql, read: store.toPast }

export type { Past, PastRow } from './store-history'

/**
 * All of what a filter asks for, newest first, page by page: no more than a page is in memory.
 * @returns refusal `rate_limited`
 */
export async function download(
  userId: string,
  filter: Filter,
): Promise<Result<AsyncGenerator<EventView[], void>>> {
  const allowed = await bucket(userId, EXPORTS, 'event-export')
  return allowed.ok ? ok(pages(userId, filter)) : allowed
}

async function* pages(userId: string, filter: Filter): AsyncGenerator<EventView[], void> {
  for (let before: string | undefined; ; ) {
    const found = await store.selectEvents(userId, { ...toStore(filter), before, limit: EXPORT_PAGE })
    if (found.length > 0) yield found
    before = found.at(-1)?.id
    if (found.length < EXPORT_PAGE || !before) return
  }
}

/** An event as it is exported: as it was written, with all that shows it was not changed. */
export type ChainedEvent = store.ChainedRow & { view: EventView }

export interface WholeChain {
  /** What the first event follows: nothing, or the last one that was removed because it was old. */
  start: store.Link & { cutAt: Date | null }
  head: store.Link
  pages: AsyncGenerator<ChainedEvent[], void>
}

/**
 * The whole chain of a person's events, oldest first, also of those that no page shows.
 * @returns refusal `rate_limited`
 */
export async function downloadChain(userId: string): Promise<Result<WholeChain>> {
  const allowed = await bucket(userId, EXPORTS, 'event-export')
  return allowed.ok ? ok(await chainOf(userId)) : allowed
}

async function chainOf(userId: string): Promise<WholeChain> {
  const { start, head } = await store.selectEnds(userId)
  async function* walk(): AsyncGenerator<ChainedEvent[], void> {
    for (let after = start.seq; ; ) {
      const page = { after, to: head.seq, limit: EXPORT_PAGE }
      const rows = await store.selectChain(userId, page)
      if (rows.length > 0) yield rows.map((row) => ({ ...row, view: store.toView(row) }))
      after = rows.at(-1)?.seq ?? after
      if (rows.length < EXPORT_PAGE) return
    }
  }
  return { start, head, pages: walk() }
}

export interface Verified {
  userId: string
  events: number
  /** Events up to here were removed because they were old. */
  removedTo: number
  /** What is wrong, in sentences; nothing when the history is whole. */
  problems: string[]
}

/** Computes a person's chain again from the rows as they are now. */
export async function verify(userId: string): Promise<Verified> {
  const { start, head, pages } = await chainOf(userId)
  const chain = new Chain(userId, start)
  for await (const rows of pages) for (const row of rows) chain.add({ ...row, at: row.at.toISOString() })
  const left = await store.countOutside(userId, start.seq, head.seq)
  if (left > 0) chain.problems.push(`${left} events stand outside of the chain.`)
  return { userId, events: chain.count, removedTo: start.seq, problems: chain.end(head) }
}

const NOBODY = '00000000-0000-0000-0000-000000000000'

/** Everybody who has a history. */
export async function* people(): AsyncGenerator<string, void> {
  for (let after = NOBODY; ; ) {
    const ids = await store.selectPeople(after, EXPORT_PAGE)
    yield* ids
    after = ids.at(-1) ?? after
    if (ids.length < EXPORT_PAGE) return
  }
}
