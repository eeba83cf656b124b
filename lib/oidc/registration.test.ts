/** Apps that register themselves: who may, what they may be, and that nobody gets more by it than by asking the operator. */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import * as client from 'openid-client'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { HOST_HEADERS } from '../base/requests'
import { useStores } from '../testing'
import { TLS } from '../testing/tls'
import * as users from '../users'
import * as oidc from './index'
import { type App, ask, obtainCode, redeem } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const API = 'https://mcp.example.com/mcp'
const LOCAL = 'http://127.0.0.1/callback'
const stores = useStores({
  CLIENT_REGISTRATION: 'open',
  LIMIT_REGISTRATIONS_PER_IP_DAY: '200',
  UNUSED_CLIENTS_MAX: '50',
  LIMIT_REQUESTS_BURST: '1000',
})

let portal: Portal
beforeAll(async () => {
  portal = await startPortal()
  const made = await oidc.resources.add({
    id: API,
    name: 'Notes',
    scopes: [{ name: 'notes:read', description: 'Read your notes' }],
    open: true,
  })
  if (!made.ok) throw new Error(made.refusal.code)
})
afterAll(() => portal.stop())
afterEach(() => setClock(null))

async function register(
  metadata: object,
  headers: Record<string, string> = {},
  at = portal,
  // biome-ignore lint/suspicious/noExplicitAny: JSON from the wire, judged by the test
): Promise<{ status: number; json: any; headers: Headers }> {
  const answer = await fetch(`${at.issuer}/register`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(metadata),
  })
  const text = await answer.text()
  return { status: answer.status, json: text && JSON.parse(text), headers: answer.headers }
}

const asApp = (json: { client_id: string; client_secret?: string; redirect_uris: string[] }): App => ({
  clientId: json.client_id,
  clientSecret: json.client_secret,
  redirectUri: json.redirect_uris[0] ?? '',
})

