/**
 * One-time links in Postgres. Atomic here: `takeLink` is one UPDATE whose condition holds for one
 * transaction only; a second one waits for the first and then finds the link used.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface LinkRow {
  id: string
  user_id: string
  data: Record<string, unknown>
  created_at: Date
  expires_at: Date
}

export async function insertLink(
  tx: Tx,
  link: { purpose: string; userId: string; tokenHash: string; data: object; lifeSeconds: number },
): Promise<void> {
  const at = now()
  const until = new Date(at.getTime() + link.lifeSeconds * 1000)
  await tx.$executeRaw`
    INSERT INTO one_time_links (user_id, purpose, token_hash, data, created_at, expires_at)
    VALUES (${link.userId}::uuid, ${link.purpose}, ${link.tokenHash}, ${JSON.stringify(link.data)}::jsonb,
            ${at}, ${until})`
}

export async function readLink(purpose: string, tokenHash: string): Promise<LinkRow | null> {
  const [row] = await sql<LinkRow>({
    name: 'factors-link',
    text: `SELECT id, user_id, data, created_at, expires_at FROM one_time_links
           WHERE token_hash = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3`,
    values: [tokenHash, purpose, now()],
  })
  return row ?? null
}

export async function takeLink(tx: Tx, purpose: string, tokenHash: string): Promise<LinkRow | null> {
  const at = now()
  const [row] = await tx.$queryRaw<LinkRow[]>`
    UPDATE one_time_links SET used_at = ${at}
    WHERE token_hash = ${tokenHash} AND purpose = ${purpose} AND used_at IS NULL AND expires_at > ${at}
    RETURNING id::text, user_id::text, data, created_at, expires_at`
  return row ?? null
}

export const readLive = (userId: string, purpose: string): Promise<LinkRow[]> =>
  sql<LinkRow>({
    name: 'factors-links-live',
    text: `SELECT id::text, user_id::text, data, created_at, expires_at FROM one_time_links
           WHERE user_id = $1 AND purpose = $2 AND used_at IS NULL AND expires_at > $3
           ORDER BY created_at DESC LIMIT 50`,
    values: [userId, purpose, now()],
  })

/** All live ones of one purpose, as `tx` sees them. */
export const readLiveIn = (tx: Tx, userId: string, purpose: string): Promise<LinkRow[]> =>
  tx.$queryRaw<LinkRow[]>`
    SELECT id::text, user_id::text, data, created_at, expires_at FROM one_time_links
    WHERE user_id = ${userId}::uuid AND purpose = ${purpose} AND used_at IS NULL AND expires_at > ${now()}`

/** @returns how many died */
export const voidThese = (tx: Tx, userId: string, purpose: string, ids: readonly string[]): Promise<number> =>
  tx.$executeRaw`
    UPDATE one_time_links SET used_at = ${now()}
    WHERE user_id = ${userId}::uuid AND purpose = ${purpose} AND used_at IS NULL AND id = ANY(${[...ids]}::uuid[])`

export async function voidLink(tx: Tx, userId: string, purpose: string, id: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE one_time_links SET used_at = ${now()}
    WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND purpose = ${purpose} AND used_at IS NULL`
  return count > 0
}

/** @returns how many died */
export async function voidLinks(
  tx: Tx,
  userId: string,
  purposes: readonly string[] | null,
  since: Date | null,
): Promise<number> {
  return await tx.$executeRaw`
    UPDATE one_time_links SET used_at = ${now()}
    WHERE user_id = ${userId}::uuid AND used_at IS NULL
      AND (${purposes}::text[] IS NULL OR purpose = ANY(${purposes}::text[]))
      AND (${since}::timestamptz IS NULL OR created_at > ${since}::timestamptz)`
}

/** Deletes links that ended before `before`, at most `batch`; what they did is in the events. */
export async function deleteLinks(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'factors-links-sweep',
    text: `DELETE FROM one_time_links WHERE id IN (
             SELECT id FROM one_time_links WHERE expires_at < $1 LIMIT $2) RETURNING 1`,
    values: [before, batch],
  })
  return rows.length
}
