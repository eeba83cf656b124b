/** What the server does with a request before anyone else sees it, by real sockets. */
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import { connect, type Socket } from 'node:net'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { Caller } from '../base/caller'
import { reloadEnv } from '../base/env'
import { resetLog } from '../base/log'
import { StoresDown } from '../base/refusals'
import type { Fields, Handler } from '../forms'
import type { SessionFacts } from '../sessions'
import type { Health } from './health'
import { type ListeningHost, listeningHost } from './host.fixture'

let host: ListeningHost
let port = 0
let origin = ''
/** What the pages behind the host saw of the last request. */
let seen: { url: string; headers: IncomingHttpHeaders } | null = null
let answer: (req: IncomingMessage, res: ServerResponse) => void | Promise<void> = (_, res) =>
  void res.end('page')
/** What the handler of a form got, and what it does. */
let form: { fields: Fields; caller: Caller } | null = null
const redirect: Handler = async () => ({
  status: 303,
  headers: { location: '/next', 'cache-control': 'no-store' },
  setCookies: ['a=1', 'b=2'],
  body: null,
})
let handle = redirect
let session: () => Promise<SessionFacts | null> = async () => null
let down = false
let failures = 0

const health: Health = {
  readiness: async () => ({
    ready: !down,
    checks: { database: down ? 'down' : 'ok', migrations: 'ok', redis: 'ok' },
  }),
  databaseDown: () => down,
  failures: () => failures,
  stop: () => {},
}

const configure = (extra: Record<string, string> = {}) => {
  for (const name of ['TRUSTED_PROXIES', 'GATEHOUSE_LOGO_URL', 'CLIENT_CERTIFICATE_HEADER'])
    delete process.env[name]
  for (const name in process.env) if (name.startsWith('PROVIDER')) delete process.env[name]
  Object.assign(process.env, { NODE_ENV: 'test', GATEHOUSE_URL: origin, ...extra })
  reloadEnv()
  resetLog()
}

beforeAll(async () => {
  origin = 'http://localhost:3000'
  configure()
  host = await listeningHost({
    pages: async (req, res) => {
      seen = { url: req.url ?? '', headers: { ...req.headers } }
      await answer(req, res)
    },
    oidc: async (req, res) => {
      seen = { url: req.url ?? '', headers: { ...req.headers } }
      await answer(req, res)
    },
    forms: {
      '/signin/password': (fields, caller) => {
        form = { fields, caller }
        return handle(fields, caller)
      },
    },
    documents: (_req, res, pathname) => {
      if (pathname !== '/oidc/jwks') return false
      res.end('{"keys":[]}')
      return true
    },
    signedOut: (apps) => (apps === 'sealed' ? { frames: ['https://app.example/out?sid=1'] } : null),
    checkSession: () => session(),
    avatar: async (key) =>
      key === 'a'.repeat(43) ? { bytes: Buffer.from('png'), mimeType: 'image/png' } : null,
    statics: (_req, res, pathname) => {
      if (!pathname.endsWith('known.js')) return false
      res.end('js')
      return true
    },
    health,
  })
  port = host.port
})
afterEach(() => {
  seen = null
  form = null
  handle = redirect
  down = false
  failures = 0
  answer = (_, res) => void res.end('page')
  session = async () => null
  configure()
})
afterAll(() => host.drain(0))

interface Answer {
  status: number
  headers: Record<string, string>
  body: string
}

/** Sends exactly these bytes and reads one answer. */
function raw(text: string): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    let got = ''
    socket.on('data', (chunk) => {
      got += chunk
    })
    socket.on('error', reject)
    socket.on('close', () => {
      const [head = '', ...rest] = got.split('\r\n\r\n')
      const [first = '', ...lines] = head.split('\r\n')
      const headers = Object.fromEntries(
        lines.map((line) => {
          const at = line.indexOf(':')
          return [line.slice(0, at).toLowerCase(), line.slice(at + 1).trim()]
        }),
      )
      resolve({ status: Number(first.split(' ')[1] ?? 0), headers, body: rest.join('\r\n\r\n') })
    })
  })
}

const lines = (headers: Record<string, string>) =>
  Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('')

const get = (path: string, headers: Record<string, string> = {}) =>
  raw(`GET ${path} HTTP/1.1\r\n${lines({ Host: 'localhost:3000', Connection: 'close', ...headers })}\r\n`)

const post = (path: string, headers: Record<string, string> = {}, body = 'a=b') =>
  raw(
    `POST ${path} HTTP/1.1\r\n${lines({ Host: 'localhost:3000', Connection: 'close', 'Content-Length': String(body.length), ...headers })}\r\n${body}`,
  )

