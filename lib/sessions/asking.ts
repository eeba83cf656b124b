/** Who is signed in: what this process believes, what Redis holds, what the row says. */
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { activity, noteActivity } from './activity'
import * as cache from './cache'
import { cookieName, openTicket } from './cookies'
import { isFresh as freshAt, idleExpired, notExpired, type SessionFacts } from './facts'
import * as store from './store'
import * as believed from './store-believed'
import { tryRedis, untold } from './telling'

/**
 * Who is signed in with these cookies; also notes the activity.
 * @returns null when nobody is
 * @throws StoresDown when Postgres is needed for the answer and does not give one: never "nobody"
 */
export async function check(cookies: Record<string, string>): Promise<SessionFacts | null> {
  const facts = await peek(cookies)
  if (facts) noteActivity(facts)
  return facts
}

/** The same for a page that asks by itself while nobody touches it: that is no activity. @throws StoresDown */
export async function peek(cookies: Record<string, string>): Promise<SessionFacts | null> {
  const value = cookies[cookieName('session')]
  const ticket = value ? openTicket(value) : null
  if (!ticket) return null
  let facts = await alive(ticket.sid, ticket.userId)
  // The cookie may be newer than a cached answer: it was renewed a moment ago, perhaps by another process.
  if (facts && ticket.generation > facts.generation) facts = await load(ticket.sid, { fromRow: true })
  return facts && facts.generation === ticket.generation ? facts : null
}

/**
 * The facts of a live session; null when it ended or never was.
 * In-process answer (5 s at most) → Redis → Postgres.
 * @param userId whose it is, where that is known: then Redis is asked once
 * @throws StoresDown
 */
export async function alive(sid: string, userId: string | null = null): Promise<SessionFacts | null> {
  const cached = cache.lookup(sid)
  const facts = cached ?? (await load(sid, { userId }))
  if (!facts) return null
  const at = nowMs()
  if (notExpired(facts, at)) return facts
  // Another process may know of later activity than a cached answer does; only the row ends a session.
  if (!idleExpired(facts, at)) return null
  const row = await load(sid, { fromRow: true })
  return row && notExpired(row, at) ? row : null
}

async function load(
  sid: string,
  { userId = null, ...options }: { fromRow?: boolean; userId?: string | null } = {},
): Promise<SessionFacts | null> {
  if (!/^[0-9a-f-]{36}$/.test(sid)) return null
  for (let tries = 0; tries < 3; tries++) {
    const since = cache.mark()
    const fromRow = options.fromRow || untold.has(sid) || (userId !== null && untold.has(userId))
    const shared = fromRow ? null : await tryRedis(() => believed.cachedFacts(sid, userId))
    if (shared === 'revoked') return null
    let facts = shared && untold.has(shared.userId) ? null : shared
    if (!facts) {
      const row = await store.readFacts(sid)
      if (!row) return null
      const agreed =
        fromRow || untold.has(row.userId) ? row : ((await tryRedis(() => believed.publishFacts(row))) ?? row)
      if (agreed === 'revoked') return null
      facts = agreed
    }
    // Activity of this process that is not written yet.
    facts.lastActiveAt = Math.max(facts.lastActiveAt, activity.get(sid) ?? 0)
    if (cache.store(facts, since)) return facts
  }
  return store.readFacts(sid)
}

/** True while the person proved all they have set up within the last ten minutes, in this browser. */
export const isFresh = (facts: SessionFacts): boolean => freshAt(facts, nowMs())

/**
 * Whether this session goes on, as part of `tx` (from `inTx`), and goes on until its end: for changes that were allowed by
 * what this process remembers of it, and must not be made after it ended (or a factor was added elsewhere).
 */
export const isLiveIn = (tx: Tx, facts: SessionFacts): Promise<boolean> => store.isLiveIn(tx, facts)
