/**
 * A browser and its authenticator in software, over node:crypto alone, so that it shares no code with
 * what it tests (WebAuthn Level 3). It keeps to the specification by itself; `Bend` makes any one field
 * of a response wrong, before it is signed, so that only the check of that field can refuse it.
 */
import { createHash, generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto'
import type {
  AuthenticationResponseJSON,
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
  RegistrationResponseJSON,
} from '@simplewebauthn/server'

type Bytes = Uint8Array

/** COSE algorithm identifiers this authenticator knows (RFC 9053, RFC 8812). */
export const ES256 = -7
export const EDDSA = -8
export const RS256 = -257
export type Algorithm = typeof ES256 | typeof EDDSA | typeof RS256

/** Field by field what is to be other than true. What is left out is as the specification has it. */
export interface Bend {
  /** clientDataJSON. */
  challenge?: string
  origin?: string
  type?: string
  crossOrigin?: boolean
  topOrigin?: string
  clientData?: (honest: Record<string, unknown>) => Record<string, unknown>
  /** Authenticator data: the RP ID whose hash it holds, the flags, the counter, or all bytes of it. */
  rpId?: string
  up?: boolean
  uv?: boolean
  be?: boolean
  bs?: boolean
  counter?: number
  authData?: (honest: Buffer) => Buffer
  /** Registration: the algorithm of the key made, its AAGUID, the attestation and what else is reported. */
  alg?: number
  coseKey?: (honest: Map<number, unknown>) => Map<number, unknown>
  aaguid?: string
  fmt?: string
  attStmt?: Map<string, unknown>
  transports?: string[]
  /** The credential id that is reported (base64url); `rawId` alone makes the two differ. */
  id?: string
  rawId?: string
  /** Reported as the credential's type; true is `public-key`. */
  credentialType?: string
  /** Assertion: base64url; null leaves it out. */
  userHandle?: string | null
  /** Signs with this credential's key instead. */
  signWith?: SoftCredential
  signature?: (honest: Buffer) => Buffer
  /** Changes what was signed, after it was signed. */
  afterwards?: { clientDataJSON?: (json: string) => string; authData?: (bytes: Buffer) => Buffer }
}

export interface SoftCredential {
  /** base64url */
  id: string
  rpId: string
  /** base64url */
  userHandle: string
  userName: string
  alg: Algorithm
  privateKey: KeyObject
  publicKey: KeyObject
  discoverable: boolean
  counter: number
}

export interface AuthenticatorOptions {
  /** What the browser says the page's origin is. */
  origin?: string
  /** Can verify its user (PIN, finger, face). A security key without a PIN cannot. */
  verifiesUser?: boolean
  /** Its credentials are synced (BE and BS). */
  synced?: boolean
  /** Raises its counter with each use; synced ones keep zero. */
  counts?: boolean
  aaguid?: string
  transports?: AuthenticatorTransport[]
  alg?: Algorithm
}

const PRESETS = {
  /** As a phone's or a password manager's: verifies its user, synced, no counter. */
  synced: { verifiesUser: true, synced: true, counts: false, transports: ['internal', 'hybrid'] },
  /** As a computer's own: verifies its user, stays on the device. */
  device: { verifiesUser: true, synced: false, counts: true, transports: ['internal'] },
  /** As a USB key without a PIN: a touch, nothing more. */
  key: { verifiesUser: false, synced: false, counts: true, transports: ['usb'] },
  /** As a USB key with a PIN. */
  pinKey: { verifiesUser: true, synced: false, counts: true, transports: ['usb', 'nfc'] },
} satisfies Record<string, AuthenticatorOptions>

/** What a browser throws; `name` is the DOMException's. */
export class CeremonyError extends Error {
  constructor(
    override name: 'NotAllowedError' | 'InvalidStateError' | 'NotSupportedError' | 'SecurityError',
    message: string,
  ) {
    super(message)
  }
}

export class Authenticator {
  readonly credentials: SoftCredential[] = []
  readonly #is: Required<AuthenticatorOptions>

  constructor(kind: keyof typeof PRESETS = 'synced', options: AuthenticatorOptions = {}) {
    this.#is = {
      origin: 'http://localhost:3000',
      aaguid: '00000000-0000-0000-0000-000000000000',
      alg: ES256,
      ...PRESETS[kind],
      ...options,
    }
  }

  /**
   * `navigator.credentials.create()`: makes a credential and keeps it.
   * @throws CeremonyError as a browser does: excluded, no algorithm in common, no user verification
   */
  create(options: PublicKeyCredentialCreationOptionsJSON, bend: Bend = {}): RegistrationResponseJSON {
    const {
      rp,
      user,
      challenge,
      pubKeyCredParams,
      excludeCredentials = [],
      authenticatorSelection = {},
    } = options
    const rpId = rp.id ?? new URL(this.#is.origin).hostname
    if (
      excludeCredentials.some(({ id }) => this.credentials.some((own) => own.id === id && own.rpId === rpId))
    ) {
      throw new CeremonyError('InvalidStateError', 'this authenticator has a credential of that list')
    }
    if (!pubKeyCredParams.some(({ alg }) => alg === this.#is.alg)) {
      throw new CeremonyError('NotSupportedError', 'no algorithm in common')
    }
    const uv = this.#verifies(authenticatorSelection.userVerification)
    const credential: SoftCredential = {
      id: randomBytes(32).toString('base64url'),
      rpId,
      userHandle: user.id,
      userName: user.name,
      alg: this.#is.alg,
      ...generate(this.#is.alg),
      discoverable: authenticatorSelection.residentKey === 'required' || this.#is.synced,
      counter: this.#is.counts ? 1 : 0,
    }
    this.credentials.push(credential)

    const id = Buffer.from(bend.id ?? credential.id, 'base64url')
    const key = coseKey(credential.publicKey, bend.alg ?? credential.alg)
    const attested = Buffer.concat([
      Buffer.from((bend.aaguid ?? this.#is.aaguid).replaceAll('-', ''), 'hex'),
      uint(id.length, 2),
      id,
      cbor(bend.coseKey?.(key) ?? key),
    ])
    const clientDataJSON = this.#clientData('webauthn.create', challenge, bend)
    const authData = this.#authData(credential, uv, bend, attested)
    const attestationObject = cbor(
      new Map<string, unknown>([
        ['fmt', bend.fmt ?? 'none'],
        ['attStmt', bend.attStmt ?? new Map()],
        ['authData', authData],
      ]),
    )
    return {
      id: id.toString('base64url'),
      rawId: bend.rawId ?? id.toString('base64url'),
      type: (bend.credentialType ?? 'public-key') as 'public-key',
      clientExtensionResults: { credProps: { rk: credential.discoverable } },
      authenticatorAttachment: this.#is.transports.includes('internal') ? 'platform' : 'cross-platform',
      response: {
        clientDataJSON: b64(clientDataJSON),
        attestationObject: b64(attestationObject),
        transports: (bend.transports ?? this.#is.transports) as AuthenticatorTransport[],
      },
    }
  }

  /**
   * `navigator.credentials.get()`: signs with the newest credential that fits; the counter moves on.
   * @param use signs with this one, whether it is asked for or not
   * @throws CeremonyError as a browser does: no credential that fits, no user verification
   */
  get(
    options: PublicKeyCredentialRequestOptionsJSON,
    bend: Bend = {},
    use?: SoftCredential,
  ): AuthenticationResponseJSON {
    const {
      challenge,
      rpId = new URL(this.#is.origin).hostname,
      allowCredentials = [],
      userVerification,
    } = options
    const fits = (own: SoftCredential) =>
      own.rpId === rpId &&
      (allowCredentials.length > 0 ? allowCredentials.some(({ id }) => id === own.id) : own.discoverable)
    const credential = use ?? this.credentials.findLast(fits)
    if (!credential) throw new CeremonyError('NotAllowedError', 'no credential fits')
    const uv = this.#verifies(userVerification)
    if (this.#is.counts) credential.counter++

    const clientDataJSON = this.#clientData('webauthn.get', challenge, bend)
    const authData = this.#authData(credential, uv, bend)
    const digest = createHash('sha256').update(clientDataJSON).digest()
    const { alg, privateKey } = bend.signWith ?? credential
    const signature = sign(alg === EDDSA ? null : 'sha256', Buffer.concat([authData, digest]), privateKey)
    const id = bend.id ?? credential.id
    const userHandle = bend.userHandle === undefined ? credential.userHandle : bend.userHandle
    return {
      id,
      rawId: bend.rawId ?? id,
      type: (bend.credentialType ?? 'public-key') as 'public-key',
      clientExtensionResults: {},
      authenticatorAttachment: this.#is.transports.includes('internal') ? 'platform' : 'cross-platform',
      response: {
        clientDataJSON: b64(bend.afterwards?.clientDataJSON?.(clientDataJSON) ?? clientDataJSON),
        authenticatorData: b64(bend.afterwards?.authData?.(authData) ?? authData),
        signature: b64(bend.signature?.(signature) ?? signature),
        ...(userHandle === null ? {} : { userHandle }),
      },
    }
  }

  #verifies(asked: string | undefined): boolean {
    if (asked === 'required' && !this.#is.verifiesUser) {
      throw new CeremonyError('NotAllowedError', 'cannot verify its user')
    }
    return this.#is.verifiesUser && asked !== 'discouraged'
  }

  /** WebAuthn section 5.8.1. */
  #clientData(type: string, challenge: string, bend: Bend): string {
    const honest = {
      type: bend.type ?? type,
      challenge: bend.challenge ?? challenge,
      origin: bend.origin ?? this.#is.origin,
      crossOrigin: bend.crossOrigin ?? false,
      ...(bend.topOrigin === undefined ? {} : { topOrigin: bend.topOrigin }),
    }
    return JSON.stringify(bend.clientData?.(honest) ?? honest)
  }

  /** WebAuthn section 6.1. */
  #authData(credential: SoftCredential, verified: boolean, bend: Bend, attested?: Buffer): Buffer {
    const flags =
      bit(0, bend.up ?? true) |
      bit(2, bend.uv ?? verified) |
      bit(3, bend.be ?? this.#is.synced) |
      bit(4, bend.bs ?? this.#is.synced) |
      bit(6, attested !== undefined)
    const honest = Buffer.concat([
      createHash('sha256')
        .update(bend.rpId ?? credential.rpId)
        .digest(),
      Buffer.from([flags]),
      uint(bend.counter ?? credential.counter, 4),
      attested ?? Buffer.alloc(0),
    ])
    return bend.authData?.(honest) ?? honest
  }
}

const bit = (position: number, on: boolean): number => (on ? 1 << position : 0)
const b64 = (bytes: Bytes | string): string => Buffer.from(bytes).toString('base64url')

/** A big-endian unsigned integer. */
function uint(value: number, bytes: number): Buffer {
  const out = Buffer.alloc(bytes)
  out.writeUIntBE(value, 0, bytes)
  return out
}

function generate(alg: Algorithm): { publicKey: KeyObject; privateKey: KeyObject } {
  if (alg === EDDSA) return generateKeyPairSync('ed25519')
  if (alg === RS256) return rsa()
  return generateKeyPairSync('ec', { namedCurve: 'P-256' })
}

let rsaPair: { publicKey: KeyObject; privateKey: KeyObject } | null = null

/** One for all: making an RSA key takes longer than a test should. */
function rsa(): { publicKey: KeyObject; privateKey: KeyObject } {
  rsaPair ??= generateKeyPairSync('rsa', { modulusLength: 2048 })
  return rsaPair
}

/** A COSE_Key (RFC 9052 section 7) that says it is for `alg`. */
function coseKey(key: KeyObject, alg: number): Map<number, unknown> {
  const jwk = key.export({ format: 'jwk' })
  const bytes = (text = '') => Buffer.from(text, 'base64url')
  switch (jwk.kty) {
    case 'RSA':
      return new Map<number, unknown>([
        [1, 3],
        [3, alg],
        [-1, bytes(jwk.n)],
        [-2, bytes(jwk.e)],
      ])
    case 'OKP':
      return new Map<number, unknown>([
        [1, 1],
        [3, alg],
        [-1, 6],
        [-2, bytes(jwk.x)],
      ])
    default:
      return new Map<number, unknown>([
        [1, 2],
        [3, alg],
        [-1, 1],
        [-2, bytes(jwk.x)],
        [-3, bytes(jwk.y)],
      ])
  }
}

/** CBOR (RFC 8949) of what attestation objects are made of: whole numbers, texts, bytes, lists, maps. */
export function cbor(value: unknown): Buffer {
  if (typeof value === 'number') return value < 0 ? head(1, -1 - value) : head(0, value)
  if (typeof value === 'string') return Buffer.concat([head(3, Buffer.byteLength(value)), Buffer.from(value)])
  if (value instanceof Uint8Array) return Buffer.concat([head(2, value.length), value])
  if (Array.isArray(value)) return Buffer.concat([head(4, value.length), ...value.map(cbor)])
  if (value instanceof Map) {
    return Buffer.concat([head(5, value.size), ...[...value].flat().map(cbor)])
  }
  throw new Error(`no CBOR for ${typeof value}`)
}

function head(major: number, count: number): Buffer {
  const type = major << 5
  if (count < 24) return Buffer.from([type | count])
  if (count < 0x100) return Buffer.from([type | 24, count])
  if (count < 0x10000) return Buffer.concat([Buffer.from([type | 25]), uint(count, 2)])
  return Buffer.concat([Buffer.from([type | 26]), uint(count, 4)])
}