describe('an app that registers itself', () => {
  it('openid-client finds out where, registers, and signs somebody in', async () => {
    const config = await client.dynamicClientRegistration(
      new URL(portal.issuer),
      { client_name: 'Desk notes', redirect_uris: [LOCAL], token_endpoint_auth_method: 'none' },
      client.None(),
      { execute: [client.allowInsecureRequests] },
    )
    const { client_id: clientId } = config.clientMetadata()
    expect(await oidc.clients.get(clientId)).toMatchObject({
      name: 'Desk notes',
      registered: 'open',
      firstParty: false,
      pkce: true,
      native: true,
      authMethod: 'none',
      secrets: [],
    })
    // RFC 8252 section 7.3: any port of this machine.
    const app = { clientId, clientSecret: undefined, redirectUri: 'http://127.0.0.1:53682/callback' }
    const user = await newUser(stores.sql)
    const browser = new Browser(portal)
    let at = await browser.go(ask(portal, app, { scope: 'openid notes:read', resource: API }).url)
    at = await browser.signIn(user, at)
    const { view } = JSON.parse(at.body)
    // Nobody vouches for it, so people are asked, and told.
    expect(view).toMatchObject({ prompt: 'consent', client: { registered: 'open', firstParty: false } })
    expect(view.apiScopes).toEqual({ 'notes:read': { apis: ['Notes'], description: 'Read your notes' } })
    const got = await obtainCode(browser, app, user, { scope: 'openid notes:read', resource: API })
    const { json } = await redeem(portal, app, got.code, got.verifier, { resource: API })
    expect(json).toMatchObject({ token_type: 'Bearer', scope: 'notes:read' })
  })

  it('gets a secret once, of which a hash is kept', async () => {
    const { status, json } = await register({
      client_name: 'Server',
      redirect_uris: ['https://a.example/cb'],
    })
    expect(status).toBe(201)
    expect(json).toMatchObject({
      client_name: 'Server',
      token_endpoint_auth_method: 'client_secret_basic',
      grant_types: ['authorization_code'],
    })
    expect(json.client_secret.length).toBeGreaterThan(40)
    expect(json).not.toHaveProperty('registration_access_token')
    const user = await newUser(stores.sql)
    const got = await obtainCode(new Browser(portal), asApp(json), user)
    expect((await redeem(portal, asApp(json), got.code, got.verifier)).status).toBe(200)
    const { rows } = await stores.sql(
      'SELECT c::text AS a, s::text AS b FROM clients c JOIN client_secrets s ON s.client_id = c.id WHERE c.id = $1',
      [json.client_id],
    )
    expect(JSON.stringify(rows)).not.toContain(json.client_secret)
    const { rows: events } = await stores.sql(`SELECT actor FROM events WHERE client_id = $1 ORDER BY id`, [
      json.client_id,
    ])
    expect(events[0]).toEqual({ actor: 'registration' })
  })

  it('without a picture, whatever it says: nobody looked at it', async () => {
    const { json } = await register({
      client_name: 'Bank\u0000 of Example',
      logo_uri: 'https://evil.example/bank.png',
      redirect_uris: ['https://b.example/cb'],
    })
    expect(await oidc.clients.get(json.client_id)).toMatchObject({ name: 'Bank of Example', logoUri: null })
  })

  it('looks_and_says_nothing_of_its_own_on_the_pages_of_the_house', async () => {
    const brand = { color: '#ff0000', welcome: { en: 'Your bank' }, supportUri: 'https://evil.example/' }
    const said = {
      brand_color: '#ff0000',
      brandColor: '#ff0000',
      welcomeEn: 'Your bank',
      support_uri: brand.supportUri,
    }
    const { json } = await register({ redirect_uris: ['https://d.example/cb'], ...said, brand })
    const none = { brandColor: null, welcomeEn: null, welcomeDe: null, supportUri: null }
    expect(await oidc.clients.get(json.client_id)).toMatchObject(none)
    const at = await new Browser(portal).go(ask(portal, asApp(json)).url)
    expect(JSON.parse(at.body).view.client).toMatchObject({ brandColor: null, welcome: {}, supportUri: null })
  })

  it('reaches_only_apis_that_are_open_to_it', async () => {
    const closed = 'https://orders.example.com'
    await oidc.resources.add({ id: closed, name: 'Orders', scopes: [{ name: 'orders:read' }] })
    const { json } = await register({ redirect_uris: ['https://c.example/cb'] })
    const at = await new Browser(portal).go(ask(portal, asApp(json), { resource: closed }).url)
    expect(at.url.searchParams.get('error')).toBe('invalid_target')
    const operators = await oidc.clients.add({ name: 'Own', redirectUris: ['https://own.example/cb'] })
    if (!operators.ok) throw new Error('not added')
    const own = { clientSecret: undefined, ...operators.value, redirectUri: 'https://own.example/cb' }
    const other = await new Browser(portal).go(ask(portal, own, { resource: API }).url)
    expect(other.url.searchParams.get('error')).toBe('invalid_target')
  })

  it('browsers may ask from anywhere', async () => {
    const asked = await fetch(`${portal.issuer}/register`, {
      method: 'OPTIONS',
      headers: { origin: 'https://inspector.example', 'access-control-request-method': 'POST' },
    })
    expect([asked.status, asked.headers.get('access-control-allow-origin')]).toEqual([204, '*'])
    const refused = await register({ redirect_uris: ['javascript:alert(1)'] })
    expect([refused.status, refused.headers.get('access-control-allow-origin')]).toEqual([400, '*'])
  })
})

