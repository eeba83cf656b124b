/** Tokens for APIs (RFC 8707, RFC 9068) and apps that act for themselves: what they get, and what stops it. */
import * as jose from 'jose'
import * as client from 'openid-client'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as oidc from './index'
import {
  type App,
  ask,
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
const ORDERS = 'https://orders.example.com'
const STOCK = 'https://stock.example.com/api'
let portal: Portal
let app: App
let machine: App
let api: App
let user: string

async function ok<T>(result: Promise<{ ok: true; value: T } | { ok: false; refusal: unknown }>): Promise<T> {
  const got = await result
  if (!got.ok) throw new Error(JSON.stringify(got.refusal))
  return got.value
}

const SCOPES = [{ name: 'orders:read', description: 'Read orders' }, { name: 'orders:write' }]
const MACHINE = { redirectUris: [], grants: ['client_credentials' as const] }

beforeAll(async () => {
  portal = await startPortal()
  await ok(oidc.resources.add({ id: ORDERS, name: 'Orders', scopes: SCOPES }))
  await ok(
    oidc.resources.add({ id: STOCK, name: 'Stock', scopes: [{ name: 'stock:read' }], format: 'opaque' }),
  )
  app = await newApp({ resources: [{ resource: ORDERS }, { resource: STOCK }] })
  machine = await newApp({ ...MACHINE, resources: [{ resource: ORDERS, scopes: ['orders:read'] }] })
  api = await newApp({ redirectUris: [], grants: [], serves: [ORDERS, STOCK] })
  user = await newUser(stores.sql)
  return () => portal.stop()
})
afterEach(() => {
  vi.useRealTimers()
  setClock(null)
})

const machineToken = (who: App, more: Record<string, string> = {}) =>
  call(portal, '/token', who, { grant_type: 'client_credentials', scope: 'orders:read', ...more })

/** As the API verifies one. */
const verify = (token: string, audience = ORDERS) =>
  jose.jwtVerify(token, jose.createRemoteJWKSet(new URL(`${portal.issuer}/jwks`)), {
    issuer: portal.issuer,
    audience,
    typ: 'at+jwt',
  })

const wanted = { scope: 'openid profile orders:read orders:write', resource: ORDERS }

/** Signed in at an app, with a token for an API. */
async function tokenFor(who = app, resource = ORDERS, scope = wanted.scope, person = user) {
  const browser = new Browser(portal)
  const got = await obtainCode(browser, who, person, { scope, resource })
  const { json } = await redeem(portal, who, got.code, got.verifier, { resource })
  return { browser, json, access: json.access_token as string, refreshToken: json.refresh_token as string }
}

describe('a token for an API', () => {
  it('is_a_jwt_that_the_api_verifies_by_itself', async () => {
    const { json } = await tokenFor()
    const { payload, protectedHeader } = await verify(json.access_token)
    expect(protectedHeader).toMatchObject({ alg: 'ES256', typ: 'at+jwt' })
    expect(payload).toEqual({
      iss: portal.issuer,
      sub: user,
      aud: ORDERS,
      client_id: app.clientId,
      scope: 'orders:read orders:write',
      jti: expect.any(String),
      iat: expect.any(Number),
      exp: (payload.iat ?? 0) + 900,
      auth_time: expect.any(Number),
      acr: 'aal1',
      amr: ['pwd'],
    })
    expect(json.scope).toBe('orders:read orders:write')
    expect(jose.decodeJwt(json.id_token).aud).toBe(app.clientId)
  })

  it('holds the claims that the operator maps for the app, as far as their scopes were granted', async () => {
    const mine = await newApp({ resources: [{ resource: ORDERS }] })
    await ok(
      oidc.clients.setClaims(mine.clientId, [
        { name: 'https://example.com/tenant', scope: 'roles', value: 'north' },
        { name: 'https://example.com/who', always: true, in: ['access_token'], value: '{{user.id}}' },
        { name: 'https://example.com/elsewhere', always: true, in: ['userinfo'], value: 'x' },
      ]),
    )
    const without = jose.decodeJwt((await tokenFor(mine)).access)
    expect(without).toMatchObject({ 'https://example.com/who': user, sub: user, aud: ORDERS, acr: 'aal1' })
    expect(without).not.toHaveProperty('https://example.com/tenant')
    expect(without).not.toHaveProperty('https://example.com/elsewhere')
    const granted = await tokenFor(mine, ORDERS, 'openid roles orders:read', await newUser(stores.sql))
    expect(jose.decodeJwt(granted.access)).toMatchObject({ 'https://example.com/tenant': 'north' })
  })

  it('is asked about on the consent page, once, and for each API by itself', async () => {
    const [mine, person] = [
      await newApp({ resources: [{ resource: ORDERS }, { resource: STOCK }] }),
      await newUser(stores.sql),
    ]
    const browser = new Browser(portal)
    let said: Record<string, oidc.ApiScope> | undefined
    const asked = async (params: Record<string, string>) => {
      let at = await browser.go(ask(portal, mine, params).url)
      if (at.url.pathname === '/signin/start') at = await browser.signIn(person, at)
      const view = at.url.pathname === '/consent' ? JSON.parse(at.body).view : null
      if (view) await browser.allow(at)
      said = view?.apiScopes
      return view?.newScopes ?? null
    }
    expect(await asked({ scope: 'openid orders:read', resource: ORDERS })).toEqual(['openid', 'orders:read'])
    expect(said).toEqual({ 'orders:read': { apis: ['Orders'], description: 'Read orders' } })
    expect(await asked({ scope: 'openid orders:read', resource: ORDERS })).toBeNull()
    expect(await asked({ scope: 'openid orders:read orders:write', resource: ORDERS })).toEqual([
      'orders:write',
    ])
    // What was allowed before is shown beside it, by the same words.
    expect(said).toEqual({
      'orders:read': { apis: ['Orders'], description: 'Read orders' },
      'orders:write': { apis: ['Orders'], description: null },
    })
    expect(await asked({ scope: 'openid stock:read', resource: STOCK })).toEqual(['stock:read'])
    const { rows } = await stores.sql(`SELECT payload->'resources' AS all FROM grants WHERE user_id = $1`, [
      person,
    ])
    expect(rows).toEqual([{ all: { [ORDERS]: ['orders:read', 'orders:write'], [STOCK]: ['stock:read'] } }])
    const [connected] = await oidc.grants.list(person)
    expect(connected?.apiScopes).toMatchObject({
      'orders:read': { apis: ['Orders'] },
      'stock:read': { apis: ['Stock'], description: null },
    })
  })

  it('comes at refresh too, for one API or the portal itself', async () => {
    const { refreshToken } = await tokenFor()
    const more = { grant_type: 'refresh_token', refresh_token: refreshToken, resource: ORDERS }
    const { json } = await call(portal, '/token', app, more)
    expect((await verify(json.access_token)).payload).toMatchObject({ sub: user, acr: 'aal1' })
    const own = await refresh(portal, app, json.refresh_token)
    expect((await userinfo(portal, own.json.access_token)).json.sub).toBe(user)
    const other = await call(portal, '/token', app, {
      grant_type: 'refresh_token',
      refresh_token: own.json.refresh_token,
      resource: STOCK,
    })
    // It was not asked for at the start.
    expect(other.json.error).toBe('invalid_target')
  })

  it('has the life and the signature that the API is registered with', async () => {
    const id = 'https://short.example.com'
    await ok(oidc.resources.add({ id, name: 'Short', lifetimeSeconds: 60, algorithm: 'EdDSA' }))
    const mine = await newApp({ ...MACHINE, resources: [{ resource: id }] })
    const { json } = await call(portal, '/token', mine, { grant_type: 'client_credentials' })
    const { payload, protectedHeader } = await verify(json.access_token, id)
    expect([protectedHeader.alg, (payload.exp ?? 0) - (payload.iat ?? 0), json.expires_in]).toEqual([
      'EdDSA',
      60,
      60,
    ])
  })

  it.each([
    ['an API that nobody registered', 'https://nobody.example.com'],
    ['no absolute URI', 'orders'],
    ['a fragment', `${ORDERS}#x`],
    ['an object of everything', '__proto__'],
  ])('is refused for %s', async (_what, resource) => {
    const at = await new Browser(portal).go(ask(portal, app, { resource }).url)
    expect(at.url.searchParams.get('error')).toBe('invalid_target')
  })

  it('resource_of_another_app', async () => {
    const at = await new Browser(portal).go(ask(portal, await newApp(), { resource: ORDERS }).url)
    expect(at.url.searchParams.get('error')).toBe('invalid_target')
    expect((await machineToken(machine, { resource: STOCK })).json.error).toBe('invalid_target')
  })

  it('scopes_beyond_what_the_app_is_registered_for_are_not_given', async () => {
    const mine = await newApp({ resources: [{ resource: ORDERS, scopes: ['orders:read'] }] })
    const { json } = await tokenFor(mine)
    expect(json.scope).toBe('orders:read')
  })

  it('a_code_for_one_api_gets_no_token_for_another', async () => {
    const got = await obtainCode(new Browser(portal), app, user, wanted)
    const answer = await redeem(portal, app, got.code, got.verifier, { resource: STOCK })
    expect(answer.json.error).toBe('invalid_target')
  })

  it('is worth nothing at userinfo and at the APIs of the portal', async () => {
    const signed = await tokenFor()
    const opaque = await tokenFor(app, STOCK, 'openid stock:read')
    for (const { access } of [signed, opaque]) {
      expect([401, 403]).toContain((await userinfo(portal, access)).status)
      expect(await oidc.access(access)).toBeNull()
    }
  })
})

describe('introspection and revocation', () => {
  it.each([
    ['jwt', ORDERS, 'openid orders:read'],
    ['opaque', STOCK, 'openid stock:read'],
  ])(
    'of a token that is %s: the app and the API alone, and the gate is asked',
    async (_f, resource, scope) => {
      const person = await newUser(stores.sql)
      const { access } = await tokenFor(app, resource, scope, person)
      const seen = await introspect(portal, api, access)
      expect(seen.json).toMatchObject({ active: true, sub: person, aud: resource, client_id: app.clientId })
      expect(seen.json.scope).toBe(scope.split(' ')[1])
      expect((await introspect(portal, app, access)).json.active).toBe(true)
      for (const other of [await newApp(), machine])
        expect((await introspect(portal, other, access)).json).toEqual({ active: false })
      await sessions.revoke({ userId: person, all: true }, { reason: 'test' })
      expect((await introspect(portal, api, access)).json).toEqual({ active: false })
    },
  )

  it('a_bent_signature_is_not_active', async () => {
    const { access } = await tokenFor()
    const [head, body, signature = ''] = access.split('.')
    const bent = `${head}.${body}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
    expect((await introspect(portal, api, bent)).json).toEqual({ active: false })
    expect((await introspect(portal, api, `${head}.${body}.`)).json.active ?? false).toBe(false)
    expect((await introspect(portal, api, access)).json.active).toBe(true)
  })

  it('a_revoked_jwt_ends_its_family', async () => {
    const { access, refreshToken } = await tokenFor()
    expect((await call(portal, '/revocation', api, { token: access })).status).toBe(400)
    expect((await call(portal, '/revocation', app, { token: access })).status).toBe(200)
    expect((await introspect(portal, api, access)).json).toEqual({ active: false })
    expect((await refresh(portal, app, refreshToken)).json.error).toBe('invalid_grant')
  })

  it('an app that loses the API: its tokens get no good answer, and no new ones are made', async () => {
    const mine = await newApp({ resources: [{ resource: ORDERS }] })
    const { access, refreshToken } = await tokenFor(mine)
    await ok(oidc.clients.update(mine.clientId, { resources: [] }))
    expect((await introspect(portal, api, access)).json).toEqual({ active: false })
    const more = { grant_type: 'refresh_token', refresh_token: refreshToken, resource: ORDERS }
    expect((await call(portal, '/token', mine, more)).json.error).toBe('invalid_target')
    expect((await refresh(portal, mine, refreshToken)).status).toBe(200)
  })

  it('are kept as hashes only', async () => {
    const { access } = await tokenFor()
    const keys = await stores.redis().keys('oidc:AccessToken:*')
    const kept = await stores.redis().mget(keys)
    expect(JSON.stringify([keys, kept])).not.toContain(access)
    expect(JSON.stringify(kept)).not.toContain(access.split('.')[2])
  })
})

describe('client credentials', () => {
  it('openid-client gets one, without a person, an ID token or a refresh token', async () => {
    const config = await client.discovery(
      new URL(portal.issuer),
      machine.clientId,
      {},
      client.ClientSecretBasic(machine.clientSecret),
      { execute: [client.allowInsecureRequests] },
    )
    const tokens = await client.clientCredentialsGrant(config, { scope: 'orders:read', resource: ORDERS })
    expect(tokens.id_token ?? tokens.refresh_token).toBeUndefined()
    const { payload } = await verify(tokens.access_token)
    expect(payload).toMatchObject({
      sub: machine.clientId,
      client_id: machine.clientId,
      scope: 'orders:read',
    })
    expect(Object.keys(payload)).not.toContain('acr')
    const seen = await introspect(portal, api, tokens.access_token)
    expect(seen.json).toMatchObject({ active: true, client_id: machine.clientId, aud: ORDERS })
    expect((await userinfo(portal, tokens.access_token)).status).toBe(401)
  })

  it.each([
    ['openid', 'openid'],
    ['another scope of the API', 'orders:write'],
    ['profile claims', 'orders:read profile'],
    ['nonsense', 'everything'],
  ])('client_credentials_are_refused %s', async (_what, scope) => {
    expect((await machineToken(machine, { scope })).json.error).toBe('invalid_scope')
  })

  it('are for apps that are registered for them, with a secret, and an API', async () => {
    expect((await machineToken(app)).json.error).toBe('invalid_request')
    expect((await machineToken({ ...machine, clientSecret: 'gts_wrong' })).json.error).toBe('invalid_client')
    const none = await newApp(MACHINE)
    expect((await machineToken(none)).json.error).toBe('invalid_target')
    const open = await oidc.clients.add({ name: 'x', ...MACHINE, authMethod: 'none' })
    expect(open).toMatchObject({ ok: false, refusal: { field: 'grants' } })
    const code = await new Browser(portal).go(ask(portal, machine).url)
    expect([code.status, code.url.searchParams.get('code')]).toEqual([400, null])
  })

  it('end with the app, its grant or its API', async () => {
    const mine = await newApp({ ...MACHINE, resources: [{ resource: ORDERS }] })
    const { json } = await machineToken(mine)
    const active = async () => (await introspect(portal, api, json.access_token)).json.active
    expect(await active()).toBe(true)
    await ok(oidc.clients.disable(mine.clientId))
    expect(await active()).toBe(false)
    expect((await machineToken(mine)).json.error).toBe('invalid_client')
    await ok(oidc.clients.enable(mine.clientId))
    expect(await active()).toBe(true)
    await ok(oidc.clients.update(mine.clientId, { grants: [], serves: [STOCK] }))
    expect(await active()).toBe(false)
    expect((await machineToken(mine)).json.error).toBe('invalid_request')
    await ok(oidc.clients.update(mine.clientId, { grants: ['client_credentials'] }))
    expect((await call(portal, '/revocation', mine, { token: json.access_token })).status).toBe(200)
    expect(await active()).toBe(false)
  })

  it('end with the app that was removed, whoever has its id next', async () => {
    const mine = { ...MACHINE, clientId: 'reborn-machine', resources: [{ resource: ORDERS }] }
    const { json } = await machineToken(await newApp(mine))
    const active = async (token: string) => (await introspect(portal, api, token)).json.active
    expect(await active(json.access_token)).toBe(true)
    await ok(oidc.clients.remove(mine.clientId))
    const next = await newApp(mine)
    expect(await active(json.access_token)).toBe(false)
    expect(await active((await machineToken(next)).json.access_token)).toBe(true)
  })
})

describe('what operators may register', () => {
  it.each([
    ['not-a-uri', {}, 'id'],
    ['http://api.example.com', {}, 'id'],
    ['https://api.example.com/#x', {}, 'id'],
    ['https://u:p@api.example.com', {}, 'id'],
    ['https://api.example.com', { scopes: [{ name: 'email' }] }, 'scopes'],
    ['https://api.example.com', { scopes: [{ name: 'provider_tokens:google' }] }, 'scopes'],
    ['https://api.example.com', { scopes: [{ name: 'two words' }] }, 'scopes'],
    ['https://api.example.com', { scopes: [{ name: 'a' }, { name: 'a' }] }, 'scopes'],
    ['https://api.example.com', { lifetimeSeconds: 90_000 }, 'lifetimeSeconds'],
    ['https://api.example.com', { name: ' ' }, 'name'],
  ])('%s with %j is refused', async (id, more, field) => {
    expect(await oidc.resources.add({ id, name: 'x', ...more })).toMatchObject({
      ok: false,
      refusal: { field, values: { message: expect.stringContaining(field) } },
    })
  })

  it('an API is registered once, changed and removed, and apps name none that is not there', async () => {
    const id = 'https://life.example.com'
    await ok(oidc.resources.add({ id, name: 'Life', scopes: [{ name: 'live', description: 'To live' }] }))
    expect(await oidc.resources.add({ id, name: 'Life' })).toMatchObject({
      refusal: { code: 'already_exists' },
    })
    const mine = await newApp({ ...MACHINE, resources: [{ resource: id }] })
    const token = () => machineToken(mine, { scope: 'live' })
    expect((await token()).json.scope).toBe('live')
    await ok(oidc.resources.update(id, { scopes: [{ name: 'else' }] }))
    expect((await token()).json.error).toBe('invalid_scope')
    await ok(oidc.resources.remove(id))
    expect((await token()).json.error).toBe('invalid_target')
    expect(await oidc.resources.update(id, {})).toMatchObject({ refusal: { code: 'not_found' } })
    expect(await oidc.clients.update(mine.clientId, { resources: [{ resource: id }] })).toMatchObject({
      refusal: { field: 'resources' },
    })
    const { rows } = await stores.sql(`SELECT type FROM events WHERE data->>'resource' = $1 ORDER BY id`, [
      id,
    ])
    expect(rows.map(({ type }) => type)).toEqual(['resource.added', 'resource.updated', 'resource.removed'])
  })

  it('a sign-in without any API is what it was', async () => {
    const { json } = await signInTo(new Browser(portal), app, user)
    expect(json.access_token).toHaveLength(43)
    expect(json.scope.split(' ').sort()).toEqual(['email', 'openid', 'profile'])
  })
})
