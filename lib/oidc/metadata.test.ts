/** Documents, origin and keys: OP1, HST1, KEY1; and that CORS lets in whom it should. */
import { request } from 'node:http'
import { createLocalJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { useStores } from '../testing'
import * as oidc from './index'
import * as keys from './keys'
import { ask, newApp, redeem, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
/** Polls until it holds; what comes by a message takes a moment. */
const soon = (fn: () => void | Promise<void>) => vi.waitFor(fn, { timeout: 5000, interval: 20 })

let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  return () => portal.stop()
})
afterEach(() => {
  vi.useRealTimers()
})

const get = async (path: string, headers: Record<string, string> = {}) =>
  fetch(`${portal.url}${path}`, { headers })
const jwks = async () => (await get('/oidc/jwks')).json() as Promise<{ keys: Record<string, string>[] }>

describe('OP1: discovery', () => {
  it('says what is true, at each of its places', async () => {
    const doc = await (await get('/oidc/.well-known/openid-configuration')).json()
    expect(doc).toMatchObject({
      issuer: portal.issuer,
      authorization_endpoint: `${portal.issuer}/auth`,
      token_endpoint: `${portal.issuer}/token`,
      userinfo_endpoint: `${portal.issuer}/userinfo`,
      jwks_uri: `${portal.issuer}/jwks`,
      end_session_endpoint: `${portal.issuer}/logout`,
      introspection_endpoint: `${portal.issuer}/introspection`,
      revocation_endpoint: `${portal.issuer}/revocation`,
      response_types_supported: ['code'],
      code_challenge_methods_supported: ['S256'],
      subject_types_supported: ['public', 'pairwise'],
      request_parameter_supported: true,
      id_token_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA'],
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      device_authorization_endpoint: `${portal.issuer}/device_authorization`,
      dpop_signing_alg_values_supported: ['ES256', 'PS256', 'EdDSA', 'Ed25519'],
      authorization_response_iss_parameter_supported: true,
      prompt_values_supported: ['none', 'login', 'consent', 'create'],
      request_uri_parameter_supported: false,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    })
    expect([...doc.grant_types_supported].sort()).toEqual([
      'authorization_code',
      'client_credentials',
      'refresh_token',
      'urn:ietf:params:oauth:grant-type:device_code',
    ])
    expect([...doc.scopes_supported].sort()).toEqual([
      'email',
      'offline_access',
      'openid',
      'phone',
      'profile',
      'roles',
    ])
    expect(doc).not.toHaveProperty('registration_endpoint')
    for (const path of [
      '/oidc/.well-known/oauth-authorization-server',
      '/.well-known/oauth-authorization-server/oidc',
      '/.well-known/openid-configuration/oidc',
    ]) {
      expect(await (await get(path)).json()).toEqual(doc)
    }
  })

  it('documents have an ETag, answer 304, HEAD and CORS, and refuse other methods', async () => {
    for (const path of ['/oidc/jwks', '/oidc/.well-known/openid-configuration']) {
      const res = await get(path, { origin: 'https://spa.example.com' })
      expect(res.headers.get('access-control-allow-origin')).toBe('*')
      expect(res.headers.get('cache-control')).toContain('max-age')
      expect((await get(path, { 'if-none-match': res.headers.get('etag') ?? '' })).status).toBe(304)
      expect((await fetch(portal.url + path, { method: 'HEAD' })).headers.get('content-length')).toBe(
        String((await res.arrayBuffer()).byteLength),
      )
      expect((await fetch(portal.url + path, { method: 'POST' })).status).toBe(405)
    }
  })
})

describe('HST1', () => {
  it('foreign_host_in_any_header_appears_nowhere', async () => {
    const { port } = new URL(portal.url)
    const send = (path: string, headers: Record<string, string>) =>
      new Promise<string>((resolve, reject) => {
        request({ host: '127.0.0.1', port, path, headers }, (res) => {
          let text = JSON.stringify(res.headers)
          res.on('data', (chunk) => {
            text += chunk
          })
          res.on('end', () => resolve(text))
        })
          .on('error', reject)
          .end()
      })
    const { url } = ask(portal, await newApp())
    const spoofed: Record<string, string>[] = [
      { host: 'evil.example.com' },
      { 'x-forwarded-host': 'evil.example.com', 'x-forwarded-proto': 'https' },
      { forwarded: 'host=evil.example.com;proto=https' },
      { host: 'evil.example.com', 'x-forwarded-host': 'evil.example.com', 'x-forwarded-for': '1.2.3.4' },
    ]
    for (const headers of spoofed) {
      for (const path of [
        '/oidc/.well-known/openid-configuration',
        url.pathname + url.search,
        '/oidc/logout',
        '/oidc/token',
        '/oidc/nope',
      ]) {
        expect(await send(path, headers)).not.toContain('evil')
      }
    }
  })
})

