/**
 * What the house owes to the outside. Owed in the transaction of the change, sent afterwards, retried
 * with growing, jittered pauses until `notAfter`, then given up aloud. An attempt is counted before it
 * is made. The one window left: a process that dies after the receiver took a message and before the
 * receipt is written sends it again (at least once), which senders soften with a stable message id.
 */
import { cleanText } from '../base/caller'
import { now, nowMs } from '../base/clock'
import { inTx, type Tx } from '../base/db'
import { uuid } from '../base/ids'
import { log } from '../base/log'
import { open, seal, sha256 } from '../base/secrets'
import * as store from './store'

/** What a handler is told about the delivery it makes. */
export interface Delivery {
  /** Stays the same over all attempts: use it to let the receiver recognise a repetition. */
  id: string
  kind: string
  userId: string | null
  target: string
  /** 1 for the first try. */
  attempt: number
  createdAt: Date
  notAfter: Date | null
}

export type Handler = (delivery: Delivery, payload: unknown, signal: AbortSignal) => Promise<void>

/** Thrown by a handler when trying again cannot help (the receiver refused it for good). */
export class Undeliverable extends Error {
  override name = 'Undeliverable'
}

const DEFAULT_LIFE_HOURS = 24
const FIRST_PAUSE_SECONDS = 2
const LONGEST_PAUSE_SECONDS = 300
/** A message that takes its process down with it must not do so for ever. */
const MAX_ATTEMPTS = 400
/** Below the lease after which another process takes over. */
const HANDLER_DEADLINE_MS = 60_000

const handlers = new Map<string, Handler>()

/** Names who delivers a kind. Call before `start`; one handler a kind. */
export function handle(kind: string, fn: Handler): void {
  handlers.set(kind, fn)
}

export const handledKinds = (): string[] => [...handlers.keys()]

const aad = (id: string, kind: string): string => `${kind}:${id}`

export interface Owed {
  kind: string
  userId?: string | null
  /** Names the event that made it owed: the same kind, target and key is sent once. */
  dedupeKey?: string
  /** Where to, as operators may read it: mask what is personal. */
  target: string
  /** JSON; sealed at rest and emptied at the end. */
  payload: unknown
  /** Not tried before this time; at once where not said. */
  notBefore?: Date
  /** Worthless after this time (default: 24 hours from when it may be tried). */
  notAfter?: Date
}

/**
 * Owes a delivery: its row and its job are part of `tx` (null: a transaction of its own).
 * @returns the delivery's id; the older one's when the dedupeKey was owed before
 */
export async function owe(tx: Tx | null, owed: Owed): Promise<string> {
  if (!tx) return await inTx((own) => owe(own, owed))
  return await store.insertDelivery(tx, newRow(owed))
}

/** Owes several as part of `tx`, by one statement; those whose dedupeKey was owed before are left as they are. */
export async function oweAll(tx: Tx, owed: Owed[]): Promise<void> {
  await store.insertDeliveries(tx, owed.map(newRow))
}

const dedupe = (kind: string, target: string, key: string): string => sha256(`${kind}\n${target}\n${key}`)

function newRow(owed: Owed): store.NewDelivery {
  const id = uuid()
  const createdAt = now()
  return {
    id,
    kind: owed.kind,
    userId: owed.userId ?? null,
    dedupeKey: owed.dedupeKey ? dedupe(owed.kind, owed.target, owed.dedupeKey) : null,
    target: cleanText(owed.target, 300),
    payloadSealed: seal('delivery', aad(id, owed.kind), JSON.stringify(owed.payload)),
    createdAt,
    notBefore: owed.notBefore ?? null,
    notAfter:
      owed.notAfter ?? new Date((owed.notBefore ?? createdAt).getTime() + DEFAULT_LIFE_HOURS * 3_600_000),
  }
}

/**
 * What became of deliveries of a kind, in the order asked; null for one that was never owed, or is so long over
 * that its receipt was dropped.
 */
export async function receipts(
  kind: string,
  about: { target: string; dedupeKey: string }[],
): Promise<(store.DeliveryState | null)[]> {
  const keys = about.map(({ target, dedupeKey }) => dedupe(kind, target, dedupeKey))
  const found = await store.statesOf(keys)
  return keys.map((key) => found.get(key) ?? null)
}

/** Seconds before the next try: doubles from 2 s to 5 min, a quarter more or less by chance. */
export function pauseSeconds(attempt: number, chance: number = Math.random()): number {
  const pause = Math.min(FIRST_PAUSE_SECONDS * 2 ** Math.min(attempt - 1, 20), LONGEST_PAUSE_SECONDS)
  return pause * (0.75 + chance / 2)
}