describe('is refused', () => {
  it.each([
    ['no_address', { redirect_uris: [] }],
    ['an_address_that_browsers_run', { redirect_uris: ['javascript:alert(1)'] }],
    ['plain_http', { redirect_uris: ['http://app.example/cb'] }],
    ['a_wildcard', { redirect_uris: ['https://*.example/cb'] }],
    ['a_fragment', { redirect_uris: ['https://app.example/cb#x'] }],
    ['credentials_in_an_address', { redirect_uris: ['https://u:p@app.example/cb'] }],
    ['the_implicit_grant', { grant_types: ['implicit'], response_types: ['id_token'] }],
    ['to_act_for_itself', { grant_types: ['client_credentials'], response_types: [], redirect_uris: [] }],
    ['signatures_by_none', { id_token_signed_response_alg: 'none' }],
    ['a_name_of_a_thousand_letters_is_cut', null],
    ['a_secret_of_its_own', { token_endpoint_auth_method: 'client_secret_jwt' }],
    ['something_else_than_an_object', []],
    ['half_letters', { redirect_uris: ['https://app.example/\ud800'] }],
    ['nul', { client_uri: 'https://app.example/\u0000' }],
    ['an_address_that_names_somebody', { policy_uri: 'https://bank.example@evil.example/' }],
    ['to_have_what_operators_hold_apps_to', { dpop_bound_access_tokens: true }],
    [
      'a_certificate_where_none_can_come',
      { token_endpoint_auth_method: 'self_signed_tls_client_auth', jwks_uri: 'https://app.example/jwks' },
    ],
    [
      'tokens_that_only_its_key_can_read',
      {
        id_token_encrypted_response_alg: 'ECDH-ES',
        id_token_encrypted_response_enc: 'A256GCM',
        jwks: { keys: [{ kty: 'OKP', crv: 'X25519', x: 'A'.repeat(43), use: 'enc' }] },
      },
    ],
    [
      'keys_without_end',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty: 'EC', x: JSON.parse(`${'['.repeat(4000)}${']'.repeat(4000)}`) }] },
      },
    ],
    [
      'keys_of_nul',
      {
        token_endpoint_auth_method: 'private_key_jwt',
        jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: '\u0000', y: 'A' }] },
      },
    ],
  ])('%s', async (name, metadata) => {
    if (metadata === null) {
      const { json } = await register({
        client_name: 'x'.repeat(1000),
        redirect_uris: ['https://n.example/cb'],
      })
      expect((await oidc.clients.get(json.client_id))?.name).toHaveLength(80)
      return
    }
    const before = (await stores.sql('SELECT count(*) FROM clients')).rows
    const { status, json } = await register(
      Array.isArray(metadata) ? metadata : { redirect_uris: ['https://app.example/cb'], ...metadata },
    )
    expect([name, status]).toEqual([name, 400])
    expect(json.error).toMatch(/^invalid_(redirect_uri|client_metadata|request)$/)
    expect((await stores.sql('SELECT count(*) FROM clients')).rows).toEqual(before)
  })

  it('a_first_party_app_by_its_own_word', async () => {
    const { json } = await register({
      redirect_uris: ['https://d.example/cb'],
      first_party: true,
      firstParty: true,
      settings: { guests: true },
      scope: 'openid provider_tokens:google notes:read',
    })
    expect(await oidc.clients.get(json.client_id)).toMatchObject({
      firstParty: false,
      guests: false,
      providerTokens: [],
      resources: [],
      serves: [],
    })
  })

  it('more than one network may register in a day, and a portal full of apps that nobody uses', async () => {
    process.env.UNUSED_CLIENTS_MAX = '1'
    reloadEnv()
    const full = await register({ redirect_uris: ['https://e.example/cb'] })
    expect([full.status, full.json.error]).toEqual([429, 'temporarily_unavailable'])
    Object.assign(process.env, { UNUSED_CLIENTS_MAX: '50', LIMIT_REGISTRATIONS_PER_IP_DAY: '1' })
    reloadEnv()
    const many = await register({ redirect_uris: ['https://e.example/cb'] })
    expect([many.status, many.json.error]).toEqual([429, 'temporarily_unavailable'])
    process.env.LIMIT_REGISTRATIONS_PER_IP_DAY = '200'
    reloadEnv()
  })
})

describe('an app that nobody lets in', () => {
  it('is removed after a week; one that somebody let in stays', async () => {
    const [used, unused] = [
      (await register({ redirect_uris: ['https://used.example/cb'] })).json,
      (await register({ redirect_uris: ['https://unused.example/cb'] })).json,
    ]
    await obtainCode(new Browser(portal), asApp(used), await newUser(stores.sql))
    setClock(() => Date.now() + 6 * 86_400_000)
    await oidc.sweep()
    expect(await oidc.clients.get(unused.client_id)).not.toBeNull()
    setClock(() => Date.now() + 8 * 86_400_000)
    await oidc.sweep()
    expect(await oidc.clients.get(unused.client_id)).toBeNull()
    expect(await oidc.clients.get(used.client_id)).not.toBeNull()
  })
})

