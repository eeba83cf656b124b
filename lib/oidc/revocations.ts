/**
 * What is revoked before its time: marks in Redis that codes and access tokens are held against at every
 * use. That something is not revoked is believed for some seconds (as long as a session is, see
 * sessions/cache.ts) unless a message says otherwise; that it is revoked is believed at once and for good.
 */
import { LRUCache } from 'lru-cache'
import { nowMs } from '../base/clock'
import { CHANNELS } from '../base/keys'
import { publish } from '../base/redis'
import { splitGrantId } from './context'
import * as store from './store'

const BELIEVED_MS = 5000
const ALL = '*'

/** Until when a grant id is believed not to be revoked; Infinity with `revoked`. */
const known = new LRUCache<string, { revoked: boolean; until: number }>({ max: 50_000 })

/** Revokes one token family of a consent, or (family left out) every one. */
export async function revoke(consent: string, family: string | null, ttlSeconds: number): Promise<void> {
  const name = `${consent}.${family ?? ALL}`
  await store.bury(consent, family ?? ALL, ttlSeconds)
  heard(name)
  await publish(CHANNELS.cacheDrop, { kind: 'oidc-revoked', id: name })
}

/** Another process revoked it. */
export const heard = (name: string): void => {
  known.set(name, { revoked: true, until: Number.POSITIVE_INFINITY })
}

/** A grant id made a moment ago, of a consent just read as live: the app's first use needs no look-up. */
export const fresh = (name: string): void => {
  if (!known.has(name)) known.set(name, { revoked: false, until: nowMs() + BELIEVED_MS })
}

/** Messages were lost: only what is known to be revoked is still believed. */
export function forget(): void {
  for (const [name, entry] of known.entries()) if (!entry.revoked) known.delete(name)
}

/** True when the grant id inside a code or token is revoked. @throws StoresDown */
export async function revoked(id: string): Promise<boolean> {
  const { consent, family } = splitGrantId(id)
  const told = (): boolean => Boolean(known.get(id)?.revoked || known.get(`${consent}.${ALL}`)?.revoked)
  if (told()) return true
  const entry = known.get(id)
  if (entry && nowMs() < entry.until) return false
  const buried = await store.buried(consent, family)
  if (buried || told()) return true
  known.set(id, { revoked: false, until: nowMs() + BELIEVED_MS })
  return false
}