/** Why it failed, fit to keep: receivers echo addresses (and more) in their answers. */
function reason(error: unknown): string {
  const { message, code } = error as { message?: string; code?: string }
  return cleanText(`${code ? `${code}: ` : ''}${message ?? String(error)}`, 600)
    .replace(/[^\s<>"'(),:;]+@[^\s<>"'(),:;]+/g, '[address]')
    .replace(/\b\d{6,}\b/g, '[number]')
    .slice(0, 300)
}

async function giveUp(row: store.DeliveryRow, why: 'expired' | 'exhausted' | 'refused', error: string) {
  const settled = await inTx(async (tx) => {
    if (!(await store.settle(tx, row.id, { failedAt: now(), error }))) return false
    await store.insertEvent(tx, {
      type: 'delivery.failed',
      outcome: 'failure',
      userId: row.userId,
      actor: 'system',
      data: { deliveryId: row.id, kind: row.kind, why, attempts: row.attempts },
    })
    return true
  })
  if (settled) log().error({ deliveryId: row.id, kind: row.kind, why, err: error }, 'delivery given up')
}

/** The receipt must not be lost to a short absence of the database: that would send twice. */
async function writeReceipt(id: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await store.settle(null, id, { deliveredAt: now() })
      return
    } catch (error) {
      if (attempt === 8) throw error
      await new Promise((resolve) => setTimeout(resolve, 250 * attempt))
    }
  }
}

async function withDeadline(run: (signal: AbortSignal) => Promise<void>, stop?: AbortSignal): Promise<void> {
  const deadline = AbortSignal.timeout(HANDLER_DEADLINE_MS)
  const signal = stop ? AbortSignal.any([stop, deadline]) : deadline
  let late: (() => void) | undefined
  try {
    await Promise.race([
      run(signal),
      new Promise<never>((_, reject) => {
        late = () => reject(new Error('no answer within 60 seconds'))
        deadline.addEventListener('abort', late)
      }),
    ])
  } finally {
    if (late) deadline.removeEventListener('abort', late)
  }
}

/**
 * One try at one delivery; the task of the queue. Failures of the handler are dealt with here (a new
 * job later, or giving up), so it throws only when the database is away.
 */
export async function attempt(id: string, stop?: AbortSignal): Promise<void> {
  const row = await store.claim(id)
  if (!row) return
  const handler = handlers.get(row.kind)
  if (!handler) throw new Error(`nobody here delivers ${row.kind}`)
  const early = row.notBefore ? row.notBefore.getTime() - nowMs() : 0
  if (early > 0) return await store.reschedule(row.id, row.attempts, row.lastError, early / 1000)
  if (row.notAfter && row.notAfter.getTime() <= nowMs()) {
    await giveUp(row, 'expired', row.lastError ?? 'its time was over before it could be sent')
    return
  }
  try {
    const { payloadSealed, attempts, ...rest } = row
    if (!payloadSealed) throw new Undeliverable('payload is gone')
    let payload: unknown
    try {
      payload = JSON.parse(open('delivery', aad(id, row.kind), payloadSealed))
    } catch (error) {
      throw new Undeliverable((error as Error).message)
    }
    const { kind, userId, target, createdAt, notAfter } = rest
    await withDeadline(
      (signal) =>
        handler({ id, kind, userId, target, attempt: attempts, createdAt, notAfter }, payload, signal),
      stop,
    )
  } catch (error) {
    await failed(row, error)
    return
  }
  await writeReceipt(id)
  log().debug({ deliveryId: id, kind: row.kind, attempts: row.attempts }, 'delivered')
}

async function failed(row: store.DeliveryRow, error: unknown): Promise<void> {
  const why = reason(error)
  if (error instanceof Undeliverable) return await giveUp(row, 'refused', why)
  if (row.attempts >= MAX_ATTEMPTS) return await giveUp(row, 'exhausted', why)
  const leftSeconds = row.notAfter ? (row.notAfter.getTime() - nowMs()) / 1000 : Number.POSITIVE_INFINITY
  // The last try comes a moment before it is worthless, not a pause after.
  const pause = Math.min(pauseSeconds(row.attempts), Math.max(leftSeconds - 1, 0.5))
  log().warn(
    { deliveryId: row.id, kind: row.kind, attempts: row.attempts, nextSeconds: Math.round(pause), err: why },
    'delivery failed, will try again',
  )
  await store.reschedule(row.id, row.attempts, why, pause)
}