describe('where an initial access token is asked for', () => {
  let guarded: Portal
  beforeAll(async () => {
    process.env.CLIENT_REGISTRATION = 'token'
    reloadEnv()
    await oidc.stop()
    guarded = await startPortal()
  })
  afterAll(() => guarded.stop())
  const bearer = (token: string) => ({ authorization: `Bearer ${token}` })
  const metadata = { redirect_uris: ['https://f.example/cb'], logo_uri: 'https://f.example/logo.png' }

  it('a_stranger_without_one_registers_nothing', async () => {
    for (const headers of [{}, bearer('gti_guess'), bearer(''), bearer('x'.repeat(5000))]) {
      const { status } = await register(metadata, headers as Record<string, string>, guarded)
      expect([400, 401]).toContain(status)
    }
  })

  it('it_is_good_once_also_for_ten_at_once', async () => {
    const { token } = await oidc.clients.invite()
    const answers = await Promise.all(
      Array.from({ length: 10 }, () => register(metadata, bearer(token), guarded)),
    )
    expect(answers.filter(({ status }) => status === 201)).toHaveLength(1)
    const made = answers.find(({ status }) => status === 201)
    expect(await oidc.clients.get(made?.json.client_id)).toMatchObject({
      registered: 'token',
      logoUri: 'https://f.example/logo.png',
    })
    expect((await register(metadata, bearer(token), guarded)).status).toBe(401)
  })

  it('a slip of the hand does not use it up', async () => {
    const { token } = await oidc.clients.invite({ days: 1 })
    const wrong = { redirect_uris: ['http://f.example/cb'] }
    expect((await register(wrong, bearer(token), guarded)).status).toBe(400)
    expect((await register(metadata, bearer(token), guarded)).status).toBe(201)
  })

  it('whoever_is_invited_is_not_kept_out_by_strangers', async () => {
    process.env.UNUSED_CLIENTS_MAX = '1'
    reloadEnv()
    const { token } = await oidc.clients.invite()
    expect((await register(metadata, bearer(token), guarded)).status).toBe(201)
    process.env.UNUSED_CLIENTS_MAX = '50'
    reloadEnv()
  })

  it('it is kept as a hash, for no longer than it is good', async () => {
    const { token } = await oidc.clients.invite({ days: 400 })
    const keys = await stores.redis().keys('oidc:invitation:*')
    expect(JSON.stringify(keys)).not.toContain(token)
    const lives = await Promise.all(keys.map((key) => stores.redis().ttl(key)))
    expect(Math.max(...lives)).toBeLessThanOrEqual(90 * 86_400)
    expect(Math.min(...lives)).toBeGreaterThan(0)
  })
})

