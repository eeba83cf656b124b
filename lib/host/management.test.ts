/**
 * The management API: who gets in, what it does, and what an app that manages apps cannot make of itself. Every answer is
 * held against docs/openapi.yaml.
 */
import { createHash, generateKeyPairSync, randomUUID } from 'node:crypto'
import { request } from 'node:http'
import * as jose from 'jose'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { env } from '../base/env'
import * as oidc from '../oidc'
import { newClientSchema } from '../oidc/client-metadata'
import {
  type App,
  ask,
  CALLBACK,
  call as callOidc,
  introspect,
  newApp,
  signInTo,
  userinfo,
} from '../oidc/testing/app'
import { Browser, type Portal, startPortal } from '../oidc/testing/harness'
import { asserted, assertionOf, newPair } from '../oidc/testing/keys'
import { newUser } from '../oidc/testing/people'
import { useStores } from '../testing'
import { answerComplaints, namesOf, requestComplaints } from '../testing/openapi'
import { type ListeningHost, listeningHost } from './host.fixture'

const stores = useStores()
const ORDERS = 'https://orders.example.com'
const MACHINE = { redirectUris: [], grants: ['client_credentials' as const] }

let portal: Portal
let host: ListeningHost
let port = 0
let reader: string
let writer: string
let truster: string
let writingApp: App
let api: string

beforeAll(async () => {
  portal = await startPortal()
  host = await listeningHost({
    oidc: oidc.handle,
    management: oidc,
    providerTokens: { access: oidc.access, tokenOf: async () => Promise.reject(new Error('not here')) },
  })
  port = host.port
  api = `${env().url}/api/admin`
  await oidc.resources.add({
    id: ORDERS,
    name: 'Orders',
    scopes: [{ name: 'orders:read' }, { name: 'orders:write' }],
  })
  writingApp = await managing('clients:read', 'clients:write')
  reader = await tokenFor(await managing('clients:read'))
  writer = await tokenFor(writingApp)
  truster = await tokenFor(await managing('clients:read', 'clients:write', 'clients:trust'))
})
afterEach(() => setClock(null))
afterAll(async () => {
  await host.drain(0)
  await portal.stop()
})

/** An app that the operator lets manage apps. */
async function managing(...scopes: string[]): Promise<App> {
  const made = await oidc.clients.add(
    { name: 'Provisioning', ...MACHINE, resources: [{ resource: api, scopes }] },
    { hand: 'command_line' },
  )
  if (!made.ok) throw new Error(JSON.stringify(made.refusal))
  return { ...made.value, clientSecret: made.value.clientSecret, redirectUri: '' }
}

const askToken = (app: App, more: Record<string, string> = {}, headers: Record<string, string> = {}) =>
  callOidc(
    portal,
    '/token',
    app,
    {
      grant_type: 'client_credentials',
      scope: 'clients:read clients:write clients:trust',
      resource: api,
      ...more,
    },
    headers,
  )

async function tokenFor(app: App): Promise<string> {
  const scopes = (await oidc.clients.get(app.clientId))?.resources.flatMap(({ scopes }) => scopes ?? []) ?? []
  const { json } = await askToken(app, { scope: scopes.join(' ') })
  if (!json.access_token) throw new Error(JSON.stringify(json))
  return json.access_token
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: JSON from the wire, judged by the test
  json: any
  headers: Record<string, string | string[] | undefined>
}

interface Sent {
  token?: string | null
  body?: unknown
  /** As it stands. */
  text?: string
  headers?: Record<string, string>
}

/** Calls the API; the answer has to be as the document says. */
function call(method: string, path: string, { token, body, text, headers = {} }: Sent = {}): Promise<Answer> {
  const sent = text ?? (body === undefined ? '' : JSON.stringify(body))
  const all: Record<string, string> = {
    host: new URL(env().url).host,
    ...(token && { authorization: `Bearer ${token}` }),
    ...(sent && { 'content-type': 'application/json', 'content-length': String(Buffer.byteLength(sent)) }),
    ...headers,
  }
  return new Promise((resolve, reject) => {
    const req = request({ host: '127.0.0.1', port, method, path, headers: all, agent: false }, (res) => {
      let got = ''
      res.setEncoding('utf8')
      res.on('data', (chunk) => {
        got += chunk
      })
      res.on('end', () => {
        const json = got.startsWith('{') ? JSON.parse(got) : got
        const status = res.statusCode ?? 0
        const [pathname = ''] = path.split('?')
        try {
          expect(res.headers['cache-control']).toBe('no-store')
          expect(res.headers['access-control-allow-origin']).toBeUndefined()
          if (method !== 'HEAD' && !('x-undescribed' in all)) {
            const type = res.headers['content-type']
            const said = answerComplaints(method, pathname, {
              status,
              type,
              headers: res.headers,
              body: json,
            })
            expect(said).toEqual([])
          }
          resolve({ status, json, headers: res.headers })
        } catch (error) {
          reject(error)
        }
      })
    })
    req.on('error', reject)
    req.end(sent)
  })
}

