/**
 * ID tokens and logout tokens as a good provider makes them, or with exactly one mistake. The keys are made for one run
 * and were never those of the portal, and `iss` is the clinic's: what is made here is good nowhere else.
 */
import { createHash } from 'node:crypto'
import {
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWK,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose'
import { nowSeconds } from '../base/clock'
import { randomToken } from '../base/ids'
import type { CheckId } from './checks'

export interface SigningKey {
  alg: string
  kid: string
  privateKey: CryptoKey
  jwk: JWK
  /** The public key as everybody can read it, which is what makes it a bad secret. */
  pem: string
}

export async function makeKey(alg: string): Promise<SigningKey> {
  const { privateKey, publicKey } = await generateKeyPair(alg, { extractable: true })
  const kid = `clinic-${randomToken(6)}`
  const jwk = { ...(await exportJWK(publicKey)), kid, alg, use: 'sig' }
  return { alg, kid, privateKey, jwk, pem: `${await exportSPKI(publicKey)}\n` }
}

/** OpenID Connect Core 1.0 section 3.1.3.6: the left half of the hash that goes with the algorithm. */
export function leftHalfHash(value: string, alg: string): string {
  const digest = createHash(alg === 'EdDSA' ? 'sha512' : 'sha256')
    .update(value)
    .digest()
  return digest.subarray(0, digest.length / 2).toString('base64url')
}

export interface Signing {
  key: SigningKey
  /** In no JWKS. */
  foreign: SigningKey
  /** As the app told it at the token endpoint; null: it has none, or keeps it to itself. */
  secret: string | null
}

type How = 'none' | 'hs256_public_key' | 'hs256_secret' | 'key_unknown' | 'key_embedded' | 'tampered'

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Signs as it should be, or in one of the ways in which it should not. */
async function sign(claims: JWTPayload, typ: string, signing: Signing, how: How | null): Promise<string> {
  const { key, foreign, secret } = signing
  const head = { alg: key.alg, kid: key.kid, typ }
  const jwt = new SignJWT(claims)
  switch (how) {
    case 'none':
      return new UnsecuredJWT(claims).encode()
    case 'hs256_public_key':
      return jwt.setProtectedHeader({ ...head, alg: 'HS256' }).sign(bytes(key.pem))
    case 'hs256_secret':
      return jwt.setProtectedHeader({ ...head, alg: 'HS256' }).sign(bytes(secret ?? ''))
    case 'key_unknown':
      return jwt.setProtectedHeader({ ...head, kid: foreign.kid }).sign(foreign.privateKey)
    case 'key_embedded':
      return jwt.setProtectedHeader({ ...head, kid: foreign.kid, jwk: foreign.jwk }).sign(foreign.privateKey)
    case 'tampered': {
      const whole = await jwt.setProtectedHeader(head).sign(key.privateKey)
      const [header, , signature] = whole.split('.')
      const other = { ...claims, sub: `${claims.sub}-other` }
      return [header, Buffer.from(JSON.stringify(other)).toString('base64url'), signature].join('.')
    }
    default:
      return jwt.setProtectedHeader(head).sign(key.privateKey)
  }
}

const HOW: Partial<Record<CheckId, How>> = {
  id_alg_none: 'none',
  id_hs256_public_key: 'hs256_public_key',
  id_hs256_secret: 'hs256_secret',
  id_key_unknown: 'key_unknown',
  id_key_embedded: 'key_embedded',
  id_tampered: 'tampered',
  logout_alg_none: 'none',
  logout_hs256_public_key: 'hs256_public_key',
  logout_key_unknown: 'key_unknown',
}

export const ELSEWHERE = 'https://attacker.example'
const HOUR = 3600

/** What is changed of good claims; what becomes undefined is left out. */
const CHANGES: Partial<Record<CheckId, (good: JWTPayload) => JWTPayload>> = {
  id_iss: () => ({ iss: ELSEWHERE }),
  id_aud: () => ({ aud: 'another-app' }),
  id_aud_more: ({ aud }) => ({ aud: [String(aud), 'another-app'], azp: 'another-app' }),
  id_nonce_wrong: () => ({ nonce: randomToken() }),
  id_nonce_missing: () => ({ nonce: undefined }),
  id_sub_missing: () => ({ sub: undefined }),
  id_expired: ({ iat = 0 }) => ({ iat: iat - 2 * HOUR, exp: iat - HOUR, auth_time: iat - 2 * HOUR }),
  id_iat_far: ({ iat = 0 }) => ({ iat: iat + 24 * HOUR, exp: iat + 25 * HOUR }),
  id_at_hash: ({ at_hash }) => ({ at_hash: leftHalfHash(String(at_hash), 'ES256') }),
  logout_iss: () => ({ iss: ELSEWHERE }),
  logout_aud: () => ({ aud: 'another-app' }),
  logout_nonce: () => ({ nonce: randomToken() }),
  logout_events: () => ({ events: undefined }),
  logout_subject: () => ({ sub: undefined, sid: undefined }),
  logout_expired: ({ iat = 0 }) => ({ iat: iat - 2 * HOUR, exp: iat - HOUR }),
  logout_of_another: ({ sub, sid }) => ({ sub: `${sub}-other`, sid: `${sid}-other` }),
}

const bent = (good: JWTPayload, mistake: CheckId | null): JWTPayload =>
  JSON.parse(JSON.stringify({ ...good, ...(mistake && CHANGES[mistake]?.(good)) }))

export interface Person {
  sub: string
  sid: string
  name: string
  email: string
}

interface About {
  issuer: string
  clientId: string
  person: Person
}

/** An ID token for a person who just signed in. */
export async function idToken(
  { issuer, clientId, person, nonce, accessToken }: About & { nonce: string | null; accessToken: string },
  signing: Signing,
  mistake: CheckId | null,
): Promise<string> {
  const iat = nowSeconds()
  const good = {
    iss: issuer,
    aud: clientId,
    ...person,
    email_verified: true,
    ...(nonce !== null && { nonce }),
    iat,
    exp: iat + HOUR,
    auth_time: iat,
    acr: 'aal1',
    amr: ['pwd'],
    at_hash: leftHalfHash(accessToken, signing.key.alg),
  }
  return sign(bent(good, mistake), 'JWT', signing, (mistake && HOW[mistake]) ?? null)
}

const LOGOUT_EVENT = 'http://schemas.openid.net/event/backchannel-logout'

/** A logout token for a person's session. */
export async function logoutToken(about: About, signing: Signing, mistake: CheckId | null): Promise<string> {
  const { issuer, clientId, person } = about
  if (mistake === 'logout_id_token')
    return idToken({ ...about, nonce: null, accessToken: randomToken() }, signing, null)
  const iat = nowSeconds()
  const good = {
    iss: issuer,
    aud: clientId,
    sub: person.sub,
    sid: person.sid,
    iat,
    exp: iat + 120,
    jti: randomToken(),
    events: { [LOGOUT_EVENT]: {} },
  }
  return sign(bent(good, mistake), 'logout+jwt', signing, (mistake && HOW[mistake]) ?? null)
}
