/**
 * Closed accounts in Postgres. Every change holds the user's row, so of keeping and erasing one wins. Atomic: `eraseUser`
 * deletes nobody whose account was kept meanwhile or whose day has not come; `giveBack` takes nothing from whoever proved
 * it since (under `lockAddress` and `lockNumber`).
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

/**
 * Closes the account of a user who is locked (`lockUser`): sessions, sign-ins under way and trusted browsers are of an
 * old version, and what was proven is free for anybody.
 */
export async function writeClosed(tx: Tx, id: string, eraseAt: Date): Promise<void> {
  const at = now()
  await tx.$executeRaw`
    UPDATE users SET status = 'deleted', deleted_at = ${at}, erase_at = ${eraseAt}, updated_at = ${at},
      session_version = session_version + 1, factor_version = factor_version + 1
    WHERE id = ${id}::uuid`
  await tx.$executeRaw`
    UPDATE emails SET held_since = verified_at, verified_at = NULL, updated_at = ${at}
    WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL`
  await tx.$executeRaw`
    UPDATE phones SET held_since = verified_at, verified_at = NULL, updated_at = ${at}
    WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL`
}

/**
 * Locks a closed account's row for the rest of the transaction.
 * @returns when it is erased; null when there is no such closed account (any more)
 */
export async function lockClosed(tx: Tx, id: string): Promise<Date | null> {
  const [row] = await tx.$queryRaw<{ erase_at: Date }[]>`
    SELECT erase_at FROM users WHERE id = ${id}::uuid AND status = 'deleted' FOR NO KEY UPDATE`
  return row?.erase_at ?? null
}

export interface Held {
  addresses: string[]
  numbers: string[]
}

/** What a closed account had proven, in an order that everybody locks it in. */
export async function readHeld(tx: Tx, id: string): Promise<Held> {
  const [row] = await tx.$queryRaw<Held[]>`
    SELECT ARRAY(SELECT lower(address::text) FROM emails WHERE user_id = ${id}::uuid AND held_since IS NOT NULL ORDER BY 1)
             AS addresses,
           ARRAY(SELECT number FROM phones WHERE user_id = ${id}::uuid AND held_since IS NOT NULL ORDER BY 1) AS numbers`
  return row ?? { addresses: [], numbers: [] }
}

/**
 * Opens a closed account again with whatever of its addresses and numbers nobody proved since; the rest is gone from it.
 * @returns what it has again
 */
export async function giveBack(tx: Tx, id: string): Promise<Held> {
  const at = now()
  const addresses = await tx.$queryRaw<{ address: string }[]>`
    UPDATE emails SET verified_at = held_since, held_since = NULL, updated_at = ${at}
    WHERE user_id = ${id}::uuid AND held_since IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM emails o WHERE o.address = emails.address AND o.verified_at IS NOT NULL)
    RETURNING address::text`
  const numbers = await tx.$queryRaw<{ number: string }[]>`
    UPDATE phones SET verified_at = held_since, held_since = NULL, updated_at = ${at}
    WHERE user_id = ${id}::uuid AND held_since IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM phones o WHERE o.number = phones.number AND o.verified_at IS NOT NULL)
    RETURNING number`
  await tx.$executeRaw`DELETE FROM emails WHERE user_id = ${id}::uuid AND held_since IS NOT NULL`
  await tx.$executeRaw`DELETE FROM phones WHERE user_id = ${id}::uuid AND held_since IS NOT NULL`
  await tx.$executeRaw`
    UPDATE emails SET is_primary = true WHERE id = (
      SELECT id FROM emails WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL ORDER BY verified_at, id LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM emails WHERE user_id = ${id}::uuid AND is_primary)`
  await tx.$executeRaw`
    UPDATE phones SET is_primary = true WHERE id = (
      SELECT id FROM phones WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL ORDER BY verified_at, id LIMIT 1)
    AND NOT EXISTS (SELECT 1 FROM phones WHERE user_id = ${id}::uuid AND is_primary)`
  await tx.$executeRaw`
    UPDATE users SET deleted_at = NULL, erase_at = NULL, updated_at = ${at},
      status = (CASE WHEN disabled_at IS NOT NULL THEN 'disabled'
        WHEN EXISTS (SELECT 1 FROM emails WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL) THEN 'active'
        ELSE 'pending' END)::user_status
    WHERE id = ${id}::uuid`
  return {
    addresses: addresses.map(({ address }) => address).sort(),
    numbers: numbers.map(({ number }) => number).sort(),
  }
}

export interface ClosedRow {
  id: string
  address: string | null
  deleted_at: Date
  erase_at: Date
}

/** Closed accounts by the day they are erased, soonest first, after the last one of the page before. */
export const readClosed = (after: ClosedRow | null, limit: number): Promise<ClosedRow[]> =>
  sql<ClosedRow>({
    name: after ? 'users-closed-after' : 'users-closed',
    text: `SELECT u.id::text, e.address::text, u.deleted_at, u.erase_at FROM users u
      LEFT JOIN emails e ON e.user_id = u.id AND e.is_primary
      WHERE u.erase_at IS NOT NULL ${after ? 'AND (u.erase_at, u.id) > ($2, $3::uuid)' : ''}
      ORDER BY u.erase_at, u.id LIMIT $1`,
    values: after ? [limit, after.erase_at, after.id] : [limit],
  })

/** One of them, by the primary address it had or by its id. The one closed last, where several had that address. */
export async function findClosed(name: { id: string } | { address: string }): Promise<ClosedRow | null> {
  const by = 'id' in name ? 'u.id = $1::uuid' : 'e.address = $1'
  const [row] = await sql<ClosedRow>({
    name: 'id' in name ? 'users-closed-by-id' : 'users-closed-by-address',
    text: `SELECT u.id::text, e.address::text, u.deleted_at, u.erase_at FROM users u
      LEFT JOIN emails e ON e.user_id = u.id AND e.is_primary
      WHERE u.status = 'deleted' AND u.erase_at IS NOT NULL AND ${by} ORDER BY u.deleted_at DESC LIMIT 1`,
    values: ['id' in name ? name.id : name.address],
  })
  return row ?? null
}

/** Brings the day forward to now. False when there is no such closed account. */
export async function writeEraseNow(tx: Tx, id: string): Promise<boolean> {
  const at = now()
  const count = await tx.$executeRaw`
    UPDATE users SET erase_at = ${at} WHERE id = ${id}::uuid AND status = 'deleted' AND erase_at > ${at}`
  return count > 0
}

/** Deletes a closed account whose day has come, and all that hangs on it. False when it is not (any more) one. */
export async function eraseUser(tx: Tx, id: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    DELETE FROM users WHERE id = ${id}::uuid AND status = 'deleted' AND erase_at <= ${now()}`
  return count === 1
}