describe('an app that a document describes', () => {
  let host: Server
  let documented: Portal
  let origin = ''
  /** What the host answers at each path. */
  const pages = new Map<
    string,
    { status?: number; body: string; location?: string; type?: string; wait?: Promise<void> }
  >()
  let asked = 0
  const trust = process.env.NODE_TLS_REJECT_UNAUTHORIZED

  beforeAll(async () => {
    host = createServer(TLS, async (req, res) => {
      asked++
      const page = pages.get(req.url ?? '')
      await page?.wait
      res.writeHead(page?.status ?? (page ? 200 : 404), {
        'content-type': page?.type ?? 'application/json',
        ...(page?.location && { location: page.location }),
      })
      res.end(page?.body)
    })
    await new Promise<void>((done) => host.listen(0, '127.0.0.1', done))
    origin = `https://localhost:${(host.address() as AddressInfo).port}`
    // The host's certificate is nobody's.
    process.env.NODE_TLS_REJECT_UNAUTHORIZED = '0'
    Object.assign(process.env, { CLIENT_DOCUMENTS: 'on', CLIENT_REGISTRATION: 'off' })
    reloadEnv()
    await oidc.stop()
    documented = await startPortal()
  })
  afterAll(async () => {
    if (trust === undefined) delete process.env.NODE_TLS_REJECT_UNAUTHORIZED
    else process.env.NODE_TLS_REJECT_UNAUTHORIZED = trust
    await documented.stop()
    host.closeAllConnections()
    await new Promise((done) => host.close(done))
  })

  function describeApp(path: string, more: object = {}): App {
    const id = `${origin}${path}`
    const redirectUri = `${origin}/cb`
    const metadata = { client_id: id, client_name: 'Agent', redirect_uris: [redirectUri], ...more }
    pages.set(path, { body: JSON.stringify({ token_endpoint_auth_method: 'none', ...metadata }) })
    return { clientId: id, clientSecret: undefined, redirectUri }
  }
  const begin = async (app: App) => (await new Browser(documented).go(ask(documented, app).url)).url
  const rows = async (id: string) =>
    (await stores.sql('SELECT count(*)::int AS count FROM clients WHERE id = $1', [id])).rows[0].count

  it('signs somebody in with nothing registered before, and says who describes it', async () => {
    const app = describeApp('/agent.json', { logo_uri: `${origin}/logo.png`, first_party: true })
    const user = await newUser(stores.sql)
    const browser = new Browser(documented)
    let at = await browser.go(ask(documented, app).url)
    at = await browser.signIn(user, at)
    expect(JSON.parse(at.body).view.client).toMatchObject({
      id: app.clientId,
      name: 'Agent',
      registered: 'document',
      firstParty: false,
      logoUri: null,
    })
    await browser.allow(at)
    const got = await obtainCode(browser, app, user)
    const { status, json } = await redeem(documented, app, got.code, got.verifier)
    expect([status, json.token_type]).toEqual([200, 'Bearer'])
    expect((await oidc.grants.list(user)).map(({ clientId }) => clientId)).toEqual([app.clientId])
  })

  it('is asked for anew after a while, and what it says then counts', async () => {
    const app = describeApp('/changes.json')
    expect((await begin(app)).pathname).toBe('/signin/start')
    const before = asked
    expect((await begin(app)).pathname).toBe('/signin/start')
    expect(asked).toBe(before)
    describeApp('/changes.json', { redirect_uris: [`${origin}/elsewhere`] })
    setClock(() => Date.now() + 2 * 86_400_000)
    expect((await begin(app)).searchParams.get('error') ?? 'shown here').toBe('shown here')
    expect((await oidc.clients.get(app.clientId))?.redirectUris).toEqual([`${origin}/elsewhere`])
  })

  it('whose host does not answer goes on for a day, and no longer', async () => {
    const app = describeApp('/away.json')
    await begin(app)
    pages.set('/away.json', { status: 503, body: '' })
    setClock(() => Date.now() + 3_600_000)
    expect((await begin(app)).pathname).toBe('/signin/start')
    // "Not there" is an answer.
    pages.delete('/away.json')
    setClock(() => Date.now() + 7_200_000)
    expect((await begin(app)).pathname).toBe('/oidc/auth')
    pages.set('/away.json', { status: 503, body: '' })
    setClock(() => Date.now() + 3 * 86_400_000)
    expect((await begin(app)).pathname).toBe('/oidc/auth')
  })

  it.each([
    ['names_another_client', { client_id: 'https://victim.example/app.json' }],
    ['asks_for_a_secret', { token_endpoint_auth_method: 'client_secret_basic' }],
    ['brings_a_secret', { client_secret: 'x' }],
    ['names_a_script_as_its_address', { redirect_uris: ['javascript:alert(1)'] }],
    ['would_act_for_itself', { grant_types: ['client_credentials'], response_types: [] }],
  ])('%s: refused, and nothing kept', async (name, more) => {
    const app = describeApp(`/${name}.json`, more)
    expect((await begin(app)).pathname).toBe('/oidc/auth')
    expect(await rows(app.clientId)).toBe(0)
  })

  it.each([
    ['text/html', 0],
    ['text/plain; charset=utf-8', 0],
    ['', 0],
    ['application/jsonp', 0],
    ['application/json; charset=utf-8', 1],
    ['Application/Oauth-Client-Metadata+JSON', 1],
  ])('a_document_of_type "%s" is%s believed', async (type, kept) => {
    const path = `/type-${encodeURIComponent(type)}.json`
    const app = describeApp(path)
    pages.set(path, { body: '', ...pages.get(path), type })
    expect((await begin(app)).pathname).toBe(kept ? '/signin/start' : '/oidc/auth')
    expect(await rows(app.clientId)).toBe(kept)
  })

  it('one_network_has_two_documents_fetched_at_once_and_all_together_eight', async () => {
    let go = () => {}
    const wait = new Promise<void>((resolve) => {
      go = resolve
    })
    const apps = Array.from({ length: 12 }, (_, n) => {
      const app = describeApp(`/slow-${n}.json`)
      pages.set(`/slow-${n}.json`, { body: '', ...pages.get(`/slow-${n}.json`), wait })
      return app
    })
    const before = asked
    const statuses: number[] = []
    const askFrom = (app: App, network: string) =>
      fetch(ask(documented, app).url, {
        headers: { [HOST_HEADERS.ip]: network, accept: 'application/json' },
        redirect: 'manual',
      }).then(({ status }) => statuses.push(status))
    const soon = (fn: () => void) => vi.waitFor(fn, { timeout: 3000, interval: 10 })
    const all = apps.slice(0, 4).map((app) => askFrom(app, '203.0.113.1'))
    // What is refused is refused at once, while the others still wait.
    await soon(() => expect([asked - before, statuses]).toEqual([2, [400, 400]]))
    all.push(...apps.slice(4).map((app, n) => askFrom(app, `203.0.113.${10 + n}`)))
    await soon(() => expect([asked - before, statuses]).toEqual([8, [400, 400, 400, 400]]))
    go()
    await Promise.all(all)
    expect(statuses.slice(4)).toEqual(Array(8).fill(303))
    // The turns were given back.
    expect((await begin(describeApp('/after.json'))).pathname).toBe('/signin/start')
  })

  it('redirects_and_documents_without_end_are_not_followed', async () => {
    pages.set('/redirect.json', { status: 302, body: '', location: `${origin}/agent.json` })
    pages.set('/endless.json', {
      body: JSON.stringify({ client_id: `${origin}/endless.json`, x: 'x'.repeat(100_000) }),
    })
    pages.set('/list.json', { body: '[]' })
    for (const path of ['/redirect.json', '/endless.json', '/list.json', '/nothing.json']) {
      const app = { clientId: origin + path, clientSecret: undefined, redirectUri: `${origin}/cb` }
      expect([path, (await begin(app)).pathname]).toEqual([path, '/oidc/auth'])
      expect(await rows(app.clientId)).toBe(0)
    }
  })

  it.each([
    'https://169.254.169.254/latest',
    'https://10.0.0.1/app.json',
    'https://[::ffff:10.0.0.1]/a.json',
  ])('inside_addresses_are_not_asked: %s', async (clientId) => {
    const app = { clientId, clientSecret: undefined, redirectUri: 'https://app.example/cb' }
    expect((await begin(app)).pathname).toBe('/oidc/auth')
    expect(await rows(clientId)).toBe(0)
  })

  it('one_network_may_not_make_us_ask_without_end', async () => {
    const before = asked
    for (let i = 0; i < 30; i++) {
      const clientId = `${origin}/many-${i}.json`
      await begin({ clientId, clientSecret: undefined, redirectUri: `${origin}/cb` })
    }
    expect(asked - before).toBeLessThanOrEqual(10)
  })

  it('switched off by the operator it stays off, whatever its document says', async () => {
    const app = describeApp('/off.json')
    await begin(app)
    await oidc.clients.disable(app.clientId)
    setClock(() => Date.now() + 3_600_000)
    expect((await begin(app)).pathname).toBe('/oidc/auth')
    // Nor does the clean-up forget that it was switched off.
    setClock(() => Date.now() + 30 * 86_400_000)
    await oidc.sweep()
    expect((await oidc.clients.get(app.clientId))?.disabledAt).toBeInstanceOf(Date)
    expect((await begin(app)).pathname).toBe('/oidc/auth')
  })

  it('who_may_enter_is_the_operators_to_say_and_stays_whatever_its_document_says_next', async () => {
    const app = describeApp('/pinned.json')
    await begin(app)
    const ada = await newUser(stores.sql)
    const enters = async () => {
      const browser = new Browser(documented)
      const at = await browser.signIn(ada, await browser.go(ask(documented, app).url))
      return at.url.pathname
    }
    expect(await enters()).toBe('/consent')
    const { version = '' } = (await oidc.clients.get(app.clientId)) ?? {}
    const pinned = { entryRoles: ['staff'], acr: 'aal1' as const, sessionMaxMinutes: 100_000 }
    expect((await oidc.clients.update(app.clientId, pinned)).ok).toBe(true)
    expect(await enters()).toBe('/no-entry')
    let hours = 0
    const readAgain = async () => {
      const before = asked
      hours++
      setClock(() => Date.now() + hours * 3_600_000)
      await begin(app)
      expect(asked).toBe(before + 1)
      setClock(null)
      // Buckets that were spent in the future are full today.
      await stores.redis().del(await stores.redis().keys('ratelimit:*'))
    }
    const next = { redirect_uris: [`${origin}/cb`, `${origin}/other`], entryRoles: [], entry_roles: [] }
    describeApp('/pinned.json', next)
    await readAgain()
    expect(await enters()).toBe('/no-entry')
    const now = await oidc.clients.get(app.clientId)
    expect(now).toMatchObject({
      entryRoles: ['staff'],
      sessionMaxMinutes: 100_000,
      redirectUris: next.redirect_uris,
    })
    // Changed by the operator and by the document; read again with the same in it, it is as it was.
    expect(now?.version).not.toBe(version)
    await readAgain()
    expect((await oidc.clients.get(app.clientId))?.version).toBe(now?.version)
    await users.changeRoles(ada, { roles: ['staff'] }, { actor: 'operator' })
    expect(await enters()).toBe('/consent')
    // Nor is it forgotten for want of use, and then anew without the rule.
    setClock(() => Date.now() + 30 * 86_400_000)
    await oidc.sweep()
    expect((await oidc.clients.get(app.clientId))?.entryRoles).toEqual(['staff'])
    await oidc.clients.update(app.clientId, { entryRoles: [], sessionMaxMinutes: null })
    await oidc.sweep()
    expect(await oidc.clients.get(app.clientId)).toBeNull()
  })

  it('what_its_document_says_and_what_an_operator_says_are_never_mixed', async () => {
    const app = describeApp('/mixed.json')
    await begin(app)
    const changed = await oidc.clients.update(app.clientId, {
      providerTokens: ['github'],
      personalTokens: true,
    })
    expect(changed).toMatchObject({ ok: false, refusal: { field: 'providerTokens' } })
    const both = await oidc.clients.update(app.clientId, { entryRoles: ['staff'], redirectUris: [] })
    expect(both).toMatchObject({ ok: false, refusal: { field: 'redirectUris' } })
    expect((await oidc.clients.get(app.clientId))?.entryRoles).toEqual([])
  })

  it('a_row_comes_of_no_other_call_than_one_that_begins', async () => {
    const app = describeApp('/token-only.json')
    const body = new URLSearchParams({ grant_type: 'authorization_code', client_id: app.clientId, code: 'x' })
    await fetch(`${documented.issuer}/token`, { method: 'POST', body })
    const long = describeApp(`/${'x'.repeat(250)}.json`)
    await begin(long)
    expect([await rows(app.clientId), await rows(long.clientId)]).toEqual([0, 0])
  })

  it('is_no_app_any_more_where_documents_are_switched_off', async () => {
    const app = describeApp('/over.json')
    const user = await newUser(stores.sql)
    const got = await obtainCode(new Browser(documented), app, user)
    const { json } = await redeem(documented, app, got.code, got.verifier)
    process.env.CLIENT_DOCUMENTS = 'off'
    reloadEnv()
    setClock(() => Date.now() + 6000)
    const answer = await fetch(`${documented.issuer}/userinfo`, {
      headers: { authorization: `Bearer ${json.access_token}` },
    })
    expect(answer.status).toBe(401)
    process.env.CLIENT_DOCUMENTS = 'on'
    reloadEnv()
  })
})