describe('only the one origin is served', () => {
  test.each([
    'evil.example',
    'localhost',
    'localhost:3001',
    'localhost:3000.evil.example',
    'evil.example:3000',
    'localhost.:3000',
    '127.0.0.1:3000',
    '[::1]:3000',
  ])('foreign_host_gets_421: %s', async (name) => {
    expect((await get('/', { Host: name })).status).toBe(421)
    expect((await get('/oidc/.well-known/openid-configuration', { Host: name })).status).toBe(421)
    expect((await get('/api/session', { Host: name })).status).toBe(421)
    expect(seen).toBeNull()
  })

  test('two_hosts_are_refused', async () => {
    const two = await raw(
      'GET / HTTP/1.1\r\nHost: localhost:3000\r\nHost: evil.example\r\nConnection: close\r\n\r\n',
    )
    expect(two.status).toBe(400)
    expect(seen).toBeNull()
  })

  test('no_host_is_refused', async () => {
    expect((await raw('GET / HTTP/1.0\r\n\r\n')).status).toBe(400)
    expect((await raw('GET / HTTP/1.1\r\nConnection: close\r\n\r\n')).status).toBe(400)
  })

  /** A connection as both ends see it, and what came over it until it ended. */
  async function connection() {
    const arrived = new Promise<Socket>((resolve) => host.server.once('connection', resolve))
    const near = connect(port, '127.0.0.1')
    let got = ''
    near.on('data', (chunk) => {
      got += chunk
    })
    const ended = new Promise<string>((resolve) => near.on('close', () => resolve(got)))
    return { near, far: await arrived, ended }
  }
  const tooSlow = Object.assign(new Error('Request timeout'), { code: 'ERR_HTTP_REQUEST_TIMEOUT' })

  test('a_connection_made_ahead_is_ended_without_a_word', async () => {
    const { far, ended } = await connection()
    host.server.emit('clientError', tooSlow, far)
    expect(await ended).toBe('')
  })

  test('a_request_that_never_ends_is_told_408', async () => {
    const { near, far, ended } = await connection()
    near.write('GET /healthz HTTP/1.1\r\nHost: localhost:3000\r\n\r\n')
    await once(near, 'data')
    host.server.emit('clientError', tooSlow, far)
    expect(await ended).toMatch(/HTTP\/1\.1 408 Request Timeout\r\n[\s\S]*\r\nConnection: close\r\n\r\n$/)
  })

  test('headers_beyond_the_limit_are_told_431', async () => {
    const { status, headers } = await get('/', { Cookie: `a=${'b'.repeat(20_000)}` })
    expect(status).toBe(431)
    expect(headers['x-content-type-options']).toBe('nosniff')
  })

  test('what_is_no_http_is_told_400', async () => {
    expect((await raw('hello\r\n\r\n')).status).toBe(400)
  })

  test('absolute_request_line_of_another_origin_gets_421', async () => {
    for (const url of [
      'http://evil.example/',
      'https://localhost:3000/',
      'http://localhost:3001/',
      'http://user@evil.example/',
    ]) {
      expect((await get(url)).status).toBe(421)
    }
    expect(seen).toBeNull()
  })

  test('an absolute request line of our own origin is read as its path', async () => {
    expect((await get('http://localhost:3000/signin?flow=x')).status).toBe(200)
    expect(seen?.url).toBe('/signin?flow=x')
  })

  test('absolute_request_line_does_not_excuse_the_host', async () => {
    expect((await get('http://localhost:3000/', { Host: 'evil.example' })).status).toBe(421)
  })

  test.each(['//evil.example/', '/\\evil.example', '/a\\b', 'evil', '*'])(
    'malformed_path_is_refused: %s',
    async (path) => {
      expect([400, 421]).toContain((await get(path)).status)
      expect(seen).toBeNull()
    },
  )

  test.each(['TRACE', 'TRACK', 'PROPFIND', 'SEARCH'])('method_%s_is_refused', async (method) => {
    const { status } = await raw(`${method} / HTTP/1.1\r\nHost: localhost:3000\r\nConnection: close\r\n\r\n`)
    expect([400, 405]).toContain(status)
    expect(seen).toBeNull()
  })

  test('health is also answered on this machine by address, and nothing else is', async () => {
    for (const name of ['127.0.0.1:9', 'localhost', '[::1]:3000']) {
      expect((await get('/healthz', { Host: name })).status).toBe(200)
      expect((await get('/readyz', { Host: name })).status).toBe(200)
    }
    expect((await get('/healthz', { Host: 'evil.example' })).status).toBe(421)
  })
})

