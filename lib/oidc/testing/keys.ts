/** What apps sign, for tests: assertions by which they prove themselves (RFC 7523), and proofs of a key (RFC 9449). */
import { randomUUID } from 'node:crypto'
import * as jose from 'jose'
import type * as oidc from '../index'
import { type App, newApp } from './app'
import type { Portal } from './harness'

export type Pair = Awaited<ReturnType<typeof newPair>>

export async function newPair(alg = 'ES256') {
  const pair = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: randomUUID(), alg, use: 'sig' }
  return { ...pair, alg, jwk }
}

/** An app that proves itself by this key. */
export const keyed = async (pair: Pair, input: Partial<oidc.NewClient> = {}): Promise<App> =>
  newApp({ authMethod: 'private_key_jwt', jwks: { keys: [pair.jwk] }, ...input })

export interface Said {
  claims?: Record<string, unknown>
  header?: Record<string, unknown>
}

const seconds = (): number => Math.floor(Date.now() / 1000)

/** What an app signs to prove itself. */
export const assertionOf = (
  portal: Portal,
  app: App,
  pair: Pair,
  { claims = {}, header = {} }: Said = {},
): Promise<string> =>
  new jose.SignJWT({
    iss: app.clientId,
    sub: app.clientId,
    aud: portal.issuer,
    jti: randomUUID(),
    iat: seconds(),
    exp: seconds() + 60,
    ...claims,
  })
    .setProtectedHeader({ alg: pair.alg, kid: pair.jwk.kid, ...header })
    .sign(pair.privateKey)

/** The fields that carry an assertion. */
export const asserted = (app: App, client_assertion: string): Record<string, string> => ({
  client_id: app.clientId,
  client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
  client_assertion,
})

export interface Proof extends Said {
  htm?: string
  path?: string
  /** The access token that it is shown with. */
  token?: string
  jti?: string
}

/** A DPoP proof of having the key. */
export async function proofOf(
  portal: Portal,
  pair: Pair,
  { htm = 'POST', path = '/token', token, jti = randomUUID(), claims, header }: Proof = {},
): Promise<string> {
  const jwk = await jose.exportJWK(pair.publicKey)
  return new jose.SignJWT({
    htm,
    htu: `${portal.issuer}${path}`,
    jti,
    iat: seconds(),
    ...(token && { ath: await hashOf(token) }),
    ...claims,
  })
    .setProtectedHeader({ alg: pair.alg, typ: 'dpop+jwt', jwk, ...header })
    .sign(pair.privateKey)
}

async function hashOf(token: string): Promise<string> {
  return Buffer.from(await crypto.subtle.digest('SHA-256', Buffer.from(token))).toString('base64url')
}