const CLIENTS = '/api/admin/clients'
const at = (id: string, rest = '') => `${CLIENTS}/${encodeURIComponent(id)}${rest}`
const read = (id: string, token = reader) => call('GET', at(id), { token })
const etagOf = async (id: string) => String((await read(id)).headers.etag)
const patch = async (id: string, body: object, token = writer, ifMatch?: string) =>
  call('PATCH', at(id), { token, body, headers: { 'if-match': ifMatch ?? (await etagOf(id)) } })
const create = (body: object, token = writer) => call('POST', CLIENTS, { token, body })

async function lastEvent() {
  const { rows } = await stores.sql(
    'SELECT type, actor, outcome, client_id AS "clientId", data, host(ip) AS ip FROM events ORDER BY id DESC LIMIT 1',
  )
  return rows[0]
}

describe('an app that may', () => {
  test('registers, reads, changes, switches and removes an app, and each write names it', async () => {
    const body = { name: 'Shop', redirectUris: ['https://shop.example.com/cb'], clientId: 'shop' }
    expect(requestComplaints('POST', CLIENTS, body)).toEqual([])
    const made = await create(body)
    expect(made).toMatchObject({
      status: 201,
      json: { clientId: 'shop', clientSecret: expect.stringMatching(/^gts_/) },
    })
    expect(made.headers.location).toBe(at('shop'))
    const actor = `app:${writingApp.clientId}`
    expect(await lastEvent()).toMatchObject({
      type: 'client.added',
      actor,
      clientId: 'shop',
      ip: '127.0.0.1',
    })
    const shown = await read('shop')
    expect(shown.json).not.toHaveProperty('clientSecret')
    expect(shown.headers.etag).toBe(made.headers.etag)

    const changes = {
      logoUri: 'https://shop.example.com/logo.png',
      postLogoutRedirectUris: ['https://shop.example.com/'],
    }
    expect(requestComplaints('PATCH', at('shop'), changes)).toEqual([])
    const changed = await patch('shop', changes)
    expect(changed).toMatchObject({ status: 200, json: { name: 'Shop', ...changes } })
    expect(changed.headers.etag).not.toBe(made.headers.etag)
    expect(await lastEvent()).toMatchObject({ type: 'client.updated', actor, data: changes })
    expect((await patch('shop', { logoUri: null })).json.logoUri).toBeNull()

    expect((await call('POST', at('shop', '/disable'), { token: writer })).json.disabledAt).toBeTruthy()
    expect((await call('POST', at('shop', '/enable'), { token: writer })).json.disabledAt).toBeNull()
    expect((await call('DELETE', at('shop'), { token: writer })).status).toBe(204)
    expect(await lastEvent()).toMatchObject({ type: 'client.removed', actor, clientId: 'shop' })
    for (const answer of [await read('shop'), await call('DELETE', at('shop'), { token: writer })])
      expect(answer).toMatchObject({ status: 404, json: { code: 'not_found' } })
  })

  test('a secret is shown once, overlaps with the one before, and goes one by one', async () => {
    const app = await newApp()
    const works = async (secret?: string) =>
      (await introspect(portal, { ...app, clientSecret: secret }, 'x')).status === 200
    const added = await call('POST', at(app.clientId, '/secrets'), {
      token: writer,
      body: { overlapSeconds: 60 },
    })
    expect([added.status, await works(added.json.clientSecret), await works(app.clientSecret)]).toEqual([
      201,
      true,
      true,
    ])
    expect(added.headers.location).toBe(at(app.clientId, `/secrets/${added.json.id}`))
    const { secrets } = (await read(app.clientId)).json
    expect(JSON.stringify(secrets)).not.toContain(added.json.clientSecret)
    const old = secrets.find(({ id }: { id: string }) => id !== added.json.id)
    const end = (id: string) => call('DELETE', at(app.clientId, `/secrets/${id}`), { token: writer })
    expect((await end(old.id)).status).toBe(204)
    expect(await lastEvent()).toMatchObject({
      ...{ type: 'client.secret_removed', clientId: app.clientId },
      data: { secretId: old.id },
    })
    // Its last characters name it for people alone.
    expect((await end(added.json.clientSecret.slice(-4))).status).toBe(404)
    expect([await works(added.json.clientSecret), await works(app.clientSecret)]).toEqual([true, false])
    expect(await end(old.id)).toMatchObject({ status: 404 })
    // Without any it could do nothing more.
    expect(await end(added.json.id)).toMatchObject({ status: 400, json: { errors: [{ field: 'secret' }] } })
    expect((await call('POST', at(app.clientId, '/secrets'), { token: writer })).status).toBe(201)
    for (const overlapSeconds of [-1, 1.5, '60', 90 * 86_400 + 1])
      expect(
        (await call('POST', at(app.clientId, '/secrets'), { token: writer, body: { overlapSeconds } }))
          .status,
      ).toBe(400)
    const spa = await newApp({ authMethod: 'none' })
    expect((await call('POST', at(spa.clientId, '/secrets'), { token: writer })).status).toBe(400)
  })

  test('ten_good_secrets_are_enough_and_ended_ones_are_gone', async () => {
    const app = await newApp()
    const add = (overlapSeconds: number) =>
      call('POST', at(app.clientId, '/secrets'), { token: writer, body: { overlapSeconds } })
    for (let i = 0; i < 9; i++) expect((await add(60)).status).toBe(201)
    expect(await add(60)).toMatchObject({ status: 400, json: { errors: [{ field: 'secret' }] } })
    // One in the place of all is always to be had; those that it ended go with the next.
    expect([(await add(0)).status, (await add(60)).status]).toEqual([201, 201])
    expect((await read(app.clientId)).json.secrets).toHaveLength(2)
  })

  test('claims_of_an_operators_own_are_given_changed_and_taken_away', async () => {
    const claims = [
      { name: 'plan', scope: 'profile', value: '{{metadata.plan | default:free}}' },
      { name: 'https://example.com/who', always: true, value: { b: '{{user.id}}', a: 1 }, in: ['userinfo'] },
    ]
    const body = { name: 'Reports', redirectUris: [CALLBACK], firstParty: true, claims }
    expect(requestComplaints('POST', CLIENTS, body)).toEqual([])
    const made = await create(body, truster)
    expect([made.status, made.json.claims]).toEqual([201, claims])
    const app: App = { ...made.json, redirectUri: CALLBACK }
    const ada = await newUser(stores.sql)
    const { json } = await signInTo(new Browser(portal), app, ada)
    const told = async () => (await userinfo(portal, json.access_token)).json
    expect(await told()).toMatchObject({ plan: 'free', 'https://example.com/who': { a: 1, b: ada } })

    // Sent again with its names in another order it is the same; what is not named stays.
    expect((await patch(app.clientId, { name: 'Numbers' }, truster)).json.claims).toEqual(claims)
    const changes = { claims: [{ ...claims[0], value: 'gold' }] }
    expect(requestComplaints('PATCH', at(app.clientId), changes)).toEqual([])
    expect((await patch(app.clientId, changes, truster)).json.claims).toEqual(changes.claims)
    // The history has their names; what they hold may be long.
    expect(await lastEvent()).toMatchObject({ type: 'client.updated', data: { claims: ['plan'] } })
    expect(await told()).toMatchObject({ plan: 'gold' })
    expect(await told()).not.toHaveProperty(['https://example.com/who'])
    expect((await patch(app.clientId, { claims: [] }, truster)).json.claims).toEqual([])
    expect(await told()).not.toHaveProperty('plan')
  })

  test('keys_are_registered_and_changed_and_the_old_one_proves_nothing_any_more', async () => {
    const [first, second] = [await newPair(), await newPair('EdDSA')]
    const body = { name: 'Keyed', ...MACHINE, authMethod: 'private_key_jwt', jwks: { keys: [first.jwk] } }
    expect(requestComplaints('POST', CLIENTS, body)).toEqual([])
    const made = await create(body)
    expect([made.status, made.json.jwks, made.json.clientSecret]).toEqual([201, body.jwks, undefined])
    await oidc.clients.update(made.json.clientId, { resources: [{ resource: ORDERS }] })
    const app: App = { clientId: made.json.clientId, clientSecret: undefined, redirectUri: '' }
    const proves = async (pair: typeof first) => {
      const fields = {
        grant_type: 'client_credentials',
        ...asserted(app, await assertionOf(portal, app, pair)),
      }
      return (await callOidc(portal, '/token', null, fields)).status
    }
    expect([await proves(first), await proves(second)]).toEqual([200, 401])
    const changes = { jwks: { keys: [second.jwk] } }
    expect(requestComplaints('PATCH', at(app.clientId), changes)).toEqual([])
    expect((await patch(app.clientId, changes, truster)).status).toBe(200)
    expect([await proves(first), await proves(second)]).toEqual([401, 200])
    // Their address takes their place.
    const jwksUri = 'https://reports.example.com/jwks'
    expect((await patch(app.clientId, { jwksUri }, truster)).json).toMatchObject({ jwksUri, jwks: null })
    // It has an API: whoever has no trust does not take its place by a key of their own.
    const stranger = await patch(app.clientId, changes)
    expect([stranger.status, stranger.json.code]).toEqual([403, 'rights_missing'])
  })

  test('reads the list page by page, each app once', async () => {
    for (let i = 0; i < 5; i++) await newApp()
    const ids: string[] = []
    let next: string | null = `${CLIENTS}?limit=3`
    while (next) {
      const page: Answer = await call('GET', next, { token: reader })
      expect(page.json.clients.length).toBeLessThanOrEqual(3)
      ids.push(...page.json.clients.map(({ clientId }: { clientId: string }) => clientId))
      const link = /^<([^>]+)>; rel="next"$/.exec(String(page.headers.link ?? ''))?.[1]
      expect(Boolean(link)).toBe(page.json.next !== null)
      next = link ?? null
    }
    const { rows } = await stores.sql('SELECT id FROM clients')
    expect(ids.toSorted()).toEqual(rows.map(({ id }) => id).sort())
    expect(new Set(ids).size).toBe(ids.length)
    for (const limit of ['0', '201', 'x', '1.5'])
      expect((await call('GET', `${CLIENTS}?limit=${limit}`, { token: reader })).status).toBe(400)
  })

  test('of_two_writers_that_read_the_same_one_wins_and_the_other_is_told', async () => {
    const app = await newApp()
    const tag = await etagOf(app.clientId)
    const both = await Promise.all(['One', 'Two'].map((name) => patch(app.clientId, { name }, writer, tag)))
    expect(both.map(({ status }) => status).sort()).toEqual([200, 412])
    expect(both.find(({ status }) => status === 412)?.json.code).toBe('version_changed')
    const won = both.find(({ status }) => status === 200)
    expect((await read(app.clientId)).json.name).toBe(won?.json.name)
    const bare = await call('PATCH', at(app.clientId), { token: writer, body: { name: 'Three' } })
    expect(bare).toMatchObject({ status: 428, json: { code: 'version_required' } })
    expect((await patch(app.clientId, { name: 'Four' }, writer, '*')).status).toBe(200)
    expect(
      (await patch(app.clientId, { name: 'Five' }, writer, `"x", ${await etagOf(app.clientId)}`)).status,
    ).toBe(200)
    // What changes elsewhere changes the tag, and the use of a secret does not.
    const before = await etagOf(app.clientId)
    await stores.sql('UPDATE client_secrets SET last_used_at = now() WHERE client_id = $1', [app.clientId])
    expect(await etagOf(app.clientId)).toBe(before)
    await oidc.clients.rotateSecret(app.clientId)
    expect(await etagOf(app.clientId)).not.toBe(before)
  })

  test('is told which field is wrong, whatever it sends, and nothing else happens', async () => {
    const app = await newApp()
    const tag = await etagOf(app.clientId)
    for (const [body, field] of [
      [{ name: '' }, 'name'],
      [{ name: null }, 'name'],
      [{ redirectUris: 'https://x.example' }, 'redirectUris'],
      [{ redirectUris: ['http://x.example/cb'] }, 'redirectUris'],
      [{ redirectUris: ['https://x.example/#a'] }, 'redirectUris'],
      [{ resources: 5 }, 'resources'],
      [{ resources: [{ resource: 'https://nobody.example' }] }, 'resources'],
      [{ jwks: { keys: [{ kty: 'oct', k: 'x' }] } }, 'jwks'],
      [{ jwks: { keys: [] } }, 'jwks'],
      [{ jwks: { keys: [{ kty: 'EC', crv: 'P-256', x: 'x', y: 'y', d: 'private' }] } }, 'jwks'],
      [{ jwks: { keys: [{ kty: 'RSA', n: 'n', e: 'e' }] }, jwksUri: 'https://x.example/jwks' }, 'jwks'],
      [{ jwksUri: 'http://x.example/jwks' }, 'jwksUri'],
      [{ authMethod: 'private_key_jwt' }, 'jwks'],
      [{ claims: null }, 'claims'],
      [{ claims: { name: 'plan' } }, 'claims'],
      [{ claims: [{ name: 'sub', always: true, value: 'x' }] }, 'claims'],
      [{ claims: [{ name: 'plan', value: 'x' }] }, 'claims'],
      [{ claims: [{ name: 'plan', always: true, value: null }] }, 'claims'],
      [{ claims: [{ name: 'plan', always: true, value: '{{password}}' }] }, 'claims'],
      [{ claims: [{ name: 'plan', always: true, value: JSON.parse('{"__proto__":1}') }] }, 'claims'],
      [{ pairwise: true }, 'pairwise'],
      [{ clientId: 'other' }, 'clientId'],
      [{ clientSecret: 'mine' }, 'clientSecret'],
      [JSON.parse('{"constructor":1}'), 'constructor'],
      [JSON.parse('{"__proto__":{"firstParty":true}}'), '__proto__'],
      [{ nonsense: 1 }, 'nonsense'],
    ] as [object, string][]) {
      const answer = await patch(app.clientId, body, truster)
      expect([body, answer.status, answer.json.errors?.[0]?.field]).toEqual([body, 400, field])
      expect(answer.json.detail).toContain(field)
    }
    for (const [text, status, headers] of [
      ['{', 400, {}],
      ['[]', 400, {}],
      ['null', 400, {}],
      ['{"name":"\\u0000"}', 400, {}],
      ['{"name":"\\ud800"}', 400, {}],
      [`${'{"a":'.repeat(2000)}1${'}'.repeat(2000)}`, 400, {}],
      ['name=x', 415, { 'content-type': 'application/x-www-form-urlencoded' }],
      [`{"name":"${'x'.repeat(65_536)}"}`, 413, {}],
      ['', 415, {}],
    ] as const) {
      const answer = await call('PATCH', at(app.clientId), {
        token: writer,
        text,
        headers: { 'if-match': tag, ...headers },
      })
      expect([text.slice(0, 30), answer.status]).toEqual([text.slice(0, 30), status])
    }
    const chunked = { 'transfer-encoding': 'chunked', 'content-type': 'application/json', 'if-match': tag }
    expect((await call('PATCH', at(app.clientId), { token: writer, headers: chunked })).status).toBe(411)
    expect(await create({ clientId: app.clientId, name: 'Twice', redirectUris: [CALLBACK] })).toMatchObject({
      status: 409,
      json: { code: 'already_exists', errors: [{ field: 'clientId' }] },
    })
    expect((await create({ redirectUris: [CALLBACK] })).status).toBe(400)
    expect(await etagOf(app.clientId)).toBe(tag)
  })

  test('finds no other address, and no other method', async () => {
    const undescribed = { 'x-undescribed': '1' }
    for (const path of [
      '/api/admin',
      '/api/admin/',
      '/api/admin/users',
      `${CLIENTS}/`,
      at('%00'),
      `${CLIENTS}/%E0%A4%A`,
      at('a', '/b'),
    ])
      expect([path, (await call('GET', path, { token: truster, headers: undescribed })).status]).toEqual([
        path,
        404,
      ])
    const put = await call('PUT', at('x'), { token: truster, headers: undescribed })
    expect([put.status, put.headers.allow]).toEqual([405, 'GET, HEAD, PATCH, DELETE'])
    // A browser of another site asks first, and hears nothing that lets it in.
    const preflight = await call('OPTIONS', CLIENTS, {
      headers: { ...undescribed, origin: 'https://evil.example' },
    })
    expect([preflight.status, preflight.headers['access-control-allow-methods']]).toEqual([401, undefined])
    const head = await call('HEAD', CLIENTS, { token: reader })
    expect([head.status, head.json]).toEqual([200, ''])
  })

  test('waits when it calls too often, for as long as it is told', async () => {
    const busy = await tokenFor(await managing('clients:read'))
    // Nothing leaks out meanwhile, however long the calls take.
    const moment = Date.now()
    setClock(() => moment)
    const statuses = new Map<number, number>()
    let last: Answer | undefined
    for (let i = 0; i < 130; i++) {
      last = await call('GET', at('nobody'), { token: busy })
      statuses.set(last.status, (statuses.get(last.status) ?? 0) + 1)
      if (last.status === 429) break
    }
    expect([statuses.get(429), Number(last?.headers['retry-after'])]).toEqual([1, expect.any(Number)])
    expect((await read('nobody')).status).toBe(404)
  })
})

