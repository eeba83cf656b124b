import { randomBytes, randomInt, randomUUID } from 'node:crypto'

/** A random (version 4) UUID: 122 random bits, fit for names of rows, not for bearer secrets. */
export const uuid = (): string => randomUUID()

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

/** True for a string that can name a row at all: anything else names none, and is no error of SQL. */
export const isUuid = (value: unknown): value is string => typeof value === 'string' && UUID.test(value)

/** A bearer secret: `bytes` random bytes (256 bits unless told) in base64url. ASVS 7.2.3. */
export const randomToken = (bytes = 32): string => randomBytes(bytes).toString('base64url')

/** A uniformly random decimal code of `length` digits, leading zeros kept. ASVS 6.5.3. */
export function randomDigits(length = 6): string {
  return randomInt(10 ** length)
    .toString()
    .padStart(length, '0')
}
