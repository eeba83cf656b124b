/**
 * The factors room's only SQL and Redis: passwords, one-time codes, and what a user has enrolled.
 *
 * Atomic here: `tryCode` counts, compares and consumes in one script, so neither a hundred tries at
 * once nor two right ones get more than they should; `replaceHash` only replaces the hash it was shown.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'
import { withRedis } from '../base/redis'
import { keyIds } from '../base/secrets'

export async function readHash(userId: string): Promise<string | null> {
  const [row] = await sql<{ hash: string }>({
    name: 'factors-password',
    text: 'SELECT hash FROM passwords WHERE user_id = $1',
    values: [userId],
  })
  return row?.hash ?? null
}

/** @returns whether there was another password before */
export async function writeHash(tx: Tx, userId: string, hash: string, byMail: boolean): Promise<boolean> {
  const [row] = await tx.$queryRaw<{ had: boolean }[]>`
    INSERT INTO passwords (user_id, hash, changed_at, by_mail)
    VALUES (${userId}::uuid, ${hash}, ${now()}, ${byMail})
    ON CONFLICT (user_id) DO UPDATE SET hash = EXCLUDED.hash, changed_at = EXCLUDED.changed_at,
      by_mail = EXCLUDED.by_mail
    RETURNING xmax <> 0 AS had`
  return row?.had ?? false
}

/** From now on it is the person's own. One that was chosen after `at` is another password. */
export async function writeVouched(userId: string, at: Date): Promise<void> {
  await sql({
    name: 'factors-password-vouched',
    text: 'UPDATE passwords SET by_mail = false WHERE user_id = $1 AND by_mail AND changed_at <= $2',
    values: [userId, at],
  })
}

/** The same password under other parameters: `changed_at` stays. False when it was changed meanwhile. */
export async function replaceHash(userId: string, old: string, fresh: string): Promise<boolean> {
  const rows = await sql({
    name: 'factors-rehash',
    text: 'UPDATE passwords SET hash = $3 WHERE user_id = $1 AND hash = $2 RETURNING user_id',
    values: [userId, old, fresh],
  })
  return rows.length > 0
}

export interface Enrolled {
  password: boolean
  totp: number
  passkeys: number
  securityKeys: number
  /** Not yet used, and their key still known. */
  backupCodes: number
}

export interface HeldRow {
  hash: string | null
  by_mail: boolean | null
  totp: number
  passkeys: number
  security_keys: number
  backup_codes: number
}

/** A user's password and how much else there is: a query of one row, for nobody too. `who` and `keys` are expressions. */
export const heldSql = (who: string, keys: string): string => `
  SELECT p.hash, p.by_mail, (SELECT count(*)::int FROM totps t WHERE t.user_id = w.id) AS totp, k.*,
    (SELECT count(*)::int FROM backup_codes b WHERE b.user_id = w.id AND b.used_at IS NULL
      AND split_part(b.hash, '.', 2) = ANY(${keys}::text[])) AS backup_codes
  FROM (SELECT ${who} AS id) w LEFT JOIN passwords p ON p.user_id = w.id CROSS JOIN LATERAL (
    SELECT (count(*) FILTER (WHERE c.kind = 'passkey'))::int AS passkeys,
      (count(*) FILTER (WHERE c.kind = 'security_key'))::int AS security_keys
    FROM passkey_credentials c WHERE c.user_id = w.id) k`

/** What a user holds, as one statement has read it. */
export interface Held {
  hash: string | null
  /**
   * The password proves no more than a mailbox: it was chosen by a link sent there, and no other factor was given beside it
   * since. A code sent to the same mailbox is then no second factor (REC4).
   */
  byMail: boolean
  enrolled: Enrolled
}

export const toHeld = (row: HeldRow): Held => ({
  hash: row.hash,
  byMail: row.by_mail ?? false,
  enrolled: {
    password: row.hash !== null,
    totp: row.totp,
    passkeys: row.passkeys,
    securityKeys: row.security_keys,
    backupCodes: row.backup_codes,
  },
})

