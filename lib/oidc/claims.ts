/**
 * Claims of a user, believed for some seconds or until a message says the user changed: apps read
 * userinfo far more often than people change. Whether the user may be here at all is not asked here but
 * at the gate, for every use.
 */
import { LRUCache } from 'lru-cache'
import { nowMs } from '../base/clock'
import * as users from '../users'

const BELIEVED_MS = 5000

type Claims = Record<string, unknown>

const known = new LRUCache<string, Map<string, { claims: Claims; until: number }>>({ max: 20_000 })
let drops = 0

/** What an app with these scopes may know of a user. @throws StoresDown */
export async function claimsOf(userId: string, scopes: ReadonlySet<string>): Promise<Claims> {
  const name = [...scopes].sort().join(' ')
  const found = known.get(userId)?.get(name)
  if (found && nowMs() < found.until) return found.claims
  const since = drops
  const claims = await users.claims(userId, scopes)
  if (since === drops) {
    const ofUser = known.get(userId) ?? new Map()
    ofUser.set(name, { claims, until: nowMs() + BELIEVED_MS })
    known.set(userId, ofUser)
  }
  return claims
}

/** Forgets one user's claims, or everyone's (messages were lost). */
export function drop(userId?: string): void {
  drops++
  if (userId) known.delete(userId)
  else known.clear()
}
