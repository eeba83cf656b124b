/**
 * Guests in Postgres. Atomic: `insertGuest` writes one guest for one id, however often it is asked; `upgrade` has one
 * winner, because it asks for a guest and leaves none behind; `deleteGuests` never deletes somebody who became a
 * person meanwhile.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface GuestRow {
  id: string
  /** When they were last signed in anew. */
  seen_at: Date
}

/** Writes a guest: active, without address or name, in the role of guests. False when the id is taken. */
export async function insertGuest(tx: Tx, id: string, locale: string): Promise<boolean> {
  const at = now()
  const rows = await tx.$queryRaw<{ id: string }[]>`
    WITH u AS (
      INSERT INTO users (id, status, is_anonymous, default_role, locale, created_at, updated_at, last_seen_at)
      VALUES (${id}::uuid, 'active', true, 'anonymous', ${locale}, ${at}, ${at}, ${at})
      ON CONFLICT (id) DO NOTHING RETURNING id
    ), p AS (
      INSERT INTO profiles (user_id, updated_at) SELECT id, ${at}::timestamptz FROM u
    ), r AS (
      INSERT INTO user_roles (user_id, role_name, created_at) SELECT id, 'anonymous', ${at}::timestamptz FROM u
    )
    SELECT id FROM u`
  return rows.length === 1
}

export interface FullUser {
  id: string
  address: string
  firstName: string | null
  lastName: string | null
  locale: string
}

/**
 * Makes a person of a guest, with a proven address, or changes nothing at all: when they are no guest (any more), or
 * the address is verified for somebody. Call under `lockAddress`.
 */
export async function upgrade(tx: Tx, user: FullUser): Promise<'upgraded' | 'taken' | 'no_guest'> {
  const at = now()
  const [guest] = await tx.$queryRaw<{ id: string }[]>`
    SELECT id::text FROM users
    WHERE id = ${user.id}::uuid AND is_anonymous AND status = 'active' FOR UPDATE`
  if (!guest) return 'no_guest'
  const taken = await tx.$queryRaw<unknown[]>`
    SELECT 1 FROM emails WHERE address = ${user.address}::citext AND verified_at IS NOT NULL`
  if (taken.length > 0) return 'taken'
  await tx.$executeRaw`
    WITH u AS (
      UPDATE users SET is_anonymous = false, default_role = 'user', locale = ${user.locale}, updated_at = ${at}
      WHERE id = ${user.id}::uuid
    ), p AS (
      INSERT INTO profiles AS p (user_id, first_name, last_name, updated_at)
      VALUES (${user.id}::uuid, ${user.firstName}::text, ${user.lastName}::text, ${at})
      ON CONFLICT (user_id) DO UPDATE SET first_name = EXCLUDED.first_name, last_name = EXCLUDED.last_name,
        updated_at = EXCLUDED.updated_at
    ), r AS (
      INSERT INTO user_roles (user_id, role_name, created_at) VALUES (${user.id}::uuid, 'user', ${at})
      ON CONFLICT DO NOTHING
    ), g AS (
      DELETE FROM user_roles WHERE user_id = ${user.id}::uuid AND role_name = 'anonymous'
    )
    INSERT INTO emails (user_id, address, is_primary, verified_at, created_at, updated_at)
    VALUES (${user.id}::uuid, ${user.address}::citext, true, ${at}, ${at}, ${at})`
  return 'upgraded'
}

/** Guests who were not signed in anew since `before`, longest gone first, after the last one of the page before. */
export const readIdleGuests = (before: Date, after: GuestRow | null, limit: number): Promise<GuestRow[]> =>
  sql<GuestRow>({
    name: after ? 'users-idle-guests-after' : 'users-idle-guests',
    text: `SELECT id::text, COALESCE(last_seen_at, created_at) AS seen_at FROM users
      WHERE is_anonymous AND COALESCE(last_seen_at, created_at) < $2
        ${after ? 'AND (COALESCE(last_seen_at, created_at), id) > ($3, $4::uuid)' : ''}
      ORDER BY COALESCE(last_seen_at, created_at), id LIMIT $1`,
    values: after ? [limit, before, after.seen_at, after.id] : [limit, before],
  })

/** Deletes these guests, and all that hangs on them; whoever is no guest (any more) stays. @returns who went */
export async function deleteGuests(tx: Tx, ids: string[]): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    DELETE FROM users WHERE id = ANY(${ids}::uuid[]) AND is_anonymous RETURNING id::text`
  return rows.map((row) => row.id)
}
