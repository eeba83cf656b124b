/**
 * The users room's SQL about phone numbers.
 *
 * Atomic here: whoever makes a number verified holds `lockNumber` first, so the partial unique index on
 * verified numbers is never violated; `removePhone` and `makePrimary` run under `lockUser`.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface PhoneRow {
  id: string
  number: string
  is_primary: boolean
  verified_at: Date | null
  created_at: Date
  /** Somebody else has proven this number. */
  taken: boolean
}

/** Primary first, then oldest first. Of a closed account as they were. */
export const readPhones = (userId: string): Promise<PhoneRow[]> =>
  sql<PhoneRow>({
    name: 'users-phones',
    text: `SELECT p.id, p.number, p.is_primary, COALESCE(p.verified_at, p.held_since) AS verified_at, p.created_at,
             EXISTS (SELECT 1 FROM phones o WHERE o.number = p.number AND o.verified_at IS NOT NULL
                     AND o.user_id <> p.user_id) AS taken
           FROM phones p WHERE p.user_id = $1 ORDER BY p.is_primary DESC, p.created_at, p.id`,
    values: [userId],
  })

/** Serialises everyone who makes this number verified, until the transaction ends. */
export async function lockNumber(tx: Tx, number: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('phone:' || ${number}, 0))`
}

/** The user's claim to a number, made now if there was none. @returns null beyond `max` numbers */
export async function claimPhone(
  tx: Tx,
  userId: string,
  number: string,
  max: number,
): Promise<{ id: string; added: boolean; verified: boolean } | null> {
  const own = await tx.phone.findMany({
    where: { userId },
    select: { id: true, number: true, verifiedAt: true },
  })
  const same = own.find((row) => row.number === number)
  if (same) return { id: same.id, added: false, verified: same.verifiedAt !== null }
  if (own.length >= max) return null
  const at = now()
  const row = await tx.phone.create({
    data: { userId, number, createdAt: at, updatedAt: at },
    select: { id: true },
  })
  return { id: row.id, added: true, verified: false }
}

/**
 * Makes a number the user claims a verified one, and the primary when there is none; unverified claims
 * of others to it go. Call under `lockNumber`.
 * @returns whose claims went, or why it was not done
 */
export async function verifyNumber(
  tx: Tx,
  userId: string,
  number: string,
): Promise<{ outcome: 'verified' | 'already' | 'taken' | 'unclaimed'; voided: string[]; id: string }> {
  const rows = await tx.phone.findMany({
    // What closed accounts had proven is no claim.
    where: { number, heldSince: null },
    select: { id: true, userId: true, verifiedAt: true },
  })
  const own = rows.find((row) => row.userId === userId)
  const no = (outcome: 'already' | 'taken' | 'unclaimed') => ({ outcome, voided: [], id: own?.id ?? '' })
  if (rows.some((row) => row.userId !== userId && row.verifiedAt)) return no('taken')
  if (!own) return no('unclaimed')
  if (own.verifiedAt) return no('already')
  const at = now()
  const primary = await tx.phone.count({ where: { userId, isPrimary: true } })
  await tx.phone.update({
    where: { id: own.id },
    data: { verifiedAt: at, updatedAt: at, isPrimary: primary === 0 },
    select: { id: true },
  })
  const voided = await dropOtherClaims(tx, userId, number)
  await touchUser(tx, userId)
  return { outcome: 'verified', voided, id: own.id }
}

/**
 * Removes every unverified claim of others to a number that now has an owner, but for what closed accounts had proven:
 * that is no claim. @returns whose claims went
 */
export async function dropOtherClaims(tx: Tx, userId: string, number: string): Promise<string[]> {
  const rows = await tx.$queryRaw<{ user_id: string }[]>`
    DELETE FROM phones
    WHERE number = ${number} AND verified_at IS NULL AND held_since IS NULL AND user_id <> ${userId}::uuid
    RETURNING user_id::text`
  return rows.map((row) => row.user_id)
}

/** @returns the number, or null when the user has no such one */
export const readPhone = (
  tx: Tx,
  userId: string,
  id: string,
): Promise<{ number: string; isPrimary: boolean; verifiedAt: Date | null } | null> =>
  tx.phone.findFirst({
    where: { id, userId },
    select: { number: true, isPrimary: true, verifiedAt: true },
  })

/** Makes a number the primary in the place of another. */
export async function makePrimary(tx: Tx, userId: string, id: string): Promise<void> {
  const updatedAt = now()
  await tx.phone.updateMany({ where: { userId, isPrimary: true }, data: { isPrimary: false, updatedAt } })
  await tx.phone.updateMany({ where: { userId, id }, data: { isPrimary: true, updatedAt } })
  await touchUser(tx, userId)
}

/** Removes a number; the oldest verified one left becomes the primary where there is none. */
export async function removePhone(tx: Tx, userId: string, id: string): Promise<void> {
  await tx.phone.deleteMany({ where: { userId, id } })
  const [first, primary] = await Promise.all([
    tx.phone.findFirst({
      where: { userId, verifiedAt: { not: null } },
      orderBy: [{ createdAt: 'asc' }, { id: 'asc' }],
      select: { id: true },
    }),
    tx.phone.count({ where: { userId, isPrimary: true } }),
  ])
  if (first && primary === 0) await makePrimary(tx, userId, first.id)
  await touchUser(tx, userId)
}

/** The claims about a user are as new as the user: what apps were told is read again. */
async function touchUser(tx: Tx, userId: string): Promise<void> {
  await tx.user.updateMany({ where: { id: userId }, data: { updatedAt: now() } })
}

const COUNT = `SELECT
  (SELECT count(*)::int FROM emails WHERE user_id = $1::uuid AND verified_at IS NOT NULL) AS emails,
  (SELECT count(*)::int FROM phones WHERE user_id = $1::uuid AND verified_at IS NOT NULL) AS phones`

/** How many verified addresses and numbers a user has. */
export async function countVerified(
  tx: Tx | null,
  userId: string,
): Promise<{ emails: number; phones: number }> {
  type Row = { emails: number; phones: number }
  const [row] = tx
    ? await tx.$queryRawUnsafe<Row[]>(COUNT, userId)
    : await sql<Row>({ name: 'users-ways-back', text: COUNT, values: [userId] })
  return { emails: row?.emails ?? 0, phones: row?.phones ?? 0 }
}

/** The user whose verified number this is. */
export async function readOwner(number: string): Promise<string | null> {
  const [row] = await sql<{ user_id: string }>({
    name: 'users-by-number',
    text: `SELECT p.user_id FROM phones p JOIN users u ON u.id = p.user_id
           WHERE p.number = $1 AND p.verified_at IS NOT NULL AND u.status <> 'deleted'`,
    values: [number],
  })
  return row?.user_id ?? null
}

/** The row of whoever proved a number, disabled people's too. */
export const ownedPhone = (tx: Tx, number: string): Promise<{ id: string; userId: string } | null> =>
  tx.phone.findFirst({ where: { number, verifiedAt: { not: null } }, select: { id: true, userId: true } })

/** Whether somebody wants to be told of security changes by text message too. */
export async function readTexts(userId: string): Promise<boolean> {
  const [row] = await sql<{ on: boolean }>({
    name: 'users-texts',
    text: 'SELECT security_texts AS "on" FROM users WHERE id = $1',
    values: [userId],
  })
  return row?.on ?? false
}

/** @returns false when it was so already */
export async function setTexts(tx: Tx, userId: string, on: boolean): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE users SET security_texts = ${on} WHERE id = ${userId}::uuid AND security_texts <> ${on}
      AND (NOT ${on} OR EXISTS (SELECT 1 FROM phones p WHERE p.user_id = users.id AND p.verified_at IS NOT NULL))`
  return count > 0
}
