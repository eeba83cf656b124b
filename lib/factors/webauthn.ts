/**
 * What a browser answers in a passkey ceremony, judged (WebAuthn Level 3 sections 7.1 and 7.2). Nothing is
 * kept here: who may answer what, and how often, is in `passkeys`. What does not fit is null, and why stands
 * in the log: the person can do nothing with it, the operator of a wrong origin can.
 */
import {
  type AuthenticatorTransport,
  verifyAuthenticationResponse,
  verifyRegistrationResponse,
} from '@simplewebauthn/server'
import { decodeAttestationObject, decodeCredentialPublicKey } from '@simplewebauthn/server/helpers'
import { z } from 'zod'
import { cleanText } from '../base/caller'
import { env, isLoopbackHost } from '../base/env'
import { log } from '../base/log'
import { equal, sha256 } from '../base/secrets'

/**
 * EdDSA, ES256, RS256 (RFC 9053, RFC 8812): section 5.4.3 asks for these three, and every authenticator
 * makes one of them. Shorter is safer: each further one is a verifier that nobody's key needs.
 */
export const ALGORITHMS = [-8, -7, -257]
/** COSE_Key labels (RFC 9052 section 7.1, RFC 9053 section 7, RFC 8230 section 4). */
const [KTY, ALG, CRV_OR_N, X_OR_E, Y] = [1, 3, -1, -2, -3]
/** NIST SP 800-131A: a modulus has 2048 bits at least; longer than 8192 only costs time. */
const RSA_BYTES = { min: 256, max: 1024 }

/**
 * Whether a key is one its algorithm can use (section 5.8.5): without attestation nothing was signed with
 * it yet, and a factor that never works would shut its owner out.
 */
function usable(key: Map<number, unknown>): boolean {
  const size = (label: number) => {
    const value = key.get(label)
    return value instanceof Uint8Array ? value.length : 0
  }
  switch (key.get(ALG)) {
    case -8:
      return key.get(KTY) === 1 && key.get(CRV_OR_N) === 6 && size(X_OR_E) === 32
    case -7:
      return key.get(KTY) === 2 && key.get(CRV_OR_N) === 1 && size(X_OR_E) === 32 && size(Y) === 32
    case -257:
      return (
        key.get(KTY) === 3 &&
        size(CRV_OR_N) >= RSA_BYTES.min &&
        size(CRV_OR_N) <= RSA_BYTES.max &&
        size(X_OR_E) > 0
      )
    default:
      return false
  }
}

/** The name that passkeys are bound to for good: the host of the one public origin (section 5.1.2). */
export const rpId = (): string => new URL(env().url).hostname

const origins = (): string[] => [env().url, ...env().webauthnOrigins]

/**
 * Whether browsers do passkeys on the portal's origin at all: a host name (not an address) behind https,
 * or `localhost`.
 */
export function available(): boolean {
  const host = rpId()
  const isAddress = /^[\d.]+$|^\[/.test(host)
  return !isAddress && (env().https || isLoopbackHost(host))
}

/** Attestation objects of `none` and self attestation have some hundred bytes; RSA keys make them longer. */
const MAX_TEXT = 16_384
/** 1023 bytes (section 4, "credential ID"). */
const MAX_ID = 1364

const base64url = (max: number) =>
  z
    .string()
    .min(1)
    .max(max)
    .regex(/^[\w-]+$/)

const TRANSPORTS = ['ble', 'cable', 'hybrid', 'internal', 'nfc', 'smart-card', 'usb']
/** What the browser reports is nobody's promise; unknown ones are left out. */
const transports = z
  .array(z.string().max(32))
  .max(16)
  .nullish()
  .transform((list) => TRANSPORTS.filter((one) => list?.includes(one)) as AuthenticatorTransport[])

const credential = { id: base64url(MAX_ID), rawId: base64url(MAX_ID), type: z.literal('public-key') }

const creation = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url(MAX_TEXT),
    attestationObject: base64url(MAX_TEXT),
    transports,
  }),
})

const assertion = z.object({
  ...credential,
  response: z.object({
    clientDataJSON: base64url(MAX_TEXT),
    authenticatorData: base64url(MAX_TEXT),
    signature: base64url(MAX_TEXT),
    // 64 bytes at most (section 5.4.3); some send an empty one for none.
    userHandle: z
      .string()
      .max(88)
      .regex(/^[\w-]*$/)
      .nullish(),
  }),
})

export type Creation = z.infer<typeof creation>
export type Assertion = z.infer<typeof assertion>

/** Reads what a page sent, as an object or as its JSON text. */
function read<T>(schema: z.ZodType<T>, response: unknown): T | null {
  try {
    const value = typeof response === 'string' ? JSON.parse(response.slice(0, 4 * MAX_TEXT)) : response
    return schema.safeParse(value).data ?? null
  } catch {
    return null
  }
}

