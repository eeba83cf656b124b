/** Passwords: the rules for a new one, its hash, and the comparison that tells nobody who exists. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { isBreached } from './breaches'
import { decoyHash, hashPassword, isOutdated, matches } from './hashing'
import * as store from './store'

/** NIST asks for at least 64; beyond this nobody types, and an attacker would make us work. */
export const MAX_LENGTH = 256
const MAX_BYTES = 4 * MAX_LENGTH

/**
 * The one form of a password that is counted and hashed: Unicode NFC (RFC 8265 OpaqueString), so that
 * two keyboards agree on "ü". Nothing is trimmed, folded or cut. Refused before any work is done on
 * it: what is not well-formed text, or longer than 256 code points (PW4).
 */
function prepare(plain: unknown): Result<string> {
  const field = 'password'
  if (typeof plain !== 'string') return refuse('invalid_input', { field })
  const tooLong = refuse('password_too_long', { field, values: { max: MAX_LENGTH } })
  if (plain.length > MAX_BYTES) return tooLong
  if (!plain.isWellFormed()) return refuse('invalid_input', { field })
  const normal = plain.normalize('NFC')
  return [...normal].length > MAX_LENGTH || Buffer.byteLength(normal) > MAX_BYTES ? tooLong : ok(normal)
}

export interface RuleContext {
  email?: string
  /** First, last and display name. */
  names?: string[]
  /** Asks for more than PASSWORD_MIN_LENGTH, for example where the password is the only factor. */
  minLength?: number
}

/** The lists take 60 ms and 20 MB to load: at the first new password (or `warm`), not at boot. */
const blocklist = () => import('./blocklist')

/**
 * Judges a new password (NIST SP 800-63B-4 section 3.1.1.2; ASVS 6.2.1 to 6.2.12): PASSWORD_MIN_LENGTH
 * to 256 code points, every character allowed, no composition rules; not made of the product's, host's
 * or person's own names; not common or easily guessed; not in a known leak (where PASSWORD_HIBP is on).
 * @returns refusal `password_too_short` (values.min), `password_too_long` (values.max),
 *   `password_context`, `password_common`, `password_breached` or `invalid_input`
 */
export async function rules(plain: string, context: RuleContext = {}): Promise<Result> {
  const prepared = prepare(plain)
  if (!prepared.ok) return prepared
  const field = 'password'
  const min = Math.max(env().passwordMinLength, context.minLength ?? 0)
  if ([...prepared.value].length < min) return refuse('password_too_short', { field, values: { min } })

  const { isGuessable, isMadeOf, wordsOf } = await blocklist()
  const words = expectedWords(context).flatMap(wordsOf)
  if (isMadeOf(prepared.value, words)) return refuse('password_context', { field })
  if (isGuessable(prepared.value, words)) return refuse('password_common', { field })
  if (await isBreached(prepared.value)) return refuse('password_breached', { field })
  return ok()
}

/** What an attacker would try with this person at this portal. */
function expectedWords({ email, names = [] }: RuleContext): string[] {
  const [local = '', domain = ''] = (email ?? '').split('@')
  const host = new URL(env().url).hostname
  // A top-level label such as "com" is not a word of the person's.
  const labels = [host, domain].map((name) => name.split('.').slice(0, -1).join('.') || name)
  return ['gatehouse', env().productName, ...labels, local, ...names]
}

/**
 * Hashes a password that passed `rules` (Argon2id, fresh salt, PHC string).
 * @returns refusal `busy` with `retryAfterSeconds` when the queue is full; `password_too_long`
 */
export async function hash(plain: string): Promise<Result<string>> {
  const prepared = prepare(plain)
  return prepared.ok ? await hashPassword(prepared.value) : prepared
}

/** Nobody's id: asking for it costs what asking for anybody's does. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/**
 * Compares a password. An unknown user (null) and one without a password cost the same statement and
 * the same hash as any other, and never match (ENU2). Spend the budgets before calling. On a match, a
 * hash of weaker parameters is replaced, unless the password was changed meanwhile.
 * @param known the password's hash, or that there is none, as the caller has just read it (`held`)
 * @returns refusal `busy`, or `password_too_long` before any work
 * @throws StoresDown
 */
export async function verify(
  userId: string | null,
  plain: string,
  known?: string | null,
): Promise<Result<{ match: boolean }>> {
  const prepared = prepare(plain)
  if (!prepared.ok) return prepared
  const read = known === undefined ? store.readHash(userId ?? NOBODY) : known
  const [stored, decoy] = await Promise.all([read, decoyHash()])
  const compared = await matches(stored ?? decoy, prepared.value)
  if (!compared.ok) return compared
  const match = compared.value && stored !== null && userId !== null
  if (match && isOutdated(stored)) await rehash(userId, stored, prepared.value)
  return ok({ match })
}

/** Of no harm when it fails: the next sign-in tries again. */
async function rehash(userId: string, old: string, plain: string): Promise<void> {
  try {
    const fresh = await hashPassword(plain)
    if (fresh.ok && (await store.replaceHash(userId, old, fresh.value))) {
      await record(null, { type: 'password.rehashed', userId, actor: 'system' })
    }
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'could not rehash')
  }
}

/**
 * Gives the user this password hash (from `hash`), in place of any other.
 * @param byMail a link in a mail was all it took to choose it
 */
export async function set(
  tx: Tx,
  userId: string,
  passwordHash: string,
  caller?: Caller,
  byMail = false,
): Promise<void> {
  const had = await store.writeHash(tx, userId, passwordHash, byMail)
  await record(tx, { type: had ? 'password.changed' : 'password.set', userId, caller })
}

/** Whether the user has a password at all. */
export const has = async (userId: string): Promise<boolean> => (await store.readHash(userId)) !== null

/** A factor other than a code by mail was given beside the password that was right at `at`. */
export const vouched = (userId: string, at: number): Promise<void> => store.writeVouched(userId, new Date(at))

/** Loads the lists and makes the decoy hash ahead of the first request. */
export async function warm(): Promise<void> {
  await Promise.all([decoyHash(), blocklist()])
}
