/**
 * What every answer carries, whoever makes it: all routes of the build, the provider's endpoints, files,
 * errors, redirects and data (UI1, UI3, UI4, OPS3, HST2).
 */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from '@playwright/test'
import { freePort } from '../scripts/free-port.mjs'
import { builtRoutes, serverActions } from './actions'
import { newPerson } from './people'
import { launchPortal, type Portal } from './portal'
import { type Answer, sendRaw, shared, Visitor } from './visitor'

const ROOT = path.resolve(import.meta.dirname, '..')

const OIDC = ['', '/auth', '/token', '/userinfo', '/jwks', '/introspection', '/revocation', '/par', '/logout']
const KNOWN = ['/.well-known/openid-configuration', '/.well-known/oauth-authorization-server/oidc']

/** Everything that can be asked for, and how. */
function everything(): [method: string, path: string, headers: Record<string, string>][] {
  const { pages, handlers } = builtRoutes()
  const fill = (route: string) => route.replace('[...nextauth]', 'session').replace(/\[\w+\]/, 'x'.repeat(24))
  const paths = [
    ...[...pages, ...handlers].map(fill),
    ...['csrf', 'providers', 'signin', 'signout', 'error', 'callback/x', 'nothing'].map(
      (at) => `/api/auth/${at}`,
    ),
    ...OIDC.map((at) => `/oidc${at}`),
    ...['/oidc/nothing', '/oidc/.well-known/openid-configuration', ...KNOWN],
    ...['/healthz', '/readyz', '/api/session', '/favicon.ico', '/no/such/page', '/account/', '//account'],
    ...[
      '/_next/static/nothing.js',
      '/_next/data/x/account.json',
      '/_next/image?url=%2Fx&w=64&q=75',
      '/_next',
    ],
    ...['/signin?flow=x', '/verify/link?flow=x&code=123456', '/problem?code=csrf', '/consent?request=x'],
    ...['/%', '/%00', '/account%2f', `/${'a'.repeat(4000)}`],
  ]
  const list: [string, string, Record<string, string>][] = []
  for (const at of paths) {
    list.push(['GET', at, { accept: 'text/html' }], ['HEAD', at, {}], ['GET', at, { rsc: '1' }])
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH']) list.push([method, at, {}])
    list.push(['POST', at, { origin: new URL(shared().url).origin }])
  }
  return list
}

/** Public answers that may be kept; all others are never stored by anyone. */
const MAY_BE_KEPT =
  /^\/(_next\/static\/|avatars\/|icon\.svg|favicon\.ico|oidc\/(jwks|\.well-known\/)|\.well-known\/)/

function judge(answer: Answer, what: string, at: string): string[] {
  const { headers } = answer
  const wrong: string[] = []
  const must = (good: boolean, why: string) => {
    if (!good) wrong.push(`${what} → ${answer.status}: ${why}`)
  }
  const policy = new Map(
    String(headers['content-security-policy'] ?? '')
      .split(';')
      .map((part) => part.trim().split(/\s+/))
      .map(([name = '', ...values]) => [name, values]),
  )
  const scripts = policy.get('script-src') ?? policy.get('default-src') ?? []
  must(policy.get('default-src')?.join() === "'none'", 'default-src is not none')
  must(
    !scripts.some((source) => /unsafe|^\*|^https?:$|^data:/.test(source)),
    `script-src ${scripts.join(' ')}`,
  )
  const mailBody = /^\/dev\/mailbox\/[^/]+\/body/.test(at)
  if (!mailBody) must(!(policy.get('style-src') ?? []).includes("'unsafe-inline'"), 'style-src unsafe-inline')
  must(policy.get('base-uri')?.join() === "'none'", 'base-uri')
  must(policy.has('form-action'), 'form-action')
  must(
    (mailBody ? ["'self'", "'none'"] : ["'none'"]).includes(policy.get('frame-ancestors')?.join() ?? ''),
    'frame-ancestors',
  )
  must(headers['x-content-type-options'] === 'nosniff', 'nosniff')
  must(/^(same-origin|no-referrer)$/.test(String(headers['referrer-policy'])), 'referrer-policy')
  must(/camera=\(\)/.test(String(headers['permissions-policy'])), 'permissions-policy')
  must(headers['cross-origin-opener-policy'] === 'same-origin', 'opener policy')
  must(/^(DENY|SAMEORIGIN)$/.test(String(headers['x-frame-options'])), 'x-frame-options')
  must(!headers['x-powered-by'] && !headers.server, 'banner')
  const kept = String(headers['cache-control'])
  must(MAY_BE_KEPT.test(at) ? kept !== 'undefined' : kept === 'no-store', `cache-control ${kept}`)
  if (kept.startsWith('public')) must(!headers['set-cookie'], 'a cookie in a public answer')
  must(answer.status < 500 || answer.status === 503, 'server error')
  if (!/^\/(oidc|\.well-known)/.test(at)) {
    must(headers['access-control-allow-origin'] === undefined, 'readable by other origins')
  }
  return wrong
}

