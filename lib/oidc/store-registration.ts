/** Redis and SQL of apps that register themselves. Atomic: `takeInvitation` has one winner. */
import { sql } from '../base/db'
import { withRedis } from '../base/redis'
import { PINNED } from './store-registry'

export async function putInvitation(name: string, ttlSeconds: number): Promise<void> {
  await withRedis((client) => client.set(name, '1', 'EX', ttlSeconds))
}

/** How long it is good for yet; 0 or less when it is not. */
export const invitationSeconds = (name: string): Promise<number> => withRedis((client) => client.ttl(name))

export async function takeInvitation(name: string): Promise<boolean> {
  return (await withRedis((client) => client.getdel(name))) !== null
}

/** What an operator switched off, changed, or holds back is no longer the app's own: it stays as it is. */
const UNUSED = `jsonb_exists(c.settings, 'registered') AND c.disabled_at IS NULL
  AND NOT jsonb_exists_any(c.settings, '{${PINNED.join(',')}}')
  AND (c.settings->>'registered' = 'document' OR c.updated_at < c.created_at + interval '1 second')
  AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.client_id = c.id)
  AND NOT EXISTS (SELECT 1 FROM session_clients sc WHERE sc.client_id = c.id)`

/** Apps that registered themselves and that nobody let in, counted up to `most`. */
export async function countUnused(most: number): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'oidc-registered-unused',
    text: `SELECT count(*)::int AS count FROM (SELECT 1 FROM clients c WHERE ${UNUSED} LIMIT $1) x`,
    values: [most],
  })
  return row?.count ?? 0
}

/** Deletes those that are older than `before`; gives their ids. */
export async function deleteUnused(before: Date, batch: number): Promise<string[]> {
  const rows = await sql<{ id: string }>({
    name: 'oidc-registered-sweep',
    // Looked at once more under the lock: somebody may be letting it in.
    text: `DELETE FROM clients c WHERE c.id IN (SELECT c.id FROM clients c WHERE c.created_at < $1 AND ${UNUSED}
             LIMIT $2 FOR UPDATE SKIP LOCKED) AND ${UNUSED} RETURNING c.id`,
    values: [before, batch],
  })
  return rows.map((row) => row.id)
}
