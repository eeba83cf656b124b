/**
 * All symmetric cryptography of the house, over node:crypto and nothing of our own design:
 * SHA-256 for high-entropy tokens at rest, HMAC-SHA-256 for low-entropy ones, AES-256-GCM for what
 * must be read again, HKDF-SHA-256 for one key per purpose. Proven by published vectors in the test.
 */
import {
  createCipheriv,
  createDecipheriv,
  createHash,
  createHmac,
  hkdfSync,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto'
import { env } from './env'

const derived = new Map<string, Buffer>()

/**
 * A key for one purpose: HKDF-SHA-256 (RFC 5869) of a master secret, the purpose as `info`.
 * `secret` defaults to the one that seals (the first of GATEHOUSE_SECRET).
 */
export function deriveKey(purpose: string, bytes = 32, secret: string = sealingSecret()): Buffer {
  const cacheKey = `${bytes}:${purpose}:${secret}`
  let key = derived.get(cacheKey)
  if (!key) {
    key = Buffer.from(hkdfSync('sha256', secret, 'gatehouse', purpose, bytes))
    derived.set(cacheKey, key)
  }
  return key
}

function sealingSecret(): string {
  const [first] = env().secrets
  if (!first) throw new Error('no GATEHOUSE_SECRET')
  return first
}

/** SHA-256 in base64url: how a high-entropy token is kept at rest. */
export const sha256 = (value: string | Uint8Array): string =>
  createHash('sha256').update(value).digest('base64url')

/** HMAC-SHA-256 in base64url under the purpose's key: how a short code or a name is kept at rest. */
export const hmac = (purpose: string, value: string): string => hmacUnder(sealingSecret(), purpose, value)

/**
 * The same under each of the secrets, the newest first: what was kept before a rotation is found by
 * any of them.
 */
export const hmacs = (purpose: string, value: string): string[] =>
  env().secrets.map((secret) => hmacUnder(secret, purpose, value))

/**
 * A bearer value that only who shows `value` can be given again: HMAC-SHA-512 of it, cut to `bytes`, under the
 * purpose's key. Nothing of it is kept; from its hash at rest and the secret together it cannot be made.
 * @returns base64url, under each of the secrets, the newest first
 */
export const successors = (purpose: string, value: string, bytes: number): string[] =>
  env().secrets.map((secret) =>
    createHmac('sha512', deriveKey(`successor:${purpose}`, 64, secret))
      .update(value)
      .digest()
      .subarray(0, bytes)
      .toString('base64url'),
  )

const hmacUnder = (secret: string, purpose: string, value: string): string =>
  createHmac('sha256', deriveKey(`hmac:${purpose}`, 32, secret))
    .update(value)
    .digest('base64url')

/** Compares without telling by time where two strings differ; only whether they are of one length. */
export function equal(a: string, b: string): boolean {
  const [x, y] = [Buffer.from(a), Buffer.from(b)]
  return x.length === y.length && timingSafeEqual(x, y)
}

/** AES-256-GCM (NIST SP 800-38D) with a 96-bit nonce and a 128-bit tag. @returns ciphertext ‖ tag */
export function encrypt(
  cipherKey: Uint8Array,
  nonce: Uint8Array,
  aad: Uint8Array,
  plain: Uint8Array,
): Buffer {
  const cipher = createCipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: TAG_BYTES })
  cipher.setAAD(aad)
  return Buffer.concat([cipher.update(plain), cipher.final(), cipher.getAuthTag()])
}

/** Opens what `encrypt` made. @throws Error when key, nonce, aad, ciphertext or tag are not the same */
export function decrypt(cipherKey: Uint8Array, nonce: Uint8Array, aad: Uint8Array, body: Uint8Array): Buffer {
  if (body.length < TAG_BYTES) throw new Error('ciphertext is too short')
  const decipher = createDecipheriv('aes-256-gcm', cipherKey, nonce, { authTagLength: TAG_BYTES })
  decipher.setAAD(aad)
  decipher.setAuthTag(body.subarray(-TAG_BYTES))
  return Buffer.concat([decipher.update(body.subarray(0, -TAG_BYTES)), decipher.final()])
}

const TAG_BYTES = 16
const NONCE_BYTES = 12

const idsBySecret = new Map<string, string>()

function keyId(secret: string): string {
  let id = idsBySecret.get(secret)
  if (!id) {
    id = sha256(`key-id:${secret}`).slice(0, 8)
    idsBySecret.set(secret, id)
  }
  return id
}

/** Key ids of all configured secrets, the one that seals first. */
export const keyIds = (): string[] => env().secrets.map(keyId)

/**
 * A keyed hash that outlives a rotation of secrets: HMAC-SHA-256 under the purpose's key, with the id of
 * that key. For what is compared long after it was made and cannot be made anew (a backup code).
 * @returns `v1.<key id>.<HMAC in base64url>` under each configured secret; the first is the one to keep
 */
export const keyedHashes = (purpose: string, value: string): [string, ...string[]] => {
  const hashes = env().secrets.map((secret) => {
    return `v1.${keyId(secret)}.${hmacUnder(secret, purpose, value)}`
  })
  const [first, ...older] = hashes
  if (!first) throw new Error('no GATEHOUSE_SECRET')
  return [first, ...older]
}

/**
 * Seals `plain` under the first secret with a random nonce and the purpose's key; `aad` is bound to
 * the result, so that a sealed value moved to another row or purpose does not open.
 * @returns `v1.<key id>.<nonce ‖ ciphertext ‖ tag in base64url>`
 */
export function seal(purpose: string, aad: string, plain: string): string {
  const secret = sealingSecret()
  const nonce = randomBytes(NONCE_BYTES)
  const body = encrypt(deriveKey(`seal:${purpose}`, 32, secret), nonce, Buffer.from(aad), Buffer.from(plain))
  return `v1.${keyId(secret)}.${Buffer.concat([nonce, body]).toString('base64url')}`
}

/**
 * Opens what `seal` made under any of the configured secrets.
 * @throws Error when it was tampered with, belongs to another purpose or `aad`, or its key is gone.
 */
export function open(purpose: string, aad: string, sealed: string): string {
  const [version, id, text] = sealed.split('.')
  const secret = env().secrets.find((candidate) => keyId(candidate) === id)
  if (version !== 'v1' || !secret || !text) throw new Error('sealed value cannot be opened: unknown key')
  const bytes = Buffer.from(text, 'base64url')
  const cipherKey = deriveKey(`seal:${purpose}`, 32, secret)
  return decrypt(
    cipherKey,
    bytes.subarray(0, NONCE_BYTES),
    Buffer.from(aad),
    bytes.subarray(NONCE_BYTES),
  ).toString('utf8')
}

/** Whether a sealed value was sealed by an older secret than the one that seals now. */
export const isSealedByOlder = (sealed: string): boolean => sealed.split('.')[1] !== keyId(sealingSecret())

/** Forgets derived keys (after the environment was replaced in a test). */
export function forgetKeys(): void {
  derived.clear()
  idsBySecret.clear()
}
