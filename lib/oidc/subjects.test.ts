/** Pairwise subjects (Core section 8.1) wherever a person is named to an app, and signed requests (JAR, RFC 9101). */
import { randomUUID } from 'node:crypto'
import * as jose from 'jose'
import * as client from 'openid-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { reloadEnv } from '../base/env'
import { useStores } from '../testing'
import * as oidc from './index'
import { ask, introspect, newApp, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const API = 'https://orders.example.com'
const stores = useStores()
let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  await oidc.resources.add({ id: API, name: 'Orders', scopes: [{ name: 'orders:read' }] })
  return () => portal.stop()
})

const at = (host: string, input: Partial<oidc.NewClient> = {}) =>
  newApp({
    pairwise: true,
    redirectUris: [`https://${host}/cb`],
    postLogoutRedirectUris: [`https://${host}/`],
    resources: [{ resource: API }],
    ...input,
  })

const subOf = (idToken: string): string => String(jose.decodeJwt(idToken).sub)

describe('pairwise subjects', () => {
  it('are one name at one host, another at every other, and the same everywhere an app is told it', async () => {
    const [first, sister, other] = [
      await at('a.example.com'),
      await at('a.example.com'),
      await at('b.example.com'),
    ]
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, first, user)
    const sub = subOf(json.id_token)
    expect(sub).not.toContain(user)
    expect(sub).toHaveLength(43)
    expect((await userinfo(portal, json.access_token)).json.sub).toBe(sub)
    expect((await introspect(portal, first, json.access_token)).json.sub).toBe(sub)
    const next = (await refresh(portal, first, json.refresh_token)).json
    expect(subOf(next.id_token)).toBe(sub)
    expect(subOf((await signInTo(browser, sister, user)).json.id_token)).toBe(sub)
    const elsewhere = subOf((await signInTo(browser, other, user)).json.id_token)
    expect([sub, user]).not.toContain(elsewhere)
    const plain = await newApp()
    expect(subOf((await signInTo(browser, plain, user)).json.id_token)).toBe(user)
    const someone = await newUser(stores.sql)
    expect(subOf((await signInTo(new Browser(portal), first, someone)).json.id_token)).not.toBe(sub)
    expect(
      (await oidc.clients.previewClaims(first.clientId, user, { actor: 'operator' }))?.scopes[0]?.userinfo
        .sub,
    ).toBe(sub)
    const asked = await browser.go(ask(portal, first, { scope: 'openid orders:read', resource: API }).url)
    expect(asked.url.pathname).toBe('/consent')
  })

  it('are in tokens for APIs too', async () => {
    const app = await at('c.example.com')
    const asked = ask(portal, app, { scope: 'openid orders:read', resource: API })
    const browser = new Browser(portal)
    const landed = await browser.allow(await browser.signIn(user, await browser.go(asked.url)))
    const code = landed.url.searchParams.get('code') ?? ''
    const { json } = await redeem(portal, app, code, asked.verifier, { resource: API })
    expect(subOf(json.access_token)).toBe(subOf(json.id_token))
    expect(subOf(json.access_token)).not.toBe(user)
  })

  it('outlive a rotation of the secret', async () => {
    const app = await at('d.example.com')
    const before = subOf((await signInTo(new Browser(portal), app, user)).json.id_token)
    const secret = process.env.GATEHOUSE_SECRET
    process.env.GATEHOUSE_SECRET = `another-secret-another-secret-another-01,${secret}`
    reloadEnv()
    const after = subOf((await signInTo(new Browser(portal), app, user)).json.id_token)
    process.env.GATEHOUSE_SECRET = secret
    reloadEnv()
    expect(after).toBe(before)
  })

  it('name the person that an ID token hint means, at sign-in and at sign-out', async () => {
    const app = await at('e.example.com')
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, app, user)
    const hint = { id_token_hint: json.id_token }
    const none = await browser.go(ask(portal, app, { ...hint, prompt: 'none' }).url)
    expect(none.url.searchParams.get('code')).toBeTruthy()
    const other = new Browser(portal)
    await other.signIn(await newUser(stores.sql))
    const wrong = await other.go(ask(portal, app, { ...hint, prompt: 'none' }).url)
    expect(wrong.url.searchParams.get('error')).toBe('login_required')
    // The right person comes, after a wrong one.
    const asked = await other.go(ask(portal, app, hint).url)
    expect((await other.signIn(user, asked)).url.searchParams.get('code')).toBeTruthy()
    const out = new URL(`${portal.issuer}/logout`)
    out.search = new URLSearchParams({
      ...hint,
      post_logout_redirect_uri: 'https://e.example.com/',
    }).toString()
    expect((await browser.go(out)).url.href).toBe('https://e.example.com/')
  })

  it.each<[string, Partial<oidc.NewClient>]>([
    ['two hosts', { redirectUris: ['https://a.example.com/cb', 'https://b.example.com/cb'] }],
    ['devices', { grants: ['authorization_code', 'device_code'] }],
  ])('are not for %s', async (_what, input) => {
    const added = await oidc.clients.add({
      name: 'x',
      pairwise: true,
      redirectUris: ['https://a.example.com/cb'],
      ...input,
    })
    expect(added).toMatchObject({ ok: false, refusal: { field: 'pairwise' } })
  })
})

