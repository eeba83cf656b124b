/**
 * Backup codes: ten, shown once, each good once, in place of the second factor that is not at hand. Twelve
 * characters carry 57 bits; at rest there is a keyed hash of each, bound to its user (REC1, ASVS 6.5.2).
 */
import { randomInt } from 'node:crypto'
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { uuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { keyedHashes, keyIds } from '../base/secrets'
import * as store from './store-backup-codes'

export type { BackupCodes } from './store-backup-codes'

export const CODES_IN_A_SET = 10
/** Without 0 1 i l o, and of 2/z, 5/s, 8/b and u/v only one each. */
const ALPHABET = '23456789acdefghjkmnpqrtvwxy'
/** What a reader of bad handwriting makes of the ones left out. */
const MEANT: Record<string, string> = { z: '2', s: '5', b: '8', u: 'v' }
const LENGTH = 12
const GROUP = 4

const newCode = (): string =>
  Array.from({ length: LENGTH }, () => ALPHABET[randomInt(ALPHABET.length)]).join('')

const hashes = (userId: string, code: string): [string, ...string[]] =>
  keyedHashes('backup-code', JSON.stringify([userId, code]))

/** The one form of a code, whatever its case, blanks and dashes; null when it cannot be one. */
function plainCode(typed: unknown): string | null {
  if (typeof typed !== 'string' || typed.length > 100) return null
  const code = typed
    .normalize('NFKC')
    .toLowerCase()
    .replace(/[\s\p{Pd}_.·]/gu, '')
    .replace(/[zsbu]/g, (letter) => MEANT[letter] ?? letter)
  return code.length === LENGTH && [...code].every((letter) => ALPHABET.includes(letter)) ? code : null
}

/**
 * Makes a new set in `tx`; the older one is void.
 * @returns ten codes such as `k7wm-3xqa-94tp`, to be shown this once: they are kept nowhere
 */
export async function generate(tx: Tx, userId: string, caller: Caller): Promise<string[]> {
  const codes = new Set<string>()
  while (codes.size < CODES_IN_A_SET) codes.add(newCode())
  const kept = [...codes].map((code) => hashes(userId, code)[0])
  await store.replaceCodes(tx, userId, uuid(), kept)
  await record(tx, { type: 'backup_codes.made', userId, caller, data: { count: codes.size } })
  return [...codes].map((code) => code.match(new RegExp(`.{${GROUP}}`, 'g'))?.join('-') ?? code)
}

/**
 * Takes a backup code, forgiving of case, blanks and dashes. Good once, also of two at once. Spend a try first
 * (`tries.spendSecond`).
 * @param also commits with the use of the code, such as the mail that tells of it
 * @returns how many are left; refusal `backup_code_wrong`
 * @throws StoresDown
 */
export async function verify(
  userId: string,
  typed: string,
  caller: Caller,
  also?: (tx: Tx, left: number) => Promise<void>,
): Promise<Result<{ left: number }>> {
  const wrong = refuse('backup_code_wrong', { field: 'code' })
  const code = plainCode(typed)
  if (!code) return wrong
  const left = await inTx(async (tx) => {
    if (!(await store.takeCode(tx, userId, hashes(userId, code)))) return null
    const rest = await store.countLeft(tx, userId, keyIds())
    await record(tx, { type: 'backup_code.used', userId, caller, data: { left: rest } })
    await also?.(tx, rest)
    return rest
  })
  if (left !== null) return ok({ left })
  await record(null, { type: 'backup_code.failed', outcome: 'failure', userId, caller })
  return wrong
}

/** A user's set: how many are left, of how many, made when; null when there is none. */
export const status = (userId: string): Promise<store.BackupCodes | null> => store.readCodes(userId, keyIds())

/** Voids a user's codes in `tx`. @returns how many unused ones there were */
export async function voidAll(tx: Tx, userId: string, caller?: Caller): Promise<number> {
  const count = await store.deleteCodes(tx, userId)
  if (count > 0) await record(tx, { type: 'backup_codes.voided', userId, caller, data: { count } })
  return count
}
