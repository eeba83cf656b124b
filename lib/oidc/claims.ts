/**
 * Claims of a user, believed for some seconds or until a message says the user changed: apps read
 * userinfo far more often than people change. Whether the user may be here at all is not asked here but
 * at the gate, for every use.
 */
import { LRUCache } from 'lru-cache'
import { nowMs } from '../base/clock'
import { log } from '../base/log'
import * as users from '../users'
import * as mapping from './claims-mapping'
import type { ClientRow } from './store-registry'

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

const EVERYTHING = '*'

/** All that an app's own claims may be made of; null for a user who may not be here. @throws StoresDown */
async function factsOf(userId: string): Promise<users.UserFacts | null> {
  const found = known.get(userId)?.get(EVERYTHING)
  if (found && nowMs() < found.until) return found.claims as unknown as users.UserFacts
  const since = drops
  const facts = await users.facts(userId)
  if (facts && since === drops) {
    const ofUser = known.get(userId) ?? new Map()
    ofUser.set(EVERYTHING, { claims: facts as unknown as Claims, until: nowMs() + BELIEVED_MS })
    known.set(userId, ofUser)
  }
  return facts
}

/**
 * The claims of the operator's own that this app gets of a user, with these scopes granted. An app without a mapping
 * costs nothing.
 * @param into the ID token, userinfo, or an access token that is a JWT
 * @throws StoresDown
 */
export async function mappedClaims(
  { id, settings }: Pick<ClientRow, 'id' | 'settings'>,
  userId: string,
  into: mapping.MappedInto,
  scopes: ReadonlySet<string>,
): Promise<Claims> {
  const due = mapping.due(settings.claims ?? [], into, scopes)
  const facts = due.length > 0 ? await factsOf(userId) : null
  if (!facts) return {}
  const { claims, dropped } = mapping.mapped(due, facts)
  if (dropped.length > 0)
    log().warn({ clientId: id, userId, dropped, into }, 'claims of an app left out: they are too large')
  return claims
}

/** Forgets one user's claims, or everyone's (messages were lost). */
export function drop(userId?: string): void {
  drops++
  if (userId) known.delete(userId)
  else known.clear()
}
