/**
 * Passkeys in Postgres, their challenges in Redis. Atomic here: a challenge is taken by GETDEL, so of any
 * number of answers one is judged; `recordUse` moves the counter on only if it is beyond the last, so of two
 * equal ones one passes; `insertPasskey` counts under a lock of the user.
 */
import { now, nowMs } from '../base/clock'
import { sql, type Tx } from '../base/db'
import { withRedis } from '../base/redis'

export type PasskeyKind = 'passkey' | 'security_key'

export interface PasskeyRecord {
  id: string
  user_id: string
  credential_id: Buffer
  public_key: Buffer
  /** bigint of the driver */
  counter: string
  device_type: 'singleDevice' | 'multiDevice'
  kind: PasskeyKind
  nickname: string
  transports: string[]
  aaguid: string | null
  created_at: Date
  last_used_at: Date | null
}

const COLUMNS = `p.id, p.user_id, p.credential_id, p.public_key, p.counter, p.device_type, p.kind,
  p.nickname, p.transports, p.aaguid, p.created_at, p.last_used_at`

/** A user's, oldest first. */
export const readPasskeys = (userId: string): Promise<PasskeyRecord[]> =>
  sql<PasskeyRecord>({
    name: 'passkeys-of-user',
    text: `SELECT ${COLUMNS} FROM passkey_credentials p WHERE p.user_id = $1 ORDER BY p.created_at, p.id`,
    values: [userId],
  })

/** The passkey of a credential id and its owner's user handle. */
export async function readByCredential(
  credentialId: Uint8Array,
): Promise<(PasskeyRecord & { handle: Buffer }) | null> {
  const [row] = await sql<PasskeyRecord & { handle: Buffer }>({
    name: 'passkey-by-credential',
    text: `SELECT ${COLUMNS}, u.webauthn_handle AS handle
           FROM passkey_credentials p JOIN users u ON u.id = p.user_id WHERE p.credential_id = $1`,
    values: [credentialId],
  })
  return row ?? null
}

/** The random name by which authenticators know a user; null when there is no such user. */
export async function readHandle(userId: string): Promise<Buffer | null> {
  const [row] = await sql<{ handle: Buffer }>({
    name: 'passkey-handle',
    text: 'SELECT webauthn_handle AS handle FROM users WHERE id = $1',
    values: [userId],
  })
  return row?.handle ?? null
}

export interface NewPasskey {
  credentialId: Uint8Array
  publicKey: Uint8Array
  algorithm: number
  counter: number
  deviceType: string
  backedUp: boolean
  transports: string[]
  aaguid: string
  kind: PasskeyKind
  nickname: string
}

/** @returns the row; `exists` when somebody, whoever, has this credential; `full` when the user has `max` */
export async function insertPasskey(
  tx: Tx,
  userId: string,
  made: NewPasskey,
  max: number,
): Promise<PasskeyRecord | 'exists' | 'full'> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('passkeys:' || ${userId}, 0))`
  if ((await tx.passkey.count({ where: { userId } })) >= max) return 'full'
  const [row] = await tx.$queryRaw<{ id: string; created_at: Date }[]>`
    INSERT INTO passkey_credentials
      (user_id, credential_id, public_key, algorithm, counter, device_type, backed_up, transports, aaguid,
       kind, nickname, created_at)
    VALUES (${userId}::uuid, ${made.credentialId}, ${made.publicKey}, ${made.algorithm}, ${made.counter},
            ${made.deviceType}, ${made.backedUp}, ${made.transports}::text[], ${made.aaguid}::uuid,
            ${made.kind}::passkey_kind, ${made.nickname}, ${now()})
    ON CONFLICT (credential_id) DO NOTHING
    RETURNING id::text, created_at`
  if (!row) return 'exists'
  return {
    id: row.id,
    user_id: userId,
    credential_id: Buffer.from(made.credentialId),
    public_key: Buffer.from(made.publicKey),
    counter: String(made.counter),
    device_type: made.deviceType as PasskeyRecord['device_type'],
    kind: made.kind,
    nickname: made.nickname,
    transports: made.transports,
    aaguid: made.aaguid,
    created_at: row.created_at,
    last_used_at: null,
  }
}

/**
 * Notes a use whose signature is right. The counter must be beyond the last; only an authenticator that
 * never counts may say zero again and again (WebAuthn section 6.1.1).
 * @returns false when the counter is not beyond the last, or the passkey is gone
 */
export async function recordUse(id: string, counter: number, backedUp: boolean): Promise<boolean> {
  const rows = await sql({
    name: 'passkey-use',
    text: `UPDATE passkey_credentials SET counter = $2, backed_up = $3, last_used_at = $4
           WHERE id = $1 AND (counter < $2 OR (counter = 0 AND $2 = 0)) RETURNING 1`,
    values: [id, counter, backedUp, now()],
  })
  return rows.length > 0
}

export async function exists(id: string): Promise<boolean> {
  const rows = await sql({
    name: 'passkey-exists',
    text: 'SELECT 1 FROM passkey_credentials WHERE id = $1',
    values: [id],
  })
  return rows.length > 0
}

/** @returns the name it had; null when the user has no such passkey */
export async function renamePasskey(
  tx: Tx,
  userId: string,
  id: string,
  nickname: string,
): Promise<{ kind: PasskeyKind; before: string } | null> {
  const [row] = await tx.$queryRaw<{ kind: PasskeyKind; before: string }[]>`
    UPDATE passkey_credentials p SET nickname = ${nickname}
    FROM (SELECT id, nickname AS before FROM passkey_credentials WHERE id = ${id}::uuid FOR UPDATE) o
    WHERE p.id = o.id AND p.user_id = ${userId}::uuid
    RETURNING p.kind::text AS kind, o.before`
  return row ?? null
}

export interface Removed {
  credentialId: Uint8Array
  nickname: string
  kind: PasskeyKind
  aaguid: string | null
}

export async function deletePasskey(tx: Tx, userId: string, id: string): Promise<Removed | null> {
  const [row] = await tx.$queryRaw<
    { credential_id: Uint8Array; nickname: string; kind: PasskeyKind; aaguid: string | null }[]
  >`
    DELETE FROM passkey_credentials WHERE id = ${id}::uuid AND user_id = ${userId}::uuid
    RETURNING credential_id, nickname, kind::text AS kind, aaguid::text AS aaguid`
  return (
    (row && {
      credentialId: row.credential_id,
      nickname: row.nickname,
      kind: row.kind,
      aaguid: row.aaguid,
    }) ??
    null
  )
}

/** What is kept of a challenge between question and answer. */
export interface Challenge {
  /** SHA-256 of the challenge as the browser has it. */
  hash: string
  /** Milliseconds since the epoch. */
  expiresAt: number
}

/** Keeps the newest challenge of a key; any older one is dead from now on. */
export async function putChallenge<T extends Challenge>(redisKey: string, challenge: T): Promise<void> {
  const life = Math.max(1, challenge.expiresAt - nowMs())
  await withRedis((client) => client.set(redisKey, JSON.stringify(challenge), 'PX', life))
}

/** Takes the challenge away, whatever comes of it; null when there is none, or its time is up. */
export async function takeChallenge<T extends Challenge>(redisKey: string): Promise<T | null> {
  const raw = await withRedis((client) => client.getdel(redisKey))
  const challenge = raw ? (JSON.parse(raw) as T) : null
  return challenge && challenge.expiresAt > nowMs() ? challenge : null
}