describe('who is not let in', () => {
  test('nobody_without_a_token_for_this_api', async () => {
    const machine = await newApp({ ...MACHINE, resources: [{ resource: ORDERS }] })
    const foreign = (await askToken(machine, { scope: 'orders:read', resource: ORDERS })).json.access_token
    const app = await newApp()
    const { json: personal } = await signInTo(new Browser(portal), app, await newUser(stores.sql))
    for (const [token, error] of [
      [null, undefined],
      ['x'.repeat(43), 'invalid_token'],
      [foreign, 'invalid_token'],
      [personal.access_token, 'invalid_token'],
      [personal.refresh_token, 'invalid_token'],
      [personal.id_token, 'invalid_token'],
    ] as const) {
      const answer = await call('GET', CLIENTS, { token })
      expect([answer.status, answer.json.code]).toEqual([401, 'invalid_token'])
      const said = String(answer.headers['www-authenticate'])
      expect(said).toContain(`realm="${env().url}"`)
      expect(said).toContain(
        `resource_metadata="${env().url}/.well-known/oauth-protected-resource/api/admin"`,
      )
      expect(/error="([^"]*)"/.exec(said)?.[1]).toBe(error)
    }
    // In the header alone; and what is no token is none.
    expect((await call('GET', `${CLIENTS}?access_token=${reader}`)).status).toBe(401)
    const basic = Buffer.from(`${writingApp.clientId}:${writingApp.clientSecret}`).toString('base64')
    expect((await call('GET', CLIENTS, { headers: { authorization: `Basic ${basic}` } })).status).toBe(401)
  })

  test('says_where_tokens_come_from', async () => {
    const path = '/.well-known/oauth-protected-resource/api/admin'
    const said = await new Promise<string>((resolve) => {
      const headers = { host: new URL(env().url).host }
      request({ host: '127.0.0.1', port, path, headers, agent: false }, async (res) => {
        const chunks = await res.toArray()
        resolve(Buffer.concat(chunks).toString())
      }).end()
    })
    expect(JSON.parse(said)).toMatchObject({
      resource: api,
      authorization_servers: [portal.issuer],
      scopes_supported: ['clients:read', 'clients:write', 'clients:trust'],
    })
  })

  test('not_by_a_token_that_is_over_or_whose_app_lost_its_rights_since', async () => {
    const app = await managing('clients:read', 'clients:write')
    const token = await tokenFor(app)
    const resources = (scopes: string[]) => [{ resource: api, scopes }]
    const hand = { hand: 'command_line' } as const
    expect((await create({ name: 'A', redirectUris: [CALLBACK] }, token)).status).toBe(201)
    await oidc.clients.update(app.clientId, { resources: resources(['clients:read']) }, hand)
    expect((await create({ name: 'B', redirectUris: [CALLBACK] }, token)).status).toBe(403)
    expect((await read('nobody', token)).status).toBe(404)
    await oidc.clients.update(app.clientId, { resources: [] }, hand)
    expect((await read('nobody', token)).status).toBe(401)
    await oidc.clients.update(app.clientId, { resources: resources(['clients:read']) }, hand)
    expect((await read('nobody', token)).status).toBe(404)
    await oidc.clients.disable(app.clientId)
    expect((await read('nobody', token)).status).toBe(401)
    await oidc.clients.enable(app.clientId)
    setClock(() => Date.now() + 601_000)
    expect((await read('nobody', token)).status).toBe(401)
  })

  test('a_token_that_lacks_the_scope_is_told_which', async () => {
    for (const [method, path] of [
      ['POST', CLIENTS],
      ['PATCH', at('x')],
      ['DELETE', at('x')],
      ['POST', at('x', '/disable')],
      ['POST', at('x', '/enable')],
      ['POST', at('x', '/secrets')],
      ['DELETE', at('x', '/secrets/y')],
    ] as const) {
      const answer = await call(method, path, { token: reader })
      expect([method, path, answer.status, answer.json.code]).toEqual([
        method,
        path,
        403,
        'insufficient_scope',
      ])
      expect(answer.headers['www-authenticate']).toContain('scope="clients:write"')
    }
    const writeOnly = await tokenFor(await managing('clients:write'))
    expect((await call('GET', CLIENTS, { token: writeOnly })).status).toBe(403)
  })

  test('guesses_from_one_network_wait_and_no_body_of_theirs_is_read', async () => {
    const guess = () => call('POST', CLIENTS, { token: 'y'.repeat(43), text: '{"name":"x"}' })
    const statuses: number[] = []
    for (let i = 0; i < 25; i++) statuses.push((await guess()).status)
    expect(statuses.slice(0, 20)).toEqual(Array(20).fill(401))
    expect(statuses.slice(-3)).toEqual([429, 429, 429])
    // Whoever has a good one is not shut out by a neighbour.
    expect((await read('nobody')).status).toBe(404)
    setClock(() => Date.now() + 120_000)
    expect((await guess()).status).toBe(401)
  })

  test('a_token_that_is_bound_to_a_key_is_good_with_a_proof_of_it_alone_and_once', async () => {
    const app = await managing('clients:read')
    const { publicKey, privateKey } = await jose.generateKeyPair('ES256')
    const other = await jose.generateKeyPair('ES256')
    const proof = async (
      said: Record<string, unknown>,
      key = { publicKey, privateKey },
      jti: string = randomUUID(),
    ) =>
      new jose.SignJWT({ jti, ...said })
        .setProtectedHeader({ alg: 'ES256', typ: 'dpop+jwt', jwk: await jose.exportJWK(key.publicKey) })
        .setIssuedAt()
        .sign(key.privateKey)
    const bound = await askToken(
      app,
      { scope: 'clients:read' },
      { dpop: await proof({ htm: 'POST', htu: `${portal.issuer}/token` }) },
    )
    expect(bound.json.token_type).toBe('DPoP')
    const token = bound.json.access_token as string
    const ath = createHash('sha256').update(token).digest('base64url')
    const good = { htm: 'GET', htu: `${env().url}${CLIENTS}`, ath }
    const get = (dpop: string | null, scheme = 'DPoP') =>
      call('GET', `${CLIENTS}?limit=1`, {
        headers: { authorization: `${scheme} ${token}`, ...(dpop && { dpop }) },
      })
    const used = await proof(good)
    expect((await get(used)).status).toBe(200)
    const all = {
      replayed: used,
      'of another key': await proof(good, other),
      'for another address': await proof({ ...good, htu: `${env().url}${at('x')}` }),
      'for another method': await proof({ ...good, htm: 'POST' }),
      'for another token': await proof({ ...good, ath: 'x' }),
      'for none': await proof({ ...good, ath: undefined }),
    }
    for (const [what, dpop] of Object.entries(all)) {
      const answer = await get(dpop)
      expect([what, answer.status]).toEqual([what, 401])
      expect(answer.headers['www-authenticate']).toMatch(/^DPoP .*algs="ES256/)
    }
    expect((await get(null, 'Bearer')).status).toBe(401)
    // One that is bound to none is not made better by a proof.
    const ofReader = createHash('sha256').update(reader).digest('base64url')
    const needless = { authorization: `DPoP ${reader}`, dpop: await proof({ ...good, ath: ofReader }) }
    expect((await call('GET', CLIENTS, { headers: needless })).status).toBe(401)
    // Registered to bind its tokens, the app gets nothing by one that is bound to none.
    const loose = await managing('clients:read')
    const before = await tokenFor(loose)
    await oidc.clients.update(loose.clientId, { security: 'dpop' })
    expect((await read('nobody', before)).status).toBe(401)
  })
})