const setCookies = (answer: Answer): string[] => answer.headers['set-cookie'] ?? []

function judgeCookie(line: string, https: boolean): string[] {
  const [pair = '', ...attributes] = line.split(/;\s*/)
  const has = (name: string) => attributes.some((attribute) => attribute.toLowerCase() === name.toLowerCase())
  const wrong: string[] = []
  if (!has('HttpOnly')) wrong.push('HttpOnly')
  if (!has('SameSite=Lax') && !has('SameSite=Strict')) wrong.push('SameSite')
  if (attributes.some((attribute) => /^domain=/i.test(attribute))) wrong.push('Domain')
  if (Buffer.byteLength(line) > 4096) wrong.push('size')
  if (https && !has('Secure')) wrong.push('Secure')
  if (https && /gatehouse\.(session|browser|device)/.test(pair)) {
    if (!pair.startsWith('__Host-') || !has('Path=/')) wrong.push('__Host-')
  }
  return wrong.map((what) => `${what}: ${line.replace(/=[^;]*/, '=…')}`)
}

async function crawl(visitors: Visitor[], https: boolean): Promise<string[]> {
  const wrong: string[] = []
  const nonces = new Set<string>()
  for (const [method, at, headers] of everything()) {
    for (const visitor of visitors) {
      const own = headers.origin ? { ...headers, origin: visitor.place.url } : headers
      const answer = await visitor.copy().send(method, at, own, method === 'POST' ? '' : undefined)
      const what = `${method} ${at.slice(0, 60)} ${JSON.stringify(headers)}`
      wrong.push(...judge(answer, what, at))
      if (https) {
        const strict = String(answer.headers['strict-transport-security'])
        if (!/max-age=\d{8}/.test(strict)) wrong.push(`${what}: no HSTS`)
      }
      for (const line of setCookies(answer)) wrong.push(...judgeCookie(line, https))
      const nonce = /'nonce-([^']+)'/.exec(String(answer.headers['content-security-policy']))?.[1]
      if (nonce && nonces.has(nonce)) wrong.push(`${what}: a nonce came twice`)
      if (nonce) nonces.add(nonce)
    }
  }
  return wrong
}

test('every answer carries the headers, signed in or not', async () => {
  const someone = new Visitor()
  await someone.signUp(newPerson())
  // The crawl asks for more than any person may; each of them comes from an address of its own.
  expect(await crawl([new Visitor(), someone], false)).toEqual([])
})

