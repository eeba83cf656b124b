/** Looks into a portal's database from outside, to tell whether anything in it changed. */
import pg from 'pg'
import { expect } from './fixtures'
import type { Portal } from './portal'

/** When someone was last here may be noted by any request; nothing else may. */
const ACTIVITY = ['last_active_at', 'last_seen_at', 'last_used_at', 'last_ip', 'ends_at']

/** A hash of each table's rows. */
export type Snapshot = Record<string, string>

export interface Database {
  query<Row extends pg.QueryResultRow>(text: string, values?: unknown[]): Promise<Row[]>
  /** @param mentioning only rows that hold one of these texts anywhere */
  snapshot(mentioning?: string[]): Promise<Snapshot>
  /** Until nothing is owed to anyone any more: mail goes out after the answer. */
  settled(): Promise<void>
  close(): Promise<void>
}

export async function openDatabase(portal: Portal): Promise<Database> {
  const client = new pg.Client({ connectionString: portal.stores().databaseUrl })
  client.on('error', () => {})
  await client.connect()
  const query: Database['query'] = async (text, values) => (await client.query(text, values)).rows
  const tables = (
    await query<{ name: string }>(
      `SELECT table_name AS name FROM information_schema.tables
       WHERE table_schema = 'public' AND table_type = 'BASE TABLE' ORDER BY 1`,
    )
  ).map(({ name }) => name)
  const text = tables
    .map(
      (table) => `SELECT '${table}' AS name, md5(coalesce(string_agg(r, E'\\n' ORDER BY r), '')) AS hash
        FROM (SELECT (to_jsonb(t) - $1::text[])::text AS r FROM "${table}" t) s
        WHERE cardinality($2::text[]) = 0 OR r LIKE ANY ($2)`,
    )
    .join(' UNION ALL ')
  return {
    query,
    snapshot: async (mentioning = []) => {
      const rows = await query<{ name: string; hash: string }>(text, [
        ACTIVITY,
        mentioning.map((word) => `%${word}%`),
      ])
      return Object.fromEntries(rows.map(({ name, hash }) => [name, hash]))
    },
    settled: async () => {
      const owed = async () =>
        (
          await query(
            'SELECT 1 FROM deliveries WHERE delivered_at IS NULL AND failed_at IS NULL AND (not_before IS NULL OR not_before <= now())',
          )
        ).length
      await expect.poll(owed, { timeout: 15_000 }).toBe(0)
    },
    close: () => client.end(),
  }
}
