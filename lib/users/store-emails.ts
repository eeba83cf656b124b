/**
 * The addresses of a person in Postgres, as the console changes them. Every change holds the user's row
 * (`lockUser`) first, so that two changes of one person follow each other; making an address a verified
 * one also holds `lockAddress`.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'
import type { EmailRow } from './store'

/** Claims an address for a user: unverified, so it blocks nobody. @returns the row, older or new */
export async function claimAddress(
  tx: Tx,
  userId: string,
  address: string,
): Promise<EmailRow & { fresh: boolean }> {
  const at = now()
  const [row] = await tx.$queryRaw<(EmailRow & { fresh: boolean })[]>`
    INSERT INTO emails (user_id, address, created_at, updated_at)
    VALUES (${userId}::uuid, ${address}::citext, ${at}, ${at})
    ON CONFLICT (user_id, address) DO UPDATE SET updated_at = EXCLUDED.updated_at
    RETURNING id::text, address::text, is_primary, verified_at, created_at, xmax = 0 AS fresh`
  if (!row) throw new Error('an address was neither written nor there')
  return row
}

export async function countAddresses(tx: Tx, userId: string): Promise<number> {
  return await tx.email.count({ where: { userId } })
}

/** All addresses of a user as `tx` sees them, primary first. */
export const addressesOf = (tx: Tx, userId: string): Promise<EmailRow[]> => tx.$queryRaw<EmailRow[]>`
  SELECT id::text, address::text, is_primary, verified_at, created_at FROM emails
  WHERE user_id = ${userId}::uuid ORDER BY is_primary DESC, created_at, id`

/** One address by its row, whoever's it is. */
export async function readAddress(id: string): Promise<(EmailRow & { user_id: string }) | null> {
  const [row] = await sql<EmailRow & { user_id: string }>({
    name: 'users-email',
    text: 'SELECT id, user_id, address, is_primary, verified_at, created_at FROM emails WHERE id = $1',
    values: [id],
  })
  return row ?? null
}

/** Makes one verified address the primary one, and no other. False when it is not the user's or not verified. */
export async function movePrimary(tx: Tx, userId: string, id: string): Promise<boolean> {
  const at = now()
  // The partial unique index on primaries is checked row by row: the old one steps down first.
  await tx.$executeRaw`
    UPDATE emails SET is_primary = false, updated_at = ${at}
    WHERE user_id = ${userId}::uuid AND is_primary AND EXISTS (
      SELECT 1 FROM emails e WHERE e.id = ${id}::uuid AND e.user_id = ${userId}::uuid AND e.verified_at IS NOT NULL)`
  const moved = await tx.$executeRaw`
    UPDATE emails SET is_primary = true, updated_at = ${at}
    WHERE id = ${id}::uuid AND user_id = ${userId}::uuid AND verified_at IS NOT NULL`
  return moved === 1
}

export async function deleteAddress(tx: Tx, userId: string, id: string): Promise<boolean> {
  const { count } = await tx.email.deleteMany({ where: { id, userId } })
  return count === 1
}

/**
 * Gives a user a verified address again that was theirs, also when it was removed meanwhile. Call under
 * `lockAddress`. @returns its row's id; null when it is somebody else's by now
 */
export async function restoreAddress(tx: Tx, userId: string, address: string): Promise<string | null> {
  const at = now()
  const [row] = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO emails (user_id, address, verified_at, created_at, updated_at)
    SELECT ${userId}::uuid, ${address}::citext, ${at}::timestamptz, ${at}::timestamptz, ${at}::timestamptz
    WHERE NOT EXISTS (
      SELECT 1 FROM emails WHERE address = ${address}::citext AND verified_at IS NOT NULL AND user_id <> ${userId}::uuid)
    ON CONFLICT (user_id, address) DO UPDATE
      SET verified_at = COALESCE(emails.verified_at, EXCLUDED.verified_at), updated_at = EXCLUDED.updated_at
    RETURNING id::text`
  // Somebody who kept an account whose other addresses are gone has a proven one again.
  if (row)
    await tx.$executeRaw`
      UPDATE users SET status = 'active', updated_at = ${at} WHERE id = ${userId}::uuid AND status = 'pending'`
  return row?.id ?? null
}

/** Removes every address but one that was claimed or verified at or after a moment. @returns the verified ones among them */
export async function deleteAddressesSince(
  tx: Tx,
  userId: string,
  keep: string,
  since: Date,
): Promise<string[]> {
  const rows = await tx.$queryRaw<{ address: string; verified_at: Date | null }[]>`
    DELETE FROM emails
    WHERE user_id = ${userId}::uuid AND id <> ${keep}::uuid
      AND COALESCE(verified_at, created_at) >= ${since}::timestamptz
    RETURNING address::text, verified_at`
  return rows.filter((row) => row.verified_at).map((row) => row.address)
}

export interface Reach {
  /** BCP 47. */
  locale: string
  /** Every proven one, primary first. */
  addresses: string[]
  /** The proven number of somebody who wants text messages too. */
  texts: string | null
}

/** Where and in which language a person can be told something. */
export async function readReach(tx: Tx, userId: string): Promise<Reach | null> {
  const [row] = await tx.$queryRaw<Reach[]>`
    SELECT u.locale, ARRAY(
      SELECT e.address::text FROM emails e WHERE e.user_id = u.id AND e.verified_at IS NOT NULL
      ORDER BY e.is_primary DESC, e.created_at) AS addresses,
      CASE WHEN u.security_texts THEN (
        SELECT p.number FROM phones p WHERE p.user_id = u.id AND p.verified_at IS NOT NULL
        ORDER BY p.is_primary DESC, p.created_at LIMIT 1) END AS texts
    FROM users u WHERE u.id = ${userId}::uuid AND u.status <> 'deleted'`
  return row ?? null
}
