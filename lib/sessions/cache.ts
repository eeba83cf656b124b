/**
 * The in-process answer to "is this session alive?". An answer is believed for 5 seconds, or until a
 * message says it changed; the 5 seconds are the bound when messages are lost.
 */
import { LRUCache } from 'lru-cache'
import { nowMs } from '../base/clock'
import type { SessionFacts } from './facts'

export const BELIEVED_MS = 5000

interface Entry {
  facts: SessionFacts
  until: number
}

const entries = new LRUCache<string, Entry>({ max: 20_000 })
/** When (in drops) something about a session or a user last changed; guards answers that are being loaded. */
const dropped = new LRUCache<string, number>({ max: 20_000 })
let drops = 0
let clearedAt = 0

/** A mark to hand to `store`: whatever is dropped after it makes the loaded answer stale. */
export const mark = (): number => drops

export function lookup(sid: string): SessionFacts | null {
  const entry = entries.get(sid)
  return entry && nowMs() < entry.until ? entry.facts : null
}

/** Keeps a loaded answer unless its session changed since `since`. False when it did. */
export function store(facts: SessionFacts, since: number): boolean {
  const changed = Math.max(dropped.get(facts.sid) ?? 0, dropped.get(facts.userId) ?? 0, clearedAt)
  if (changed > since) return false
  entries.set(facts.sid, { facts, until: nowMs() + BELIEVED_MS })
  return true
}

export function drop(sid: string): void {
  dropped.set(sid, ++drops)
  entries.delete(sid)
}

export function dropUser(userId: string): void {
  dropped.set(userId, ++drops)
  for (const [sid, entry] of entries.entries()) if (entry.facts.userId === userId) entries.delete(sid)
}

export function clear(): void {
  clearedAt = ++drops
  entries.clear()
}
