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

/** Whether the password was chosen by a link in a mail and nothing else has vouched for it since. */
export async function readByMail(userId: string): Promise<boolean> {
  const rows = await sql({
    name: 'factors-password-by-mail',
    text: 'SELECT 1 FROM passwords WHERE user_id = $1 AND by_mail',
    values: [userId],
  })
  return rows.length > 0
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

export async function readEnrolled(userId: string): Promise<Enrolled> {
  const [row] = await sql<{
    password: boolean
    totp: number
    passkeys: number
    security_keys: number
    backup_codes: number
  }>({
    name: 'factors-enrolled',
    text: `SELECT EXISTS (SELECT 1 FROM passwords WHERE user_id = $1) AS password,
      (SELECT count(*)::int FROM totps WHERE user_id = $1) AS totp,
      (SELECT count(*)::int FROM passkey_credentials WHERE user_id = $1 AND kind = 'passkey') AS passkeys,
      (SELECT count(*)::int FROM passkey_credentials WHERE user_id = $1 AND kind = 'security_key') AS security_keys,
      (SELECT count(*)::int FROM backup_codes WHERE user_id = $1 AND used_at IS NULL
        AND split_part(hash, '.', 2) = ANY($2::text[])) AS backup_codes`,
    values: [userId, keyIds()],
  })
  return {
    password: row?.password ?? false,
    totp: row?.totp ?? 0,
    passkeys: row?.passkeys ?? 0,
    securityKeys: row?.security_keys ?? 0,
    backupCodes: row?.backup_codes ?? 0,
  }
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