describe('KEY1: signing keys', () => {
  it('rotate without a restart: published before use, old tokens verify, new ones are signed by the next', async () => {
    const app = await newApp()
    const browser = new Browser(portal)
    const before = await signInTo(browser, app, user)
    const published = (await jwks()).keys.map((k) => k.kid)
    expect(published).toHaveLength(6)
    const next = (await oidc.keys.list()).find((k) => k.algorithm === 'ES256' && k.status === 'next')
    expect(published).toContain(next?.kid)
    expect((await oidc.keys.rotate({ early: true })).ok).toBe(true)
    await soon(async () => expect((await jwks()).keys).toHaveLength(9))
    const after = await signInTo(browser, app, user)
    expect(decodeProtectedHeader(after.json.id_token)).toMatchObject({ alg: 'ES256', kid: next?.kid })
    const set = createLocalJWKSet(await jwks())
    for (const token of [before.json.id_token, after.json.id_token]) {
      await jwtVerify(token, set, { issuer: portal.issuer, audience: app.clientId })
    }
    expect((await userinfo(portal, before.json.access_token)).status).toBe(200)
    const hinted = await browser.go(`/oidc/logout?id_token_hint=${before.json.id_token}`)
    expect(hinted.url.pathname).toBe('/signed-out')
  })

  it('an emergency unpublishes the active key at once', async () => {
    const bad = (await oidc.keys.list()).find((k) => k.algorithm === 'ES256' && k.status === 'active')
    await oidc.keys.rotate({ algorithm: 'ES256', emergency: true })
    await soon(async () => expect((await jwks()).keys.map((k) => k.kid)).not.toContain(bad?.kid))
  })

  it('two processes that start at once agree on the keys', async () => {
    await stores.sql('DELETE FROM signing_keys')
    const sets = await Promise.all([keys.load(), keys.load()])
    await Promise.all(
      sets.map(async () => expect((await keys.load()).version).toBe((await keys.load()).version)),
    )
    const { rows } = await stores.sql(
      `SELECT algorithm, status::text, count(*)::int AS n FROM signing_keys GROUP BY 1, 2`,
    )
    expect(rows).toHaveLength(6)
    expect(rows.every((row) => row.n === 1)).toBe(true)
    const parallel = await Promise.all([1, 2].map(() => oidc.keys.rotate({ early: true })))
    expect(parallel.every((r) => r.ok)).toBe(true)
    const active = (await oidc.keys.list()).filter((k) => k.status === 'active')
    expect(active.map((k) => k.algorithm).sort()).toEqual(['ES256', 'EdDSA', 'RS256'])
  })

  it('are sealed at rest, unique by kid, and unpublished when nothing needs them', async () => {
    const dump = (await stores.sql('SELECT * FROM signing_keys')).rows
    expect(dump.every((row) => row.private_sealed.startsWith('v1.'))).toBe(true)
    expect(JSON.stringify(dump)).not.toMatch(/"d":/)
    expect(new Set(dump.map((row) => row.kid)).size).toBe(dump.length)
    for (const key of (await jwks()).keys)
      for (const secret of ['d', 'p', 'q', 'dp', 'dq', 'qi']) expect(key).not.toHaveProperty(secret)
    const retired = (await oidc.keys.list()).filter((k) => k.status === 'retired')
    expect(retired.length).toBeGreaterThan(0)
    await oidc.sweep()
    expect((await oidc.keys.list()).filter((k) => k.status === 'retired')).toHaveLength(retired.length)
    await stores.sql("UPDATE signing_keys SET retired_at = retired_at - interval '32 days'")
    await oidc.sweep()
    expect((await oidc.keys.list()).filter((k) => k.status === 'retired')).toHaveLength(0)
  })

  it.each(['ES256', 'RS256', 'EdDSA'] as const)('%s ID tokens verify', async (idTokenAlg) => {
    const app = await newApp({ idTokenAlg })
    const { json } = await signInTo(new Browser(portal), app, user)
    expect(decodeProtectedHeader(json.id_token).alg).toBe(idTokenAlg)
    await jwtVerify(json.id_token, createLocalJWKSet(await jwks()), {
      issuer: portal.issuer,
      audience: app.clientId,
    })
  })
})

describe('CORS', () => {
  it('lets a browser app call from its own origin, and nobody else', async () => {
    const spa = await newApp({ authMethod: 'none', redirectUris: ['https://spa.example.com/cb'] })
    const asked = ask(portal, spa)
    const browser = new Browser(portal)
    const consent = await browser.signIn(user, await browser.go(asked.url))
    const landed = await browser.allow(consent)
    const code = landed.url.searchParams.get('code') ?? ''
    const exchange = (origin: string) =>
      fetch(`${portal.issuer}/token`, {
        method: 'POST',
        headers: { origin },
        body: new URLSearchParams({
          grant_type: 'authorization_code',
          code,
          redirect_uri: spa.redirectUri,
          code_verifier: asked.verifier,
          client_id: spa.clientId,
        }),
      })
    for (const origin of ['https://evil.example.com', 'null', 'https://spa.example.com.evil.com']) {
      const res = await exchange(origin)
      expect([res.status, res.headers.get('access-control-allow-origin')]).toEqual([400, null])
    }
    const good = await exchange('https://spa.example.com')
    expect([good.status, good.headers.get('access-control-allow-origin')]).toEqual([
      200,
      'https://spa.example.com',
    ])
    expect(good.headers.get('access-control-allow-credentials')).toBeNull()
    const confidential = await newApp({ redirectUris: ['https://spa.example.com/cb'] })
    const refused = await redeem(portal, confidential, 'x', 'y'.repeat(43))
    expect(refused.status).toBe(400)
  })
})
