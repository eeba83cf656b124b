/**
 * The arithmetic of authenticator apps: RFC 6238 as every app speaks it (SHA-1, six digits, steps of 30
 * seconds). By otplib, over node:crypto like all cryptography of the house.
 */
import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'
import { type CryptoPlugin, generateSecret, generateURI, verifySync } from 'otplib'
import QRCode from 'qrcode'
import { nowSeconds } from '../base/clock'

export const STEP_SECONDS = 30
/** One step of drift to either side (RFC 6238 section 5.2). */
const DRIFT_STEPS = 1
/** RFC 4226 section 4 recommends 160 bits. */
const SECRET_BYTES = 20
/** What a picture of readable size can hold beside the secret. */
const MAX_LABEL = 100

const crypto: CryptoPlugin = {
  name: 'node',
  hmac: (algorithm, key, data) => createHmac(algorithm, key).update(data).digest(),
  randomBytes,
  constantTimeEqual: (a, b) => {
    const [x, y] = [Buffer.from(a), Buffer.from(b)]
    return x.length === y.length && timingSafeEqual(x, y)
  },
}

/** @returns a fresh secret, 160 bits in base32 */
export const newSecret = (): string => generateSecret({ length: SECRET_BYTES, crypto })

/** What was typed without the blanks that apps show between the digits; null when it is no code. */
export function plainCode(typed: unknown): string | null {
  if (typeof typed !== 'string' || typed.length > 32) return null
  const code = typed.normalize('NFKC').replace(/[\s-]/g, '')
  return /^[0-9]{6}$/.test(code) ? code : null
}

/**
 * The time step that a code of this secret is for, by this machine's clock and one step to either side.
 * @param code six digits
 * @param after only steps above this one
 * @returns null when it is none's
 */
export function stepOf(secret: string, code: string, after = -1): number | null {
  const epoch = nowSeconds()
  // A clock that was set back: every step that could match was used up already.
  if (after > Math.floor(epoch / STEP_SECONDS) + DRIFT_STEPS) return null
  const result = verifySync({
    secret,
    token: code,
    epoch,
    epochTolerance: DRIFT_STEPS * STEP_SECONDS,
    crypto,
    ...(after >= 0 ? { afterTimeStep: after } : {}),
  })
  return result.valid && 'timeStep' in result ? result.timeStep : null
}

/** All that a page needs to bring a secret into an app. Never to be shown again once it is confirmed. */
export interface Enrolment {
  /** Base32, for typing it in or copying it. */
  secret: string
  /** The same in readable groups of four. */
  groups: string[]
  /** `otpauth://totp/…`, for a link on the phone itself. */
  uri: string
  /** The same as a QR code: a whole `<svg>`, black on white with its quiet zone, of no size of its own. */
  qr: string
}

/**
 * @param issuer the portal's name
 * @param label the account's name as the app will show it
 */
export async function enrolment(secret: string, issuer: string, label: string): Promise<Enrolment> {
  // A colon parts issuer and account in the label, and neither may contain one.
  const plain = (text: string) => text.replaceAll(':', ' ').slice(0, MAX_LABEL).toWellFormed()
  const uri = generateURI({ issuer: plain(issuer), label: plain(label), secret })
  return {
    secret,
    groups: secret.match(/.{1,4}/g) ?? [],
    uri,
    qr: (await QRCode.toString(uri, { type: 'svg', errorCorrectionLevel: 'M', margin: 4 })).trim(),
  }
}