export async function readHeld(userId: string): Promise<Held> {
  const [row] = await sql<HeldRow>({
    name: 'factors-held',
    text: heldSql('$1::uuid', '$2'),
    values: [userId, keyIds()],
  })
  if (!row) throw new Error('what a user holds is always one row')
  return toHeld(row)
}

export async function deleteSecondFactors(tx: Tx, userId: string): Promise<Omit<Enrolled, 'password'>> {
  const { count: totp } = await tx.totp.deleteMany({ where: { userId } })
  const { count: passkeys } = await tx.passkey.deleteMany({ where: { userId, kind: 'passkey' } })
  const { count: securityKeys } = await tx.passkey.deleteMany({ where: { userId, kind: 'security_key' } })
  const { count: backupCodes } = await tx.backupCode.deleteMany({ where: { userId, usedAt: null } })
  await tx.backupCode.deleteMany({ where: { userId } })
  return { totp, passkeys, securityKeys, backupCodes }
}

/** KEYS[1] the code's hash. ARGV: HMAC, end and life in ms, for whom. The older code and its tries are gone. */
const PUT_CODE = `
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'hmac', ARGV[1], 'end', ARGV[2], 'for', ARGV[4], 'tries', 0)
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1`

/**
 * KEYS[1] the code's hash. ARGV: now in ms, most tries, HMACs of the guess (one for each secret). The try is counted before
 * it is compared. A right guess deletes the hash; the last wrong one deletes the HMAC and leaves the
 * count, so that what follows is told "exhausted" and not "expired". Comparing HMACs needs no constant
 * time: who cannot compute them learns nothing from their first differing byte.
 */
const TRY_CODE = `
local found = redis.call('HMGET', KEYS[1], 'hmac', 'end')
if not found[2] then return 'gone' end
if tonumber(found[2]) <= tonumber(ARGV[1]) then redis.call('DEL', KEYS[1]) return 'gone' end
if not found[1] then return 'exhausted' end
local tries = redis.call('HINCRBY', KEYS[1], 'tries', 1)
for i = 3, #ARGV do
  if found[1] == ARGV[i] then redis.call('DEL', KEYS[1]) return 'right' end
end
if tries >= tonumber(ARGV[2]) then redis.call('HDEL', KEYS[1], 'hmac') return 'last' end
return 'wrong'`

/** KEYS[1] the code's hash. ARGV: its HMAC, its new end and life in ms. Only if it is still this one, and alive. */
const RENEW_CODE = `
if redis.call('HGET', KEYS[1], 'hmac') ~= ARGV[1] then return 0 end
redis.call('HSET', KEYS[1], 'end', ARGV[2])
return redis.call('PEXPIRE', KEYS[1], ARGV[3])`

/** Lets the life of a code begin now; of one that was used, replaced or is over nothing. */
export async function renewCode(
  redisKey: string,
  code: { hmac: string; endMs: number; lifeMs: number },
): Promise<void> {
  await withRedis((client) => client.eval(RENEW_CODE, 1, redisKey, code.hmac, code.endMs, code.lifeMs))
}

/** Keeps the newest code of a key; any older one is dead from now on. */
export async function putCode(
  redisKey: string,
  code: { hmac: string; endMs: number; lifeMs: number; boundTo: string },
): Promise<void> {
  await withRedis((client) =>
    client.eval(PUT_CODE, 1, redisKey, code.hmac, code.endMs, code.lifeMs, code.boundTo),
  )
}

/** When the newest code of a key ends, and the HMAC of what it is bound to; null when there is none. */
export async function readCode(redisKey: string): Promise<{ endMs: number; boundTo: string } | null> {
  const [end, boundTo] = await withRedis((client) => client.hmget(redisKey, 'end', 'for'))
  return end && boundTo ? { endMs: Number(end), boundTo } : null
}

export type Try = 'right' | 'wrong' | 'last' | 'exhausted' | 'gone'

export async function tryCode(
  redisKey: string,
  guess: { hmacs: string[]; nowMs: number; maxTries: number },
): Promise<Try> {
  return (await withRedis((client) =>
    client.eval(TRY_CODE, 1, redisKey, guess.nowMs, guess.maxTries, ...guess.hmacs),
  )) as Try
}
