/** Keys of apps and what each level asks for (RFC 7523, RFC 9126, RFC 9449, FAPI 2.0): OP11, OP13, and a real client at each. */
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as client from 'openid-client'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { getDocument } from '../base/outbound'
import { useStores } from '../testing'
import * as oidc from './index'
import { type App, ask, call, newApp, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import {
  asserted,
  assertionOf,
  keyed,
  newPair,
  type Pair,
  type Proof,
  proofOf,
  type Said,
} from './testing/keys'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let user: string
const servers: Server[] = []

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  return () => portal.stop()
})
afterEach(() => {
  vi.useRealTimers()
  setClock(null)
  for (const server of servers.splice(0)) {
    server.closeAllConnections()
    server.close()
  }
})

function advance(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
  setClock(() => Date.now())
}

async function listening(answer: RequestListener): Promise<string> {
  const server = createServer(answer)
  servers.push(server)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks.json`
}

const assertion = (app: App, pair: Pair, said: Said = {}) => assertionOf(portal, app, pair, said)
const proof = (pair: Pair, said: Proof = {}) => proofOf(portal, pair, said)

/** Shows it where the code or token itself is wrong: whoever is let in hears `invalid_grant`. */
const show = (app: App, client_assertion: string) =>
  call(portal, '/token', null, {
    grant_type: 'refresh_token',
    refresh_token: 'x',
    ...asserted(app, client_assertion),
  })

const LET_IN = 'invalid_grant'

async function readUserinfo(token: string, headers: Record<string, string>) {
  const res = await fetch(`${portal.issuer}/userinfo`, {
    headers: { authorization: `DPoP ${token}`, ...headers },
  })
  return res.status
}

describe('private_key_jwt', () => {
  it.each(['ES256', 'PS256', 'EdDSA', 'RS256'])('lets an app in by its key (%s)', async (alg) => {
    const pair = await newPair(alg)
    const app = await keyed(pair)
    expect((await show(app, await assertion(app, pair))).json.error).toBe(LET_IN)
  })

  it('OP13: an_assertion_shown_twice_at_once_is_taken_once', async () => {
    const pair = await newPair()
    const app = await keyed(pair)
    const signed = await assertion(app, pair)
    const answers = await Promise.all(Array.from({ length: 10 }, () => show(app, signed)))
    expect(answers.filter(({ json }) => json.error === LET_IN)).toHaveLength(1)
    expect((await show(app, signed)).json.error).toBe('invalid_client')
  })

  it.each<[string, Said]>([
    ['of_another_audience', { claims: { aud: 'https://elsewhere.example.com' } }],
    ['that_is_over', { claims: { exp: 1 } }],
    ['that_is_good_for_an_hour', { claims: { exp: Math.floor(Date.now() / 1000) + 3600 } }],
    ['without_an_end', { claims: { exp: undefined } }],
    ['without_a_jti', { claims: { jti: undefined } }],
    ['of_another_issuer', { claims: { iss: 'somebody' } }],
    ['with_another_alg_in_its_header', { header: { alg: 'none' } }],
  ])('OP13: an_assertion_%s', async (_what, said) => {
    const pair = await newPair()
    const app = await keyed(pair)
    const signed = await assertion(app, pair, said).catch(
      async () =>
        `${Buffer.from('{"alg":"none"}').toString('base64url')}.${(await assertion(app, pair)).split('.')[1]}.`,
    )
    expect((await show(app, signed)).json.error).toBe('invalid_client')
  })

  it('a_foreign_key_a_secret_and_no_proof_at_all', async () => {
    const pair = await newPair()
    const app = await keyed(pair)
    const foreign = { ...(await newPair()), jwk: pair.jwk }
    expect((await show(app, await assertion(app, foreign))).json.error).toBe('invalid_client')
    expect((await refresh(portal, { ...app, clientSecret: 'kept-as-a-hash' }, 'x')).json.error).toBe(
      'invalid_client',
    )
    expect((await refresh(portal, app, 'x')).json.error).toBe('invalid_client')
    expect(await oidc.clients.rotateSecret(app.clientId)).toMatchObject({ ok: false })
    expect(app.clientSecret).toBeUndefined()
  })

  it.each<[string, Partial<oidc.NewClient>, string]>([
    ['no keys', {}, 'jwks'],
    [
      'keys and their address',
      { jwks: { keys: [{ kty: 'EC' }] }, jwksUri: 'https://a.example.com/jwks' },
      'jwks',
    ],
    ['a private key', { jwks: { keys: [{ kty: 'EC', d: 'x' }] } }, 'jwks'],
    ['a shared key', { jwks: { keys: [{ kty: 'oct', k: 'x' }] } }, 'jwks'],
    ['an address without https', { jwksUri: 'http://a.example.com/jwks' }, 'jwksUri'],
  ])('is not registered with %s', async (_what, input, field) => {
    const redirectUris = ['https://a.example.com/cb']
    const added = await oidc.clients.add({ name: 'x', redirectUris, authMethod: 'private_key_jwt', ...input })
    expect(added).toMatchObject({ ok: false, refusal: { field } })
  })
})

describe('jwks_uri (OP11)', () => {
  it('is read when it is needed, once a minute, and shows a rotated key after that', async () => {
    const [first, second] = [await newPair(), await newPair()]
    let keys = [first.jwk]
    let asked = 0
    const jwksUri = await listening((_req, res) => {
      asked++
      res.end(JSON.stringify({ keys }))
    })
    const app = await newApp({ authMethod: 'private_key_jwt', jwksUri })
    const answers = await Promise.all([1, 2, 3].map(async () => show(app, await assertion(app, first))))
    expect(answers.map(({ json }) => json.error)).toEqual([LET_IN, LET_IN, LET_IN])
    expect(asked).toBe(1)
    keys = [second.jwk]
    expect((await show(app, await assertion(app, second))).json.error).toBe('invalid_client')
    advance(61)
    expect((await show(app, await assertion(app, second))).json.error).toBe(LET_IN)
    expect((await show(app, await assertion(app, first))).json.error).toBe('invalid_client')
    expect(asked).toBe(2)
  })

  it.each<[string, RequestListener]>([
    ['redirects', (_req, res) => res.writeHead(302, { location: 'http://169.254.169.254/' }).end()],
    ['is too long', (_req, res) => res.end('x'.repeat(100_000))],
    ['is no JSON', (_req, res) => res.end('<html>')],
    ['answers 500', (_req, res) => res.writeHead(500).end()],
  ])('one that %s lets nobody in, and is left alone for a while', async (_what, answer) => {
    let asked = 0
    const jwksUri = await listening((req, res) => {
      asked++
      answer(req, res)
    })
    const pair = await newPair()
    const app = await newApp({ authMethod: 'private_key_jwt', jwksUri })
    for (let n = 0; n < 3; n++)
      expect((await show(app, await assertion(app, pair))).status).toBeGreaterThanOrEqual(400)
    expect((await show(app, await assertion(app, pair))).json.error).not.toBe(LET_IN)
    expect(asked).toBe(1)
  })

  it('private_addresses_and_plain_http_are_not_asked', async () => {
    const at = (address: string) => async () => [{ address, family: 4 }]
    const get = (url: string, address: string, privateNetworks: string[] = []) =>
      getDocument(url, 1000, { privateNetworks, resolve: at(address) })
    for (const address of ['127.0.0.1', '10.0.0.1', '169.254.169.254'])
      await expect(get('https://keys.example.com/jwks', address)).rejects.toThrow('not public')
    await expect(get('http://keys.example.com/jwks', '93.184.216.34')).rejects.toThrow('not https')
    await expect(get('ftp://keys.example.com/jwks', '93.184.216.34')).rejects.toThrow('of the web')
  })
})

describe('DPoP', () => {
  const more = { authMethod: 'none' as const }

  async function bound(app: App, pair: Pair) {
    const asked = ask(portal, app)
    const browser = new Browser(portal)
    let at = await browser.signIn(user, await browser.go(asked.url))
    if (at.url.pathname === '/consent') at = await browser.allow(at)
    const fields = {
      grant_type: 'authorization_code',
      code: at.url.searchParams.get('code') ?? '',
      redirect_uri: app.redirectUri,
      code_verifier: asked.verifier,
    }
    return (await call(portal, '/token', app, fields, { dpop: await proof(pair) })).json
  }

  it('binds a token to the key: it is worth nothing without', async () => {
    const [app, pair, other] = [await newApp(more), await newPair(), await newPair()]
    const { access_token: token, token_type } = await bound(app, pair)
    expect(token_type).toBe('DPoP')
    const where = { htm: 'GET', path: '/userinfo', token }
    expect(await readUserinfo(token, { dpop: await proof(pair, where) })).toBe(200)
    expect(await readUserinfo(token, {})).toBeGreaterThanOrEqual(400)
    expect((await userinfo(portal, token)).status).toBe(401)
    expect(await oidc.access(token)).toBeNull()
    for (const wrong of [
      proof(other, where),
      proof(pair, { ...where, htm: 'POST' }),
      proof(pair, { ...where, path: '/token' }),
      proof(pair, { ...where, token: 'another' }),
      proof(pair, { ...where, claims: { iat: 1 } }),
    ])
      expect(await readUserinfo(token, { dpop: await wrong })).toBe(401)
  })

  it('a_proof_shown_ten_times_at_once_is_taken_once', async () => {
    const [app, pair] = [await newApp(more), await newPair()]
    const { access_token: token } = await bound(app, pair)
    const dpop = await proof(pair, { htm: 'GET', path: '/userinfo', token })
    const answers = await Promise.all(Array.from({ length: 10 }, () => readUserinfo(token, { dpop })))
    expect(answers.filter((status) => status === 200)).toHaveLength(1)
  })

  it('strangers_leave_no_marks: one is written for what is good alone, and so many for one sign-in or network', async () => {
    const marks = async () => (await stores.redis().keys('oidc:ReplayDetection:*')).length
    const [app, pair, other] = [await newApp(more), await newPair(), await newPair()]
    const { access_token: token, refresh_token } = await bound(app, pair)
    const unbound = (await signInTo(new Browser(portal), await newApp(), user)).json.access_token
    const before = await marks()
    const at = (token: string, key: Pair) => proof(key, { htm: 'GET', path: '/userinfo', token })
    // A token that nobody has, a key that is not the token's, a token without a key.
    expect(await readUserinfo('x'.repeat(43), { dpop: await at('x'.repeat(43), pair) })).toBe(401)
    expect(await readUserinfo(token, { dpop: await at(token, other) })).toBe(401)
    expect(await readUserinfo(unbound, { dpop: await at(unbound, pair) })).toBe(401)
    const rotate = async (value: string, key: Pair) =>
      call(
        portal,
        '/token',
        app,
        { grant_type: 'refresh_token', refresh_token: value },
        { dpop: await proof(key) },
      )
    expect((await rotate('x'.repeat(64), pair)).json.error).toBe('invalid_grant')
    expect((await rotate(refresh_token, other)).json.error).toBe('invalid_grant')
    expect(await marks()).toBe(before)
    // Whoever has a good token does not fill the store with it either.
    const { rows } = await stores.sql('SELECT grant_id, family_id FROM refresh_tokens WHERE client_id = $1', [
      app.clientId,
    ])
    const bucket = `ratelimit:signed-proof:${rows[0].grant_id}.${rows[0].family_id}`
    expect(await stores.redis().exists(bucket)).toBe(0)
    await stores.redis().set(bucket, String(Date.now() + 3_600_000))
    const shut = await fetch(`${portal.issuer}/userinfo`, {
      headers: { authorization: `DPoP ${token}`, dpop: await at(token, pair) },
    })
    expect([shut.status, Number(shut.headers.get('retry-after')) > 0]).toEqual([429, true])
    expect(await marks()).toBe(before)
  })

  it('strangers_leave_no_marks_by_pushing_requests_without_end', async () => {
    const app = await newApp({ ...more, security: 'dpop' })
    const pair = await newPair()
    process.env.LIMIT_REQUESTS_BURST = '1'
    process.env.LIMIT_REQUESTS_PER_MINUTE = '1'
    reloadEnv()
    try {
      const before = (await stores.redis().keys('oidc:ReplayDetection:*')).length
      const push = async () => {
        const { url } = ask(portal, app)
        return call(portal, '/par', app, Object.fromEntries(url.searchParams), {
          dpop: await proof(pair, { path: '/par' }),
        })
      }
      const statuses = []
      for (let n = 0; n < 6; n++) statuses.push((await push()).status)
      expect(statuses).toEqual([201, 201, 429, 429, 429, 429])
      expect((await stores.redis().keys('oidc:ReplayDetection:*')).length - before).toBe(2)
    } finally {
      process.env.LIMIT_REQUESTS_BURST = '100000'
      delete process.env.LIMIT_REQUESTS_PER_MINUTE
      reloadEnv()
    }
  })

  it('the_refresh_token_of_an_app_without_a_secret_is_bound_too_within_the_grace_as_well', async () => {
    const [app, pair, other] = [await newApp(more), await newPair(), await newPair()]
    const { refresh_token } = await bound(app, pair)
    const fields = { grant_type: 'refresh_token', refresh_token }
    const by = async (key: Pair | null) =>
      call(portal, '/token', app, fields, key ? { dpop: await proof(key) } : {})
    expect((await by(null)).json.error).toBe('invalid_grant')
    expect((await by(other)).json.error).toBe('invalid_grant')
    const next = await by(pair)
    expect(next.status).toBe(200)
    expect((await by(other)).json.error).toBe('invalid_grant')
    expect((await by(pair)).json.refresh_token).toBe(next.json.refresh_token)
  })
})

describe('the level of an app', () => {
  it('par: a_request_that_was_not_pushed', async () => {
    const app = await newApp({ security: 'par' })
    const plain = await new Browser(portal).go(ask(portal, app).url)
    expect(plain.url.searchParams.get('code')).toBeNull()
    expect(plain.url.searchParams.get('error') ?? plain.body).toContain('invalid_request')
    const noPkce = await call(portal, '/par', app, {
      response_type: 'code',
      redirect_uri: app.redirectUri,
      scope: 'openid',
    })
    expect(noPkce.json.error).toBe('invalid_request')
  })

  it('par: asks for PKCE whatever was registered before', async () => {
    const app = await newApp({ pkce: false })
    expect(await oidc.clients.update(app.clientId, { security: 'par' })).toMatchObject({
      refusal: { field: 'security' },
    })
  })

  it('dpop: a_token_request_without_a_proof, and tokens from before are dead', async () => {
    const app = await newApp()
    const { json } = await signInTo(new Browser(portal), app, user)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    expect((await oidc.clients.update(app.clientId, { security: 'dpop' })).ok).toBe(true)
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    expect(await oidc.clients.get(app.clientId)).toMatchObject({ security: 'dpop' })
    expect((await oidc.clients.update(app.clientId, { security: 'standard' })).ok).toBe(true)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
  })

  it('dpop: a_refresh_token_from_before_of_an_app_without_a_secret_is_not_bound_to_whoever_shows_it', async () => {
    const [mine, open] = [await newApp(), await newApp({ authMethod: 'none' })]
    for (const [app, status] of [
      [mine, 200],
      [open, 400],
    ] as const) {
      const { json } = await signInTo(new Browser(portal), app, user)
      expect((await oidc.clients.update(app.clientId, { security: 'dpop' })).ok).toBe(true)
      const fields = { grant_type: 'refresh_token', refresh_token: json.refresh_token }
      const answer = await call(portal, '/token', app, fields, { dpop: await proof(await newPair()) })
      expect(answer.status).toBe(status)
    }
  })

  it.each<[string, Partial<oidc.NewClient>]>([
    ['a secret', {}],
    ['nothing', { authMethod: 'none' }],
    ['RS256', { authMethod: 'private_key_jwt', jwks: { keys: [{ kty: 'EC' }] }, idTokenAlg: 'RS256' }],
  ])('fapi2 is not for an app with %s', async (_what, input) => {
    const added = await oidc.clients.add({
      name: 'x',
      redirectUris: ['https://a.example.com/cb'],
      security: 'fapi2',
      ...input,
    })
    expect(added).toMatchObject({ ok: false, refusal: { field: 'security' } })
  })

  it.each<[string, string, Said]>([
    ['a_list_of_audiences', 'ES256', { claims: { aud: ['x'] } }],
    ['the_token_endpoint_as_audience', 'ES256', { claims: { aud: 'token' } }],
    ['rs256', 'RS256', {}],
  ])('fapi2: an_assertion_with_%s', async (_what, alg, said) => {
    const pair = await newPair(alg)
    const app = await keyed(pair, { security: 'fapi2' })
    const { aud } = said.claims ?? {}
    const audience = aud === 'token' ? `${portal.issuer}/token` : aud && [portal.issuer]
    const claims = audience ? { aud: audience } : {}
    expect((await show(app, await assertion(app, pair, { claims }))).json.error).toBe('invalid_client')
  })

  it('fapi2: openid-client signs in, with its key, pushed requests, and tokens bound to another key', async () => {
    const pair = await newPair()
    const app = await keyed(pair, { security: 'fapi2' })
    const config = await client.discovery(
      new URL(portal.issuer),
      app.clientId,
      {},
      client.PrivateKeyJwt({ key: pair.privateKey, kid: pair.jwk.kid }),
      { execute: [client.allowInsecureRequests] },
    )
    const keys = await client.randomDPoPKeyPair()
    const DPoP = client.getDPoPHandle(config, keys)
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const start = await client.buildAuthorizationUrlWithPAR(
      config,
      {
        redirect_uri: app.redirectUri,
        scope: 'openid profile',
        code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
        code_challenge_method: 'S256',
      },
      { DPoP },
    )
    const browser = new Browser(portal)
    let at = await browser.signIn(user, await browser.go(start))
    if (at.url.pathname === '/consent') at = await browser.allow(at)
    const tokens = await client.authorizationCodeGrant(config, at.url, { pkceCodeVerifier }, undefined, {
      DPoP,
    })
    expect(tokens.token_type).toBe('dpop')
    expect((await client.fetchUserInfo(config, tokens.access_token, user, { DPoP })).name).toBe(
      'Ada Lovelace',
    )
    const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '', undefined, { DPoP })
    expect(next.claims()?.sub).toBe(user)
    // A code alone, with the key of the app but none for its tokens.
    await expect(client.refreshTokenGrant(config, next.refresh_token ?? '')).rejects.toThrow()
  })
})
