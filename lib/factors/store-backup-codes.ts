/**
 * Backup codes in Postgres. Atomic here: `takeCode` is one UPDATE whose condition holds for one transaction
 * only; `replaceCodes` holds a lock of the user's, so that of two sets made at once the later one is left.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

/** The older set is gone. */
export async function replaceCodes(
  tx: Tx,
  userId: string,
  setId: string,
  hashes: readonly string[],
): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('backup-codes:' || ${userId}, 0))`
  const createdAt = now()
  await tx.backupCode.deleteMany({ where: { userId } })
  await tx.backupCode.createMany({ data: hashes.map((hash) => ({ userId, setId, hash, createdAt })) })
}

/** Uses up the code with one of these hashes. @returns false when there is none that is unused */
export async function takeCode(tx: Tx, userId: string, hashes: readonly string[]): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE backup_codes SET used_at = ${now()}
    WHERE user_id = ${userId}::uuid AND hash = ANY(${[...hashes]}::text[]) AND used_at IS NULL`
  return count > 0
}

/** Unused codes, of those whose key (by its id in the hash) is still known. */
export async function countLeft(tx: Tx, userId: string, keyIds: readonly string[]): Promise<number> {
  const [row] = await tx.$queryRaw<{ left: number }[]>`
    SELECT count(*)::int AS left FROM backup_codes
    WHERE user_id = ${userId}::uuid AND used_at IS NULL AND split_part(hash, '.', 2) = ANY(${[...keyIds]}::text[])`
  return row?.left ?? 0
}

export interface BackupCodes {
  /** Not yet used. */
  left: number
  total: number
  createdAt: Date
}

export async function readCodes(userId: string, keyIds: readonly string[]): Promise<BackupCodes | null> {
  const [row] = await sql<{ left: number; total: number; createdAt: Date | null }>({
    name: 'factors-backup-codes',
    text: `SELECT count(*) FILTER (WHERE used_at IS NULL AND split_part(hash, '.', 2) = ANY($2::text[]))::int AS left,
             count(*)::int AS total, min(created_at) AS "createdAt"
           FROM backup_codes WHERE user_id = $1`,
    values: [userId, keyIds],
  })
  return row?.createdAt ? { left: row.left, total: row.total, createdAt: row.createdAt } : null
}

/** @returns how many unused ones died */
export async function deleteCodes(tx: Tx, userId: string): Promise<number> {
  const { count } = await tx.backupCode.deleteMany({ where: { userId, usedAt: null } })
  await tx.backupCode.deleteMany({ where: { userId } })
  return count
}