export const readCreation = (response: unknown): Creation | null => read(creation, response)
export const readAssertion = (response: unknown): Assertion | null => read(assertion, response)

export const bytesOf = (text: string): Uint8Array<ArrayBuffer> =>
  Uint8Array.from(Buffer.from(text, 'base64url'))

/** No frame of a foreign site is a place to use our passkeys (sections 7.1 step 10, 7.2 step 14). */
function sameOrigin(clientDataJSON: string): boolean {
  const data = JSON.parse(Buffer.from(clientDataJSON, 'base64url').toString('utf8'))
  return (data.crossOrigin ?? false) === false && data.topOrigin === undefined
}

/** Whether the challenge signed is the one whose hash was kept. */
const isChallenge = (hash: string) => (challenge: string) => equal(sha256(challenge), hash)

async function judged<T>(judge: () => Promise<T | null>): Promise<T | null> {
  try {
    return await judge()
  } catch (error) {
    log().info({ err: cleanText((error as Error).message, 200) }, 'answer of a passkey refused')
    return null
  }
}

export interface Made {
  credentialId: Uint8Array<ArrayBuffer>
  publicKey: Uint8Array<ArrayBuffer>
  algorithm: number
  counter: number
  deviceType: 'singleDevice' | 'multiDevice'
  backedUp: boolean
  aaguid: string
  transports: AuthenticatorTransport[]
  userVerified: boolean
}

/**
 * Section 7.1: challenge, type, origin, RP ID, presence, algorithm, the same id in and around the signed
 * data. Attestation was not asked for: only none and self attestation are taken, so no certificate of a
 * stranger is parsed, and no address in one is fetched.
 */
export const judgeCreation = (
  answer: Creation,
  expect: { challengeHash: string; presence: boolean; verification: boolean },
): Promise<Made | null> =>
  judged(async () => {
    const { clientDataJSON, attestationObject } = answer.response
    if (!sameOrigin(clientDataJSON)) throw new Error('made in a frame of another origin')
    const attestation = decodeAttestationObject(bytesOf(attestationObject))
    const fmt = attestation.get('fmt')
    if (fmt !== 'none' && !(fmt === 'packed' && !attestation.get('attStmt').get('x5c'))) {
      throw new Error(`attestation that was not asked for: ${fmt}`)
    }
    const { verified, registrationInfo } = await verifyRegistrationResponse({
      response: { ...answer, clientExtensionResults: {} },
      expectedChallenge: isChallenge(expect.challengeHash),
      expectedOrigin: origins(),
      expectedRPID: rpId(),
      requireUserPresence: expect.presence,
      requireUserVerification: expect.verification,
      supportedAlgorithmIDs: ALGORITHMS,
    })
    if (!verified) throw new Error('self attestation is wrong')
    const made = registrationInfo.credential
    if (made.id !== answer.id) throw new Error('credential id is not the attested one')
    const key = decodeCredentialPublicKey(made.publicKey) as unknown as Map<number, unknown>
    if (!usable(key)) throw new Error('key does not fit its algorithm')
    return {
      credentialId: bytesOf(made.id),
      publicKey: Uint8Array.from(made.publicKey),
      algorithm: key.get(ALG) as number,
      counter: made.counter,
      deviceType: registrationInfo.credentialDeviceType,
      backedUp: registrationInfo.credentialBackedUp,
      aaguid: registrationInfo.aaguid,
      transports: answer.response.transports,
      userVerified: registrationInfo.userVerified,
    }
  })

export interface Signed {
  counter: number
  userVerified: boolean
  deviceType: 'singleDevice' | 'multiDevice'
  backedUp: boolean
}

/**
 * Section 7.2: challenge, type, origin, RP ID, presence, verification where it is a must, signature. The
 * counter is the caller's to compare, after the signature: else a forged answer could raise a false alarm.
 */
export const judgeAssertion = (
  answer: Assertion,
  expect: { challengeHash: string; publicKey: Uint8Array; verification: boolean },
): Promise<Signed | null> =>
  judged(async () => {
    const { userHandle, ...response } = answer.response
    if (!sameOrigin(response.clientDataJSON)) throw new Error('used in a frame of another origin')
    const { verified, authenticationInfo } = await verifyAuthenticationResponse({
      response: { ...answer, response, clientExtensionResults: {} },
      expectedChallenge: isChallenge(expect.challengeHash),
      expectedOrigin: origins(),
      expectedRPID: rpId(),
      credential: { id: answer.id, publicKey: Uint8Array.from(expect.publicKey), counter: 0 },
      requireUserVerification: expect.verification,
    })
    if (!verified) throw new Error('signature is wrong')
    return {
      counter: authenticationInfo.newCounter,
      userVerified: authenticationInfo.userVerified,
      deviceType: authenticationInfo.credentialDeviceType,
      backedUp: authenticationInfo.credentialBackedUp,
    }
  })