describe('what comes in under names that are ours to say', () => {
  test('internal_headers_never_reach_the_pages', async () => {
    const attack = {
      'x-middleware-subrequest': 'middleware:middleware:middleware:middleware:middleware',
      'x-middleware-subrequest-id': 'x',
      'x-nextjs-data': '1',
      'next-resume': '1',
      'x-next-resume-state-length': '9',
      'x-matched-path': '/account',
      'x-now-route-matches': '1=a',
      'x-invoke-path': '/account',
      'x-prerender-revalidate': 'x',
      'x-action-forwarded': '1',
      'x-gatehouse-ip': '10.0.0.1',
      'x-gatehouse-local': '1',
      'x-original-url': '/account',
      'x-rewrite-url': '/account',
      'x-http-method-override': 'DELETE',
      'x-nonce': 'known',
      'content-security-policy': "script-src 'nonce-known'",
      'x-real-ip': '10.0.0.1',
      forwarded: 'for=10.0.0.1;host=evil.example',
      'x-client-ip': '10.0.0.1',
    }
    await get('/', attack)
    const ours = ['x-gatehouse-ip', 'x-gatehouse-local', 'content-security-policy']
    for (const name of Object.keys(attack)) {
      if (!ours.includes(name)) expect(seen?.headers).not.toHaveProperty(name)
    }
    expect(seen?.headers['x-gatehouse-ip']).toBe('127.0.0.1')
    expect(seen?.headers['content-security-policy']).not.toContain('known')
  })

  test('forwarded_address_of_a_stranger_is_ignored', async () => {
    for (const spoof of ['1.2.3.4', 'a', '1.2.3.4, 5.6.7.8', '::ffff:1.2.3.4', '']) {
      await get('/', {
        'X-Forwarded-For': spoof,
        'X-Forwarded-Host': 'evil.example',
        'X-Forwarded-Proto': 'https',
      })
      expect(seen?.headers).toMatchObject({
        'x-gatehouse-ip': '127.0.0.1',
        'x-forwarded-for': '127.0.0.1',
        'x-forwarded-host': 'localhost:3000',
        'x-forwarded-proto': 'http',
        host: 'localhost:3000',
      })
    }
  })

  test('a trusted proxy says who the client is, never what the host is', async () => {
    configure({ TRUSTED_PROXIES: 'loopback' })
    await get('/', { 'X-Forwarded-For': '6.6.6.6, 203.0.113.9', 'X-Forwarded-Host': 'evil.example' })
    expect(seen?.headers).toMatchObject({
      'x-gatehouse-ip': '203.0.113.9',
      'x-forwarded-for': '203.0.113.9',
      'x-forwarded-host': 'localhost:3000',
      'x-gatehouse-local': '0',
    })
  })

  test('no_page_sees_a_certificate_whoever_sends_it_under_whatever_name', async () => {
    const names = ['Client-Cert', 'Client-Cert-Chain', 'X-SSL-Client-Cert', 'SSL-Client-Cert', 'X-Our-Cert']
    const headers = Object.fromEntries(names.map((name) => [name, ':QQ==:']))
    const reached = () => Object.keys(seen?.headers ?? {}).filter((name) => name.includes('cert'))
    await get('/', headers)
    expect(reached()).toEqual(['x-our-cert'])
    for (const TRUSTED_PROXIES of ['loopback', '10.0.0.1']) {
      configure({ TRUSTED_PROXIES, CLIENT_CERTIFICATE_HEADER: 'x-our-cert' })
      await get('/', headers)
      expect(reached()).toEqual([])
    }
  })

  test('request ids come from trusted proxies only, and go out again', async () => {
    const mine = { 'X-Request-Id': 'trace-1234567890' }
    expect((await get('/', mine)).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
    configure({ TRUSTED_PROXIES: 'loopback' })
    expect((await get('/', mine)).headers['x-request-id']).toBe('trace-1234567890')
    expect((await get('/', { 'X-Request-Id': 'a"\\b' })).headers['x-request-id']).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('websocket_upgrades_are_refused', async () => {
    const upgrade = {
      Connection: 'Upgrade, close',
      Upgrade: 'websocket',
      'Sec-WebSocket-Key': 'x',
      'Sec-WebSocket-Version': '13',
    }
    expect((await get('/', upgrade)).status).toBe(400)
    expect((await get('http://127.0.0.1:6379/', upgrade)).status).toBe(421)
    expect(seen).toBeNull()
  })
})

test('a_proxy_that_speaks_http_1_0_and_names_nobody_is_not_taken_for_this_machine', async () => {
  await get('/dev/mailbox')
  expect(seen?.headers['x-gatehouse-local']).toBe('1')
  await raw('GET /dev/mailbox HTTP/1.0\r\nHost: localhost:3000\r\n\r\n')
  expect(seen?.headers['x-gatehouse-local']).toBe('0')
})

describe('changes are made by our own pages only', () => {
  const plain = { 'Content-Type': 'application/x-www-form-urlencoded' }

  test.each([
    ['absent', {}],
    ['null', { Origin: 'null' }],
    ['foreign', { Origin: 'http://evil.example' }],
    ['a_longer_name', { Origin: 'http://localhost:3000.evil.example' }],
    ['other_port', { Origin: 'http://localhost:3001' }],
    ['contradicted_by_the_browser', { Origin: 'http://localhost:3000', 'Sec-Fetch-Site': 'cross-site' }],
  ])('post_with_origin_%s_is_refused', async (_name, headers: Record<string, string>) => {
    for (const path of ['/signin/password', '/signin/code'])
      expect((await post(path, { ...plain, ...headers })).status).toBe(403)
    expect(seen).toBeNull()
    expect(form).toBeNull()
  })

  test('a post from our page passes', async () => {
    expect(
      (await post('/signin/code', { ...plain, Origin: origin, 'Sec-Fetch-Site': 'same-origin' })).status,
    ).toBe(200)
  })

  test('post_of_another_provider_brings_no_cookie_and_is_a_form_of_one_that_is_configured', async () => {
    configure({ PROVIDERS: 'google', PROVIDER_GOOGLE_CLIENT_ID: 'a', PROVIDER_GOOGLE_CLIENT_SECRET: 'b' })
    const theirs = { Origin: 'https://accounts.google.com', Cookie: 'gatehouse.session=x' }
    for (const path of ['/api/auth/callback/google', '/api/auth/backchannel-logout/google']) {
      expect((await post(path, { ...plain, ...theirs })).status, path).toBe(200)
      expect(seen?.headers.cookie).toBeUndefined()
      seen = null
      for (const type of ['text/plain', 'multipart/form-data; boundary=x', 'application/json', 'x'])
        expect((await post(path, { ...theirs, 'Content-Type': type })).status, type).toBe(403)
      expect((await post(path, theirs)).status).toBe(403)
    }
    for (const path of [
      '/api/auth/callback/github',
      '/api/auth/callback/credentials',
      '/api/auth/callback/google/more',
      '/api/auth/signin/google',
      '/signin/with/google',
    ])
      expect((await post(path, { ...plain, ...theirs })).status, path).toBe(403)
    expect(seen).toBeNull()
  })

  test('relying apps post to the provider without an origin', async () => {
    expect((await post('/oidc/token', plain)).status).toBe(200)
  })

  test('too_large_a_body_is_refused_unread', async () => {
    const { status } = await raw(
      `POST /signin/password HTTP/1.1\r\n${lines({ Host: 'localhost:3000', Origin: origin, 'Content-Length': '1048576' })}\r\n`,
    )
    expect(status).toBe(413)
    expect(seen).toBeNull()
  })

  test('a_body_of_unknown_length_is_refused', async () => {
    const { status } = await raw(
      `POST /signin/password HTTP/1.1\r\n${lines({ Host: 'localhost:3000', Origin: origin, 'Transfer-Encoding': 'chunked' })}\r\n`,
    )
    expect(status).toBe(411)
  })
})

describe('a form that is answered here', () => {
  const type = 'application/x-www-form-urlencoded'
  const send = (body: string, headers: Record<string, string> = {}, path = '/signin/password') =>
    raw(
      `POST ${path} HTTP/1.1\r\n${lines({ Host: 'localhost:3000', Connection: 'close', Origin: origin, 'Content-Type': type, 'Content-Length': String(Buffer.byteLength(body)), ...headers })}\r\n${body}`,
    )

  test('gets its fields and who asks, and reaches no page', async () => {
    const { status, headers } = await send(
      'flow=x&email=a%40b.example&password=sch%C3%B6n+weit&x=1&x=2&x=3',
      {
        Cookie: 'gatehouse.browser=b',
        'X-Forwarded-For': '9.9.9.9',
      },
    )
    expect(status).toBe(303)
    expect(headers).toMatchObject({ location: '/next', 'cache-control': 'no-store' })
    expect(form?.fields).toEqual({ flow: 'x', email: 'a@b.example', password: 'schön weit' })
    expect(form?.caller).toMatchObject({ ip: '127.0.0.1', cookies: { 'gatehouse.browser': 'b' } })
    expect(form?.caller.requestId).toBe(headers['x-request-id'])
    expect(seen).toBeNull()
  })

  test('sets every cookie, and carries the headers of a page', async () => {
    const { headers, body } = await send('flow=x')
    expect(headers['set-cookie']).toBe('b=2')
    expect(headers['content-security-policy']).toContain('nonce-')
    expect(body).toBe('')
  })

  test('a_way_back_to_an_app_leaves_by_a_page_of_its_own', async () => {
    handle = async () => ({
      status: 303,
      headers: { location: '/oidc/auth/x' },
      setCookies: ['a=1'],
      body: null,
    })
    const { status, headers, body } = await send('flow=x', { 'Sec-Fetch-Mode': 'navigate' })
    expect(status).toBe(200)
    expect(headers['set-cookie']).toBe('a=1')
    expect(body).toContain('/oidc/auth/x')
  })

  test.each([
    ['a form with files', { 'Content-Type': 'multipart/form-data; boundary=x' }],
    ['plain text', { 'Content-Type': 'text/plain' }],
    ['a name that only begins alike', { 'Content-Type': `${type}-not` }],
    ['a call of an action', { 'Next-Action': 'x' }],
  ])('%s is left to the pages', async (_name, headers) => {
    expect((await send('flow=x', headers)).status).toBe(200)
    expect(form).toBeNull()
    expect(seen?.url).toBe('/signin/password')
  })

  test('a long form, another path and another method are left to the pages', async () => {
    await send(`flow=${'x'.repeat(40_000)}`)
    for (const path of ['/signin/password/', '/signin/Password', '/constructor'])
      await send('flow=x', {}, path)
    await get('/signin/password')
    expect(form).toBeNull()
  })

  test('stores_that_fail_are_a_503_and_a_bug_is_a_500', async () => {
    handle = async () => {
      throw new StoresDown('postgres', new Error('away'))
    }
    const { status, headers } = await send('flow=x')
    expect([status, headers['retry-after']]).toEqual([503, '2'])
    handle = async () => {
      throw new Error('a bug')
    }
    expect((await send('flow=x')).status).toBe(500)
    down = true
    form = null
    expect((await send('flow=x')).status).toBe(503)
    expect(form).toBeNull()
  })

  test('half_a_form_is_no_form', async () => {
    const socket = connect(port, '127.0.0.1')
    await once(socket, 'connect')
    socket.resume()
    const half = { Host: 'localhost:3000', Origin: origin, 'Content-Type': type, 'Content-Length': '20' }
    socket.end(`POST /signin/password HTTP/1.1\r\n${lines(half)}\r\nflow=x`)
    await once(socket, 'close')
    await get('/')
    expect(form).toBeNull()
  })
})

describe('every answer', () => {
  const ANSWERS: [string, () => Promise<Answer>][] = [
    ['a page', () => get('/')],
    ['a refusal', () => get('/', { Host: 'evil.example' })],
    ['a cross-site post', () => post('/x')],
    ['health', () => get('/healthz')],
    ['the session check', () => get('/api/session')],
    ['a missing file', () => get('/_next/static/none.js')],
    ['a file', () => get('/_next/static/known.js')],
    ['a picture', () => get(`/avatars/${'a'.repeat(43)}`)],
    ['the provider', () => get('/oidc/jwks')],
  ]

  test.each(ANSWERS)('carries the security headers: %s', async (_name, ask) => {
    const { headers } = await ask()
    expect(headers['content-security-policy']).toContain("frame-ancestors 'none'")
    expect(headers['content-security-policy']).toContain("default-src 'none'")
    expect(headers['content-security-policy']).toContain('form-action')
    expect(headers['content-security-policy']).toContain('base-uri')
    expect(headers['content-security-policy']).not.toContain('unsafe')
    expect(headers).toMatchObject({
      'x-content-type-options': 'nosniff',
      'referrer-policy': 'same-origin',
      'cross-origin-opener-policy': 'same-origin',
    })
    expect(headers['permissions-policy']).toContain('camera=()')
    expect(headers).not.toHaveProperty('x-powered-by')
  })

  test('of a page has a nonce of its own, which the page is told', async () => {
    const nonces = new Set<string>()
    for (let i = 0; i < 5; i++) {
      const { headers } = await get('/signin')
      const nonce = /script-src 'self' 'nonce-([\w+/=]{24})' 'strict-dynamic'/.exec(
        headers['content-security-policy'] ?? '',
      )?.[1]
      expect(seen?.headers['content-security-policy']).toBe(headers['content-security-policy'])
      nonces.add(nonce ?? '')
    }
    expect(nonces.size).toBe(5)
    expect(nonces.has('')).toBe(false)
  })

  test('that is no public file is stored by nobody, whatever the page says', async () => {
    answer = (_, res) => {
      res.setHeader('Cache-Control', 's-maxage=31536000')
      res.end('signed in')
    }
    expect((await get('/account')).headers['cache-control']).toBe('no-store')
    expect((await get('/api/session')).headers['cache-control']).toBe('no-store')
    expect((await get('/oidc/token')).headers['cache-control']).toBe('s-maxage=31536000')
  })

  test('over https is HSTS and upgrades what is insecure', async () => {
    process.env.GATEHOUSE_URL = 'https://id.example.com'
    reloadEnv()
    const secure = await listeningHost({
      pages: async (_, res) => void res.end(),
      health,
    })
    const before = port
    port = secure.port
    const page = await get('/', { Host: 'id.example.com' })
    port = before
    await secure.drain(0)
    expect(page.headers['strict-transport-security']).toMatch(/max-age=\d{8}/)
    expect(page.headers['content-security-policy']).toContain('upgrade-insecure-requests')
  })
})

test('an error of the provider is a page of the house with the status of the error', async () => {
  let told: IncomingHttpHeaders = {}
  const own = await listeningHost({
    pages: async (req, res) => {
      told = { url: req.url, method: req.method, ...req.headers }
      res.end('page')
    },
    oidc: async (req, res, { renderProblem }) =>
      renderProblem?.(req, res, {
        status: 400,
        error: 'invalid_redirect_uri',
        requestId: 'x',
        client: { id: 'a', name: 'Café <b>' },
      }),
    health,
  })
  const before = port
  port = own.port
  const page = await post('/oidc/auth', { 'X-Gatehouse-Problem': 'spoofed' })
  port = before
  await own.drain(0)
  expect(page).toMatchObject({ status: 400, headers: { 'cache-control': 'no-store' } })
  expect(page.headers['content-security-policy']).toContain("form-action 'self'")
  expect(told).toMatchObject({
    url: '/problem',
    method: 'GET',
    'x-gatehouse-problem': 'invalid_redirect_uri',
    'x-gatehouse-problem-app': 'Caf%C3%A9%20%3Cb%3E',
    'content-security-policy': page.headers['content-security-policy'],
  })
  expect(told).not.toHaveProperty('content-length')
})

describe('the page after a sign-out', () => {
  test('may frame the addresses of apps that its own parameter names, and no other page may', async () => {
    const policyOf = async (path: string) => (await get(path)).headers['content-security-policy'] ?? ''
    expect(await policyOf('/signed-out?apps=sealed')).toContain("frame-src 'self' https://app.example;")
    for (const path of [
      '/signed-out',
      '/signed-out?apps=forged',
      '/signin?apps=sealed',
      '/account?apps=sealed',
    ])
      expect(await policyOf(path)).toContain("frame-src 'self';")
  })
})

describe("a form's way out of the house", () => {
  const browser = {
    Origin: 'http://localhost:3000',
    'Sec-Fetch-Site': 'same-origin',
    'Sec-Fetch-Mode': 'navigate',
  }
  const redirect = (location: string) => {
    answer = (_, res) => {
      res.writeHead(303, { Location: location, 'Set-Cookie': ['a=1', 'b=2'] })
      res.end()
    }
  }

  test.each(['/oidc/auth/abc', 'https://app.example/callback?code=x&state="y'])(
    'goes by a page of its own, since form-action applies to redirects: %s',
    async (location) => {
      redirect(location)
      const { status, headers, body } = await post('/consent/submit', browser)
      expect(status).toBe(200)
      expect(headers).not.toHaveProperty('location')
      expect(headers['content-security-policy']).toContain("form-action 'self'")
      expect(headers['set-cookie']).toBe('b=2')
      expect(body).toContain('http-equiv="refresh"')
      expect(body).not.toContain('"y')
    },
  )

  test('inside the house stays a redirect', async () => {
    redirect('/signin?flow=x')
    expect(await post('/signin/password', browser)).toMatchObject({
      status: 303,
      headers: { location: '/signin?flow=x' },
    })
  })

  test('stays a redirect for programs', async () => {
    redirect('/oidc/auth/abc')
    expect(await post('/signin/password', { Origin: origin })).toMatchObject({
      status: 303,
      headers: { location: '/oidc/auth/abc' },
    })
  })
})

describe('while a store is away', () => {
  test('pages say 503 at once, with Retry-After, in words and in JSON', async () => {
    down = true
    const page = await get('/account', { Accept: 'text/html' })
    expect(page).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
    expect(page.body).toContain('Back in a moment')
    const json = await get('/account')
    expect(JSON.parse(json.body)).toMatchObject({ error: 'stores_down' })
    expect(seen).toBeNull()
  })

  test('keys and discovery are still answered', async () => {
    down = true
    expect((await get('/oidc/jwks')).status).toBe(200)
    expect((await get('/.well-known/openid-configuration')).status).toBe(200)
    expect((await get('/healthz')).status).toBe(200)
    expect((await get('/readyz')).status).toBe(503)
  })

  test('a page that failed because of it says 503, not 500', async () => {
    answer = (_, res) => {
      failures++
      res.writeHead(500, { 'Content-Type': 'text/html' })
      res.write('<h1>error</h1>')
      res.end('stack')
    }
    const { status, headers, body } = await get('/account')
    expect(status).toBe(503)
    expect(headers['retry-after']).toBe('2')
    expect(body).not.toContain('stack')
    expect(body).toContain('Back in a moment')
  })

  test('the session check says 503, never "nobody"', async () => {
    session = async () => {
      throw new StoresDown('postgres')
    }
    expect(await get('/api/session')).toMatchObject({ status: 503, headers: { 'retry-after': '2' } })
  })

  test('a failure that is thrown becomes 503, a bug 500 with a number and no stack', async () => {
    answer = () => {
      throw new StoresDown('postgres')
    }
    expect((await get('/account')).status).toBe(503)
    answer = () => {
      throw new Error('secret detail')
    }
    const bug = await get('/account', { Accept: 'text/html' })
    expect(bug.status).toBe(500)
    expect(bug.body).not.toContain('secret detail')
    expect(bug.body).toContain(bug.headers['x-request-id'])
  })
})

describe('the well-known addresses of an account', () => {
  test('name who may use the portal’s passkeys, and where they are looked after', async () => {
    configure({ WEBAUTHN_ORIGINS: 'https://login.example.org' })
    const origins = await get('/.well-known/webauthn')
    expect(origins.status).toBe(200)
    expect(origins.headers['content-type']).toBe('application/json')
    expect(JSON.parse(origins.body)).toEqual({ origins: [origin, 'https://login.example.org'] })
    delete process.env.WEBAUTHN_ORIGINS
    const endpoints = await get('/.well-known/passkey-endpoints')
    const { enroll, manage } = JSON.parse(endpoints.body)
    for (const url of [enroll, manage]) expect(url).toMatch(`${origin}/account/security`)
    for (const { headers } of [origins, endpoints]) {
      expect(headers['cache-control']).toBe('public, max-age=3600')
      expect(headers['x-content-type-options']).toBe('nosniff')
      expect(headers['set-cookie']).toBeUndefined()
    }
  })

  test('lead to the change of the password, also while the database is away', async () => {
    down = true
    const { status, headers } = await get('/.well-known/change-password')
    expect([status, headers.location]).toEqual([303, '/account/security#password'])
    expect(headers['cache-control']).toBe('public, max-age=3600')
    expect(seen).toBeNull()
  })

  test('take no posts, and are not guessed at', async () => {
    expect((await post('/.well-known/change-password', { Origin: origin })).status).toBe(405)
    // W3C change-password section 3.2: whoever answers this with 200 is not believed above.
    answer = (_req, res) => void res.writeHead(404).end()
    const unknown = '/.well-known/resource-that-should-not-exist-whose-status-code-should-not-be-200'
    expect((await get(unknown)).status).toBe(404)
    expect(seen?.url).toBe(unknown)
  })
})

describe('the session check', () => {
  const facts: SessionFacts = {
    sid: 's',
    generation: 1,
    userId: 'u',
    sessionVersion: 1,
    method: 'password',
    amr: ['pwd'],
    acr: '1',
    secondSkipped: false,
    authAt: 1_700_000_000_000,
    createdAt: 1_700_000_000_000,
    expiresAt: 1_700_009_000_000,
    idleSeconds: 3600,
    lastActiveAt: 1_700_000_000_000,
    roles: ['user', 'admin'],
    defaultRole: 'user',
    deviceId: null,
    guest: false,
  }

  test('a_guest_is_nobody_to_whoever_did_not_ask_for_guests', async () => {
    session = async () => ({ ...facts, guest: true, roles: ['anonymous'] })
    for (const query of ['', '?', '?guests', '?guests=1', '?x=guests=allow', '?guests=deny&guests=allow']) {
      const { status, headers, body } = await get(`/api/session${query}`)
      expect(status, query).toBe(401)
      expect(headers['x-gatehouse-user'], query).toBeUndefined()
      expect(body, query).toBe('{"error":"session_required"}')
    }
    const asked = await get('/api/session?guests=allow')
    expect(asked.status).toBe(200)
    expect(asked.headers['x-gatehouse-roles']).toBe('anonymous')
  })

  test('a_guest_has_no_picture_to_send', async () => {
    const size = 1_048_576
    const head = {
      Host: 'localhost:3000',
      Origin: origin,
      'Content-Length': String(size),
      Connection: 'close',
    }
    const long = (body: string) => raw(`POST /account/profile HTTP/1.1\r\n${lines(head)}\r\n${body}`)
    session = async () => ({ ...facts, guest: true, roles: ['anonymous'] })
    expect((await long('')).status).toBe(401)
    expect(seen).toBeNull()
    session = async () => facts
    expect((await long('x'.repeat(size))).status).toBe(200)
  })

  test('says who is signed in, and when that ends: idle or absolute, what comes first', async () => {
    session = async () => facts
    const { status, headers, body } = await get('/api/session')
    expect(status).toBe(200)
    expect(headers['cache-control']).toBe('no-store')
    expect(headers['x-gatehouse-user']).toBe('u')
    expect(JSON.parse(body)).toEqual({
      userId: 'u',
      sid: 's',
      roles: ['user', 'admin'],
      defaultRole: 'user',
      method: 'password',
      amr: ['pwd'],
      acr: '1',
      authTime: 1_700_000_000,
      expiresAt: new Date(1_700_003_600_000).toISOString(),
    })
  })

  test('says 401 to anyone else', async () => {
    expect((await get('/api/session')).status).toBe(401)
  })
})

test('what the provider publishes is answered from memory with the headers of the house, also without the database', async () => {
  down = true
  const { status, headers, body } = await get('/oidc/jwks')
  expect([status, body]).toEqual([200, '{"keys":[]}'])
  expect(headers['content-security-policy']).toContain("default-src 'none'")
  expect(seen).toBeNull()
})

test('a_well_known_path_that_is_no_document_is_judged_like_any_other', async () => {
  await get('/.well-known/other', { 'x-gatehouse-ip': '192.0.2.1' })
  expect(seen?.headers['x-gatehouse-ip']).toBe('127.0.0.1')
})

test('a_body_answered_before_its_end_does_not_hold_up_the_next_request_on_its_connection', async () => {
  answer = async (req, res) => {
    await new Promise((resolve) => req.once('data', resolve))
    req.pause()
    res.end('enough')
  }
  const body = 'x'.repeat(200_000)
  const socket = connect(port, '127.0.0.1')
  let text = ''
  socket.on('data', (chunk) => {
    text += chunk
  })
  socket.write(
    `POST /signup/submit HTTP/1.1\r\nHost: localhost:3000\r\nOrigin: ${origin}\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
  )
  await expect.poll(() => text).toContain('enough')
  socket.write('GET /healthz HTTP/1.1\r\nHost: localhost:3000\r\n\r\n')
  await expect.poll(() => text).toContain('{"status":"ok"}')
  socket.destroy()
})

test('bodies_that_do_not_arrive_hold_up_nobody_but_who_sends_them', async () => {
  answer = async (req, res) => {
    for await (const _ of req);
    res.end('read')
  }
  const unfinished = `POST /signup/submit HTTP/1.1\r\nHost: localhost:3000\r\nOrigin: ${origin}\r\nContent-Length: 10\r\n\r\n`
  const sockets = Array.from({ length: 64 }, () => connect(port, '127.0.0.1'))
  for (const socket of sockets) socket.write(unfinished)
  await expect.poll(async () => (await post('/signup/submit', { Origin: origin })).status).toBe(503)
  // Whoever only wants to see a page does.
  expect((await get('/signin')).status).toBe(200)
  for (const socket of sockets) socket.destroy()
  await expect.poll(async () => (await post('/signup/submit', { Origin: origin })).status).toBe(200)
})

test('a drain lets what is in flight finish and takes nothing new', async () => {
  let finish = () => {}
  const begun = new Promise<void>((resolve) => {
    answer = (_, res) => {
      finish = () => void res.end('done')
      resolve()
    }
  })
  const own = await listeningHost({
    pages: async (req, res) => answer(req, res),
    health,
  })
  const before = port
  port = own.port
  const slow = get('/slow')
  await begun
  const drained = own.drain(10_000)
  await expect(get('/new')).rejects.toThrow(/ECONNREFUSED/)
  finish()
  expect((await slow).body).toContain('done')
  await drained
  port = before
})