test('no source, map, setting or file of the house is served', async () => {
  const nobody = new Visitor()
  const files = readdirSync(path.join(ROOT, '.next/static'), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.(js|css)$/.test(entry.name))
    .map((entry) => path.join(entry.parentPath, entry.name))
  expect(files.length).toBeGreaterThan(5)
  for (const file of files) {
    const url = `/_next/static/${path.relative(path.join(ROOT, '.next/static'), file)}`
    expect((await nobody.get(`${url}.map`)).status, `${url}.map`).toBe(404)
    const text = readFileSync(file, 'utf8')
    expect(text, url).not.toMatch(/sourceMappingURL=(?!data:)/)
    // Nothing of what only the server may know.
    expect(text, url).not.toMatch(/GATEHOUSE_SECRET|DATABASE_URL|postgres:\/\/|BEGIN (RSA |EC )?PRIVATE KEY/)
  }
  for (const at of [
    '/.env',
    '/.env.example',
    '/.git/config',
    '/.next/BUILD_ID',
    '/.gatehouse/secrets.json',
    '/package.json',
    '/prisma/schema.prisma',
    '/dist/server.mjs',
    '/dist/server.mjs.map',
    '/lib/base/env.ts',
    '/_next/static/../server/server-reference-manifest.json',
    '/_next/static/%2e%2e/server/server-reference-manifest.json',
    '/_next/static/..%2fserver%2fserver-reference-manifest.json',
    '/_next/server/server-reference-manifest.json',
    '/_next/static/chunks/..%5c..%5cBUILD_ID',
    '/__nextjs_original-stack-frames',
    '/__nextjs_source-map?filename=x',
    '/_next/webpack-hmr',
    '/server-status',
    '/debug',
  ]) {
    const answer = await nobody.get(at)
    expect([400, 404], at).toContain(answer.status)
    expect(answer.body, at).not.toMatch(/encryptionKey|GATEHOUSE_SECRET|"dependencies"|datasource/)
  }
  const html = (await nobody.get('/')).body
  for (const id of serverActions().values()) expect(html).not.toContain(id)
})

