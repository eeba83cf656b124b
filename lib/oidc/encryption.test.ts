/** What only an app's key can read (RFC 7516), and answers of introspection that are signed (RFC 9701). */
import { randomUUID } from 'node:crypto'
import * as jose from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeAll, describe, expect, it } from 'vitest'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { drop } from './clients'
import * as oidc from './index'
import {
  type App,
  ask,
  CALLBACK,
  call,
  introspect,
  newApp,
  obtainCode,
  redeem,
  refresh,
  signInTo,
  userinfo,
} from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let user: string
let browser: Browser

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  browser = new Browser(portal)
  await browser.signIn(user)
  return () => portal.stop()
})

async function encryptionKey(alg: string) {
  const pair = await jose.generateKeyPair(alg, { extractable: true })
  const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: randomUUID(), alg, use: 'enc' }
  return { ...pair, jwk }
}

describe.each(['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'] as const)('encrypted by %s', (alg) => {
  it('openid-client reads its ID tokens and userinfo, and nobody else does', async () => {
    const keys = await encryptionKey(alg)
    const app = await newApp({
      ...{ firstParty: true, idTokenEncryption: alg, userinfoEncryption: alg, jwks: { keys: [keys.jwk] } },
      postLogoutRedirectUris: [CALLBACK],
    })
    const config = await client.discovery(
      new URL(portal.issuer),
      app.clientId,
      { id_token_signed_response_alg: 'ES256', userinfo_signed_response_alg: 'ES256' },
      client.ClientSecretBasic(app.clientSecret),
      { execute: [client.allowInsecureRequests] },
    )
    client.enableDecryptingResponses(config, ['A256GCM'], { key: keys.privateKey, alg, kid: keys.jwk.kid })
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const start = client.buildAuthorizationUrl(config, {
      ...{ redirect_uri: app.redirectUri, scope: 'openid profile email', code_challenge_method: 'S256' },
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
    })
    const { url } = await browser.go(start)
    const tokens = await client.authorizationCodeGrant(config, url, {
      pkceCodeVerifier,
      idTokenExpected: true,
    })
    expect(tokens.claims()?.sub).toBe(user)
    expect((await client.fetchUserInfo(config, tokens.access_token, user)).name).toBe('Ada Lovelace')
    // On the wire, nothing of the person can be read.
    const idToken = tokens.id_token ?? ''
    expect(jose.decodeProtectedHeader(idToken)).toMatchObject({ alg, enc: 'A256GCM', cty: 'JWT' })
    const answer = await userinfo(portal, tokens.access_token)
    expect(answer.headers.get('content-type')).toContain('application/jwt')
    expect(String(answer.json).split('.')).toHaveLength(5)
    const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(next.claims()?.sub).toBe(user)
    // As a hint it says which app asks, and signs nobody out by itself; what is in it does.
    const out = (hint: string) =>
      browser.go(
        `/oidc/logout?${new URLSearchParams({ id_token_hint: hint, post_logout_redirect_uri: CALLBACK })}`,
      )
    expect((await out(idToken)).url.pathname).toBe('/signout')
    const { plaintext } = await jose.compactDecrypt(idToken, keys.privateKey)
    expect((await out(Buffer.from(plaintext).toString())).url.href).toBe(CALLBACK)
    expect(await sessions.check(Object.fromEntries(browser.cookies))).toBeNull()
    await browser.signIn(user)
  })
})

describe('an encrypted request', () => {
  it('is_refused_and_breaks_nothing', async () => {
    const keys = await encryptionKey('ECDH-ES')
    const app = await newApp({ firstParty: true, jwks: { keys: [keys.jwk] } })
    const { url } = ask(portal, app)
    const request = await new jose.EncryptJWT(Object.fromEntries(url.searchParams))
      .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM' })
      .encrypt(keys.publicKey)
    for (const value of [request, 'a.b.c.d.e']) {
      url.searchParams.set('request', value)
      const at = await browser.go(url)
      expect(at.url.searchParams.get('error') ?? JSON.stringify(at.body)).toContain('invalid_request_object')
    }
  })
})