describe('an app that manages apps makes nobody more than the operator made it', () => {
  const refused = (answer: Answer, field: string) =>
    expect([answer.status, answer.json.code, answer.json.errors]).toEqual([
      403,
      'rights_missing',
      [{ field, detail: answer.json.detail }],
    ])

  test('not_itself_nor_another_that_manages_apps_whatever_it_may', async () => {
    const victim = await managing('clients:read', 'clients:write', 'clients:trust')
    const mine = await managing('clients:read', 'clients:write', 'clients:trust')
    const token = await tokenFor(mine)
    for (const { clientId } of [mine, victim]) {
      const tag = await etagOf(clientId)
      const secret = (await oidc.clients.get(clientId))?.secrets[0]?.id
      refused(await patch(clientId, { name: 'Mine' }, token), 'clientId')
      refused(await patch(clientId, { resources: [{ resource: api }] }, token), 'clientId')
      refused(
        await patch(clientId, { authMethod: 'private_key_jwt', jwksUri: 'https://evil.example/jwks' }, token),
        'clientId',
      )
      refused(
        await call('POST', at(clientId, '/secrets'), { token, body: { overlapSeconds: 0 } }),
        'clientId',
      )
      refused(await call('DELETE', at(clientId, `/secrets/${secret}`), { token }), 'clientId')
      refused(await call('POST', at(clientId, '/disable'), { token }), 'clientId')
      refused(await call('DELETE', at(clientId), { token }), 'clientId')
      expect(await etagOf(clientId)).toBe(tag)
    }
    expect(await lastEvent()).toMatchObject({
      type: 'client.change_refused',
      outcome: 'failure',
      actor: `app:${mine.clientId}`,
      data: { client: victim.clientId, field: 'clientId' },
    })
  })

  test('not_one_of_its_own_making', async () => {
    const own = { name: 'Mine', ...MACHINE }
    for (const resources of [
      [{ resource: api, scopes: ['clients:read'] }],
      [{ resource: ORDERS }, { resource: api, scopes: ['clients:read', 'clients:write', 'clients:trust'] }],
    ])
      refused(await create({ ...own, resources }, truster), 'resources')
    // All of it, and nothing of it by name, are no more.
    for (const resources of [[{ resource: api }], [{ resource: api, scopes: ['clients:admin'] }]])
      expect((await create({ ...own, resources }, truster)).status).toBe(400)
    expect((await create({ ...own, grants: [], serves: [api] }, truster)).status).toBe(400)
    const { clientId } = await newApp(MACHINE)
    refused(
      await patch(clientId, { resources: [{ resource: api, scopes: ['clients:read'] }] }, truster),
      'resources',
    )
  })

  test('without_clients_trust_it_gives_nothing_that_nobody_is_asked_about', async () => {
    const GIVEN: Record<string, object> = {
      firstParty: { firstParty: true },
      pkce: { pkce: false },
      guests: { guests: true },
      claims: { claims: [{ name: 'plan', scope: 'profile', value: 'gold' }] },
      personalTokens: { personalTokens: true },
      providerTokens: { providerTokens: ['acme'] },
      serves: { serves: [ORDERS] },
      resources: { resources: [{ resource: ORDERS, scopes: ['orders:read'] }] },
      // What our pages say in an app's name is as good as said by the operator.
      brandColor: { brandColor: '#3b5bdb' },
      welcomeEn: { welcomeEn: 'Welcome back' },
      welcomeDe: { welcomeDe: 'Willkommen zurück' },
      supportUri: { supportUri: 'https://shop.example/help' },
    }
    const { clientId } = await newApp()
    for (const [field, changes] of Object.entries(GIVEN)) {
      refused(await patch(clientId, changes), field)
      refused(await create({ name: 'Mine', redirectUris: [CALLBACK], ...changes }), field)
      const trusted = await create({ name: 'Ours', redirectUris: [CALLBACK], ...changes }, truster)
      expect([field, trusted.status]).toEqual([field, 201])
    }
    // What an operator holds an app to stays, or becomes stricter.
    const { publicKey } = generateKeyPairSync('x25519')
    const { publicKey: signing } = generateKeyPairSync('ed25519')
    const keys = [publicKey.export({ format: 'jwk' }), { ...signing.export({ format: 'jwk' }), use: 'sig' }]
    const held = await newApp({
      ...{ acr: 'aal2', security: 'par', sessionIdleMinutes: 10, sessionMaxMinutes: 60 },
      ...{ authMethod: 'private_key_jwt', jwks: { keys }, signedRequests: true },
      ...{ idTokenEncryption: 'ECDH-ES', userinfoEncryption: 'ECDH-ES' },
      ...{ entryRoles: ['staff', 'editors'], entryDomains: ['*.example.com'] },
    })
    for (const [field, changes] of Object.entries({
      acr: { acr: 'aal1' },
      security: { security: 'standard' },
      authMethod: { authMethod: 'client_secret_basic' },
      signedRequests: { signedRequests: false },
      idTokenEncryption: { idTokenEncryption: null },
      userinfoEncryption: { userinfoEncryption: null },
      sessionIdleMinutes: { sessionIdleMinutes: null },
      sessionMaxMinutes: { sessionMaxMinutes: 61 },
      entryRoles: { entryRoles: [] },
      entryDomains: { entryDomains: ['*.example.com', 'example.com'] },
    }))
      refused(await patch(held.clientId, changes), field)
    refused(await patch(held.clientId, { entryRoles: ['staff', 'user'] }), 'entryRoles')
    const stricter = {
      ...{ security: 'dpop', sessionIdleMinutes: 5 },
      ...{ entryRoles: ['staff'], entryDomains: ['Mail.Example.com'] },
    }
    const now = await patch(held.clientId, stricter)
    expect([now.status, now.json]).toMatchObject([200, { entryDomains: ['mail.example.com'] }])
    const anybody = { entryRoles: [], entryDomains: [] }
    expect((await patch(held.clientId, anybody, truster)).json).toMatchObject(anybody)
  })

  test('without_clients_trust_it_takes_no_place_of_an_app_that_has_it', async () => {
    for (const input of [
      { firstParty: true },
      { resources: [{ resource: ORDERS }] },
      { serves: [ORDERS] },
      { personalTokens: true },
      { providerTokens: ['acme'] },
      { guests: true },
      { brandColor: '#3b5bdb' },
    ]) {
      const { clientId } = await newApp(input)
      refused(await patch(clientId, { redirectUris: ['https://evil.example/cb'] }), 'clientId')
      refused(await call('POST', at(clientId, '/secrets'), { token: writer }), 'clientId')
      refused(await call('DELETE', at(clientId), { token: writer }), 'clientId')
      expect((await patch(clientId, { name: 'Ours' }, truster)).status).toBe(200)
    }
    const { clientId } = await newApp()
    await oidc.clients.setClaims(clientId, [{ name: 'plan', scope: 'profile', value: 'x' }])
    refused(await patch(clientId, { name: 'Mine' }), 'clientId')
  })

  test('without_clients_trust_an_app_loses_no_limit_by_being_removed_and_registered_anew', async () => {
    const limits: Partial<oidc.NewClient>[] = [
      { acr: 'aal2' },
      { security: 'par' },
      { entryRoles: ['staff'] },
      { entryDomains: ['example.com'] },
      { sessionMaxMinutes: 60 },
    ]
    for (const limit of limits) {
      const { clientId } = await newApp(limit)
      refused(await call('DELETE', at(clientId), { token: writer }), 'clientId')
      expect((await call('POST', at(clientId, '/disable'), { token: writer })).status).toBe(200)
      expect((await call('DELETE', at(clientId), { token: truster })).status).toBe(204)
    }
  })

  test('the_management_api_is_given_at_the_command_line_alone_and_by_its_scopes', async () => {
    const input = { name: 'Mine', ...MACHINE, resources: [{ resource: api, scopes: ['clients:read'] }] }
    for (const hand of ['administrator', undefined] as const)
      expect(await oidc.clients.add(input, hand ? { hand } : {})).toMatchObject({
        ok: false,
        refusal: { code: 'rights_missing', field: 'resources' },
      })
    const hand = { hand: 'command_line' } as const
    const made = await oidc.clients.add(input, hand)
    if (!made.ok) throw new Error('not made')
    const { clientId } = made.value
    const reach = (scopes: string[]) => ({ resources: [{ resource: api, scopes }] })
    expect((await oidc.clients.update(clientId, { name: 'Same rights' })).ok).toBe(true)
    expect((await oidc.clients.update(clientId, reach(['clients:read', 'clients:write']))).ok).toBe(false)
    expect((await oidc.clients.update(clientId, { ...reach(['clients:read']), grants: [] }, hand)).ok).toBe(
      false,
    )
    expect((await oidc.clients.update(clientId, { resources: [] })).ok).toBe(true)
    for (const id of [api, `${api}/clients`])
      expect(await oidc.resources.add({ id, name: 'Mine' })).toMatchObject({
        ok: false,
        refusal: { field: 'id' },
      })
    for (const name of ['clients:read', 'clients:write', 'clients:trust'])
      expect(
        await oidc.resources.add({ id: 'https://mine.example', name: 'Mine', scopes: [{ name }] }),
      ).toMatchObject({
        ok: false,
        refusal: { field: 'scopes' },
      })
    expect(await oidc.resources.update(api, { open: true })).toMatchObject({ ok: false })
  })

  test('no_persons_consent_gives_it_and_no_app_that_registered_itself_has_it', async () => {
    // Even where the operator lets the app do it, for itself.
    const made = await oidc.clients.add(
      {
        name: 'Both',
        redirectUris: [CALLBACK],
        grants: ['authorization_code', 'refresh_token', 'client_credentials'],
        resources: [{ resource: api, scopes: ['clients:read'] }],
      },
      { hand: 'command_line' },
    )
    if (!made.ok) throw new Error('not made')
    const both = { ...made.value, clientSecret: made.value.clientSecret, redirectUri: CALLBACK }
    const browser = new Browser(portal)
    const landed = await browser.go(ask(portal, both, { scope: 'openid clients:read', resource: api }).url)
    expect(landed.url.searchParams.get('error')).toBe('invalid_target')
    const { json } = await signInTo(browser, both, await newUser(stores.sql))
    const refreshed = await callOidc(portal, '/token', both, {
      grant_type: 'refresh_token',
      refresh_token: json.refresh_token,
      resource: api,
    })
    expect(refreshed.json.error).toBe('invalid_target')
    const self = await oidc.clients.add({ name: 'Self', ...MACHINE })
    if (!self.ok) throw new Error('not made')
    await stores.sql(`UPDATE clients SET settings = settings || '{"registered":"open"}' WHERE id = $1`, [
      self.value.clientId,
    ])
    const stranger = { ...self.value, clientSecret: self.value.clientSecret, redirectUri: '' }
    expect((await askToken(stranger, { scope: 'clients:read' })).json.error).toBe('invalid_target')
  })
})

test('docs/openapi.yaml names what can be registered and changed, and nothing else', () => {
  const names = Object.keys(newClientSchema.shape)
  expect(namesOf('NewClient').sort()).toEqual(names.toSorted())
  const changeable = names.filter((name) => !['clientId', 'pairwise'].includes(name))
  expect(namesOf('ClientChanges').sort()).toEqual(changeable.sort())
})