test('errors say no more than a person needs', async () => {
  const nobody = new Visitor()
  for (const at of [
    '/no/such/page',
    '/%',
    '/oidc/nothing',
    '/oidc/auth?client_id=x',
    '/signin?flow=x',
    '/api/auth/x',
  ]) {
    for (const accept of ['text/html', 'application/json', '*/*']) {
      const { body } = await nobody.get(at, { accept })
      expect(body, at).not.toMatch(/\bat \S+ \(|node_modules|\/lib\/|\.ts:\d|prisma|ioredis|postgres/i)
    }
  }
})

test('verbs_and_protocols_that_nobody_needs_are_refused', async () => {
  const { port, url } = shared()
  const host = new URL(url).host
  const send = (head: string, body = '') =>
    sendRaw(port, `${head}\r\nHost: ${host}\r\nConnection: close\r\n${body}`)
  for (const method of ['TRACE', 'TRACK', 'CONNECT', 'PROPFIND', 'M-SEARCH']) {
    const { status } = await send(`${method} /account HTTP/1.1`, 'X-Secret: 1\r\n\r\n').catch(() => ({
      status: 400,
    }))
    expect([0, 400, 405, 501], method).toContain(status)
  }
  for (const at of ['/', '/account', '/oidc/token', '/_next/webpack-hmr']) {
    const upgrade = await sendRaw(
      port,
      `GET ${at} HTTP/1.1\r\nHost: ${host}\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n`,
    )
    expect(upgrade.status, at).toBe(400)
  }
  const h2c = await send('GET / HTTP/1.1', 'Upgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n')
  expect(h2c.status).not.toBe(101)
})

test('two_readings_of_where_a_request_ends_are_refused', async () => {
  // 10: CVE-2026-29057. Whatever follows may not be answered as a request of its own.
  const { port, url } = shared()
  const { host, origin } = new URL(url)
  const inner = `GET /healthz HTTP/1.1\r\nHost: ${host}\r\n\r\n`
  const form = `Origin: ${origin}\r\nContent-Type: application/x-www-form-urlencoded\r\n`
  for (const [what, framing] of [
    ['both', `Content-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`],
    ['two lengths', `Content-Length: 0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`],
    ['chunked', `Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n${inner}`],
    ['identity', `Transfer-Encoding: identity\r\nContent-Length: 0\r\n\r\n${inner}`],
    ['a bent name', `Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n${inner}`],
    ['xchunked', `Transfer-Encoding: xchunked\r\nContent-Length: 0\r\n\r\n${inner}`],
    ['a plus', `Content-Length: +0\r\n\r\n${inner}`],
    ['a hex', `Content-Length: 0x0\r\n\r\n${inner}`],
  ]) {
    for (const at of ['/signout/submit', '/oidc/token']) {
      const answer = await sendRaw(
        port,
        `POST ${at} HTTP/1.1\r\nHost: ${host}\r\n${form}Connection: close\r\n${framing}`,
      )
      expect(answer.body, `${what} at ${at}`).not.toContain('"status":"ok"')
      expect(answer.status, `${what} at ${at}`).toBeLessThan(500)
    }
  }
})

test.describe('behind https', () => {
  test.describe.configure({ mode: 'default' })
  const person = newPerson()
  let portal: Portal
  const settings: Record<string, string> = {
    GATEHOUSE_URL: 'https://id.example.test',
    GATEHOUSE_SECRET: 'a secret of this test alone and long enough',
    SIGN_UP: 'off',
  }
  const proxied = { 'x-forwarded-proto': 'https' }

  test.beforeAll(async () => {
    test.setTimeout(120_000)
    settings.SMTP_URL = `smtp://127.0.0.1:${await freePort()}`
    portal = await launchPortal(settings)
    execFileSync(
      process.execPath,
      ['scripts/gatehouse.mjs', 'user', 'add', '--verified', '--email', person.email, '--json'],
      {
        cwd: ROOT,
        input: person.password,
        env: { ...process.env, ...settings, NODE_ENV: 'production', GATEHOUSE_DATA: portal.data },
      },
    )
  })
  test.afterAll(() => portal?.stop())

  test('cookies are __Host- and Secure, and browsers are told to stay on https', async () => {
    const visitor = new Visitor(portal)
    const seen: string[] = []
    const begun = await visitor.get('/signin/start?to=/account', proxied)
    seen.push(...setCookies(begun))
    const flow = new URL(begun.location, portal.url).searchParams.get('flow') ?? ''
    const signedIn = await visitor.post('/signin/password', { flow, ...person }, proxied)
    expect(signedIn.location).toBe('/account')
    seen.push(...setCookies(signedIn))
    for (const at of ['/api/auth/csrf', '/api/auth/session', '/api/auth/signin']) {
      seen.push(...setCookies(await visitor.get(at, proxied)))
    }
    expect(seen.map((line) => line.split('=')[0])).toEqual(
      expect.arrayContaining([
        '__Host-gatehouse.browser',
        '__Host-gatehouse.session',
        '__Host-gatehouse.device',
      ]),
    )
    expect(seen.flatMap((line) => judgeCookie(line, true))).toEqual([])
    expect(await crawl([visitor], true)).toEqual([])
    seen.length = 0
    seen.push(...setCookies(await visitor.post('/signout/submit', {}, proxied)))
    expect(seen.join()).toContain('__Host-gatehouse.session=;')
    expect(seen.flatMap((line) => judgeCookie(line, true))).toEqual([])
  })

  test('a_plain_cookie_of_the_same_name_is_not_believed', async () => {
    const visitor = new Visitor(portal)
    await visitor.signIn(person)
    const value = visitor.cookies.get('__Host-gatehouse.session') ?? ''
    expect((await visitor.session()).status).toBe(200)
    const planted = new Visitor(portal)
    planted.cookies.set('gatehouse.session', value)
    expect((await planted.session()).status).toBe(401)
  })

  test('what is switched off is off for posts, too', async () => {
    // 40: the page alone being gone is not enough.
    const visitor = new Visitor(portal)
    const flow = await visitor.begin()
    expect((await visitor.get(`/signup?flow=${flow}`)).body).not.toContain('action="/signup/submit"')
    const answer = await visitor.post('/signup/submit', { flow, ...newPerson() })
    expect(answer.location).not.toContain('/verify')
    expect((await visitor.get('/dev/mailbox')).status).toBe(404)
    expect((await visitor.get('/dev/mailbox.json')).status).toBe(404)
  })
})