describe('an app whose key is not there', () => {
  it('for a while loses neither its code nor its refresh token', async () => {
    const { jwk } = await encryptionKey('ECDH-ES')
    const app = await newApp({ firstParty: true, idTokenEncryption: 'ECDH-ES', jwks: { keys: [jwk] } })
    const publish = async (key: object) => {
      const jwks = JSON.stringify({ jwks: { keys: [key] } })
      await stores.sql('UPDATE clients SET metadata = metadata || $2::jsonb WHERE id = $1', [
        app.clientId,
        jwks,
      ])
      drop(app.clientId)
    }
    const away = { ...jwk, use: 'sig', alg: 'ES256' }
    const { code, verifier } = await obtainCode(browser, app, user)
    await publish(away)
    const noCode = await redeem(portal, app, code, verifier)
    expect([noCode.status, noCode.json.error]).toEqual([503, 'temporarily_unavailable'])
    await publish(jwk)
    const { status, json } = await redeem(portal, app, code, verifier)
    expect(status).toBe(200)
    await publish(away)
    expect((await refresh(portal, app, json.refresh_token)).status).toBe(503)
    await publish(jwk)
    expect((await refresh(portal, app, json.refresh_token)).status).toBe(200)
  })

  it('gets_nothing_in_the_clear', async () => {
    const { jwk } = await encryptionKey('ECDH-ES')
    const app = await newApp({ firstParty: true, idTokenEncryption: 'ECDH-ES', jwks: { keys: [jwk] } })
    const signature = { ...jwk, use: 'sig', alg: 'ES256' }
    await stores.sql(`UPDATE clients SET metadata = metadata || $2::jsonb WHERE id = $1`, [
      app.clientId,
      JSON.stringify({ jwks: { keys: [signature] } }),
    ])
    await expect(signInTo(browser, app, user)).rejects.toThrow(/no suitable encryption key/)
  })

  it.each<[string, Partial<oidc.NewClient>, string]>([
    ['no keys', { idTokenEncryption: 'ECDH-ES' }, 'jwks'],
    [
      'a key that only signs',
      { idTokenEncryption: 'ECDH-ES', jwks: { keys: [{ kty: 'OKP', crv: 'Ed25519' }] } },
      'jwks',
    ],
    [
      'a key for signatures',
      { idTokenEncryption: 'ECDH-ES', jwks: { keys: [{ kty: 'EC', use: 'sig' }] } },
      'jwks',
    ],
    [
      'a key of another kind',
      { userinfoEncryption: 'RSA-OAEP-256', jwks: { keys: [{ kty: 'EC' }] } },
      'jwks',
    ],
    ['a key by a secret', { idTokenEncryption: 'A256KW' as 'ECDH-ES' }, 'idTokenEncryption'],
  ])('is not registered with %s', async (_what, input, field) => {
    const added = await oidc.clients.add({ name: 'x', redirectUris: [CALLBACK], ...input })
    expect(added).toMatchObject({ ok: false, refusal: { field } })
  })
})

describe('introspection', () => {
  const API = 'https://notes.example.com'
  let api: App
  let reader: App
  beforeAll(async () => {
    await oidc.resources.add({ id: API, name: 'Notes', scopes: [{ name: 'notes' }] })
    api = await newApp({ redirectUris: [], grants: [], serves: [API], introspectionAlg: 'EdDSA' })
    reader = await newApp({
      redirectUris: [],
      grants: ['client_credentials'],
      resources: [{ resource: API }],
    })
  })

  it('oauth4webapi asks for a signed answer and verifies it, of an opaque and a signed token alike', async () => {
    const issuer = new URL(portal.issuer)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
    const ask = async (who: App, token: string, alg: string) => {
      const me: oauth.Client = { client_id: who.clientId, introspection_signed_response_alg: alg }
      const auth = oauth.ClientSecretBasic(who.clientSecret ?? '')
      const answer = await oauth.introspectionRequest(as, me, auth, token, {
        ...insecure,
        requestJwtResponse: true,
      })
      expect(answer.headers.get('content-type')).toContain('application/token-introspection+jwt')
      const read = await oauth.processIntrospectionResponse(as, me, answer)
      await oauth.validateApplicationLevelSignature(as, answer, insecure)
      return read
    }
    const machine = await fetch(`${portal.issuer}/token`, {
      method: 'POST',
      headers: {
        authorization: `Basic ${Buffer.from(`${reader.clientId}:${reader.clientSecret}`).toString('base64')}`,
      },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: 'notes' }),
    })
    const { access_token } = await machine.json()
    expect(await ask(api, access_token, 'EdDSA')).toMatchObject({
      active: true,
      scope: 'notes',
      client_id: reader.clientId,
    })
    expect(await ask(api, 'never-issued', 'EdDSA')).toEqual({ active: false })
    const app = await newApp({ firstParty: true, introspectionAlg: 'RS256' })
    const { json } = await signInTo(browser, app, user)
    expect(await ask(app, json.access_token, 'RS256')).toMatchObject({ active: true, sub: user })
    // To anybody who does not ask, and of a token that is not theirs, as before.
    expect((await introspect(portal, app, json.access_token)).json.active).toBe(true)
    expect(await ask(api, json.access_token, 'EdDSA')).toEqual({ active: false })
  })

  it('whoever_takes_json_gets_json', async () => {
    const plain = await newApp({ firstParty: true })
    for (const accept of [
      '*/*',
      'application/json',
      'application/json, application/token-introspection+jwt;q=0.5',
    ]) {
      const { headers, json } = await call(portal, '/introspection', plain, { token: 'x' }, { accept })
      expect([headers.get('content-type'), json]).toEqual([
        'application/json; charset=utf-8',
        { active: false },
      ])
    }
  })
})