describe('signed requests', () => {
  const keysOf = async (alg = 'ES256') => {
    const pair = await jose.generateKeyPair(alg, { extractable: true })
    const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: randomUUID(), alg, use: 'sig' }
    return { ...pair, jwk, alg }
  }
  type Keys = Awaited<ReturnType<typeof keysOf>>

  async function signed(keys: Keys, params: URLSearchParams, claims: jose.JWTPayload = {}): Promise<string> {
    const clientId = params.get('client_id') ?? ''
    return new jose.SignJWT({ ...Object.fromEntries(params), iss: clientId, aud: portal.issuer, ...claims })
      .setProtectedHeader({ alg: keys.alg, kid: keys.jwk.kid })
      .setExpirationTime('1m')
      .sign(keys.privateKey)
  }

  const setUp = async () => {
    const keys = await keysOf()
    const app = await newApp({ jwks: { keys: [keys.jwk] }, signedRequests: true })
    const { url, verifier } = ask(portal, app)
    const send = (request: string, more: Record<string, string> = {}) => {
      const start = new URL(url)
      start.search = new URLSearchParams({ client_id: app.clientId, request, ...more }).toString()
      return new Browser(portal).go(start)
    }
    return { keys, app, url, verifier, send }
  }

  it('openid-client signs its request, and what stands beside it counts for nothing', async () => {
    const { keys, app } = await setUp()
    const config = await client.discovery(
      new URL(portal.issuer),
      app.clientId,
      {},
      client.ClientSecretBasic(app.clientSecret),
      { execute: [client.allowInsecureRequests] },
    )
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const start = await client.buildAuthorizationUrlWithJAR(
      config,
      {
        redirect_uri: app.redirectUri,
        scope: 'openid',
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      },
      { key: keys.privateKey, kid: keys.jwk.kid },
    )
    start.searchParams.set('scope', 'openid email phone')
    const browser = new Browser(portal)
    const consent = await browser.signIn(user, await browser.go(start))
    expect(JSON.parse(consent.body).view.newScopes).toEqual(['openid'])
    const landed = await browser.allow(consent)
    const tokens = await client.authorizationCodeGrant(config, landed.url, { pkceCodeVerifier })
    expect(tokens.claims()?.sub).toBe(user)
  })

  it('a_request_that_is_not_signed', async () => {
    const { url } = await setUp()
    const plain = await new Browser(portal).go(url)
    expect(plain.url.searchParams.get('error')).toBe('invalid_request')
  })

  it.each<[string, (keys: Keys, url: URL) => Promise<string>]>([
    ['by_another_key', async (keys, url) => signed({ ...(await keysOf()), jwk: keys.jwk }, url.searchParams)],
    ['for_another_audience', (keys, url) => signed(keys, url.searchParams, { aud: 'https://x.example.com' })],
    ['by_another_app', (keys, url) => signed(keys, url.searchParams, { iss: 'somebody' })],
    ['that_is_over', (keys, url) => signed({ ...keys }, url.searchParams, { nbf: 4_000_000_000 })],
  ])('a_request_signed_%s', async (_what, make) => {
    const { keys, url, send } = await setUp()
    const answer = await send(await make(keys, url))
    expect(answer.url.searchParams.get('code')).toBeNull()
    expect(answer.url.searchParams.get('error') ?? answer.body).toContain('invalid_request_object')
  })
})
