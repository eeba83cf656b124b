#!/usr/bin/env node
/**
 * Runs the texts of docs/reverse-proxy.md on loopback with a real portal behind them, for each of nginx, HAProxy and Caddy
 * that is on the machine (or those that are named): a whole sign-in, who is believed to have called, live pages, large
 * headers, the session check for other services, certificates of apps (RFC 9440 section 4), old protocols and ciphers
 * (OPS4), requests that two servers might read differently (HST2). Needs openssl. Ends with code 1 if anything fails.
 */
import { execFileSync, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import http2 from 'node:http2'
import https from 'node:https'
import path from 'node:path'
import tls from 'node:tls'
import { endAll, gatehouse, newFolder, startPortal } from '../bench/processes.mjs'
import { freePort } from './free-port.mjs'
import { proxiesHere, startProxy } from './proxies.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const folder = newFolder()
const file = (name) => path.join(folder, name)
let failed = 0
let about = ''
function check(what, good, got = '') {
  if (!good) failed++
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'}  ${about}: ${what}${got ? `: ${got}` : ''}\n`)
}

const wanted = process.argv.slice(2)
const proxies = proxiesHere().filter(({ name }) => wanted.length === 0 || wanted.includes(name))
if (proxies.length === 0 || proxies.length < wanted.length) {
  process.stderr.write(`Not on this machine: ${wanted.join(', ') || 'nginx, haproxy, caddy'}\n`)
  process.exit(1)
}

/** The name at which apps show certificates. */
const APPS = 'apps.localhost'
/** Where the proxies are, the only ones that are trusted, and where everybody else calls from. */
const [PROXY, OUTSIDE] = ['127.0.0.1', '127.0.0.2']
const PERSON = { email: 'ada@example.com', password: 'violet anvil harbour lamp' }
const port = await freePort()
const plainPort = await freePort([port])
const origin = `https://localhost:${port}`
let log = ''
const portal = await startPortal({
  folder,
  settings: {
    GATEHOUSE_URL: origin,
    GATEHOUSE_HOST: PROXY,
    TRUSTED_PROXIES: PROXY,
    CLIENT_CERTIFICATE_HEADER: 'client-cert',
    CLIENT_CERTIFICATE_ORIGIN: `https://${APPS}:${port}`,
    LOG_LEVEL: 'info',
  },
  onOutput: (text) => {
    log += text
  },
})

/** What callers write to pass for somebody else, from somewhere else. */
const FORGED = {
  'x-forwarded-for': '203.0.113.9, 127.0.0.1',
  'x-real-ip': '203.0.113.9',
  'x-client-ip': '203.0.113.9',
  forwarded: 'for=203.0.113.9;host=evil.example;proto=http',
  'x-forwarded-host': 'evil.example',
  'x-forwarded-proto': 'http',
  'x-forwarded-port': '80',
  'x-gatehouse-ip': '203.0.113.9',
  'x-gatehouse-user': 'mallory',
  'x-gatehouse-roles': 'admin',
  x_gatehouse_user: 'mallory',
}

const newCertificate = (names, name, more = []) =>
  execFileSync(
    'openssl',
    [
      ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1'.split(' '),
      ...['-subj', `/CN=${names[0]}`, '-addext', `subjectAltName=${names.map((one) => `DNS:${one}`).join()}`],
      ...['-keyout', file(`${name}.key`), '-out', file(`${name}.pem`)],
      ...more,
    ],
    { stdio: 'ignore' },
  )

const connect = (options) =>
  new Promise((resolve) => {
    const socket = tls.connect({
      host: PROXY,
      port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ...options,
    })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', (error) => resolve(error))
  })

// ── a browser outside ────────────────────────────────────────────────────────

/** A browser at OUTSIDE, with its cookies. Straight: at the portal's own port, round the proxy. */
class Browser {
  cookies = new Map()
  constructor({ straight = false, headers = {} } = {}) {
    this.straight = straight
    this.headers = headers
  }

  get cookie() {
    return [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
  }

  /** @returns the request, and its answer before any of the body */
  open(method, url, { headers = {}, body = '' } = {}) {
    const all = {
      host: `localhost:${port}`,
      ...(this.cookies.size > 0 && { cookie: this.cookie }),
      ...(body && { origin, 'content-type': 'application/x-www-form-urlencoded' }),
      ...(body && { 'content-length': Buffer.byteLength(body) }),
      ...this.headers,
      ...headers,
    }
    const where = { method, path: url, headers: all, host: PROXY, localAddress: OUTSIDE, agent: false }
    const request = this.straight
      ? http.request({ ...where, port: portal.port })
      : https.request({ ...where, port, servername: 'localhost', ca: readFileSync(file('site.pem')) })
    request.end(body)
    return new Promise((resolve, reject) => {
      request.once('error', reject)
      request.once('response', (answer) => {
        for (const line of answer.headers['set-cookie'] ?? []) {
          const [, name, value] = /^([^=]+)=([^;]*)/.exec(line)
          if (/max-age=0/i.test(line)) this.cookies.delete(name)
          else this.cookies.set(name, value)
        }
        resolve({ request, answer })
      })
    })
  }

  async ask(method, url, options) {
    const { answer } = await this.open(method, url, options)
    let text = ''
    for await (const chunk of answer.setEncoding('utf8')) text += chunk
    return {
      status: answer.statusCode,
      headers: answer.headers,
      text,
      location: answer.headers.location ?? '',
    }
  }

  /** @returns every answer on the way */
  async signIn() {
    const begun = await this.ask('GET', '/signin/start?to=/account')
    const flow = new URL(begun.location || '/', origin).searchParams.get('flow') ?? ''
    const page = await this.ask('GET', `/signin?flow=${flow}`)
    const body = new URLSearchParams({ flow, ...PERSON }).toString()
    const done = await this.ask('POST', '/signin/password', { body })
    return { begun, page, done, home: await this.ask('GET', done.location || '/account') }
  }

  session = async () => (await this.ask('GET', '/api/session')).status
}

async function cli(args, input) {
  const child = spawn(process.execPath, [path.join(ROOT, 'scripts/gatehouse.mjs'), ...args], {
    env: portal.env,
    stdio: ['pipe', 'ignore', 'inherit'],
  })
  child.stdin.end(input)
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`gatehouse ${args.join(' ')} ended with ${code}`)
}

/** Where the portal believes the newest sign-in came from. */
async function believed() {
  const [newest] = await gatehouse(portal, 'session', 'list', PERSON.email, '--json')
  return newest?.ip ?? JSON.stringify(newest)
}

async function signIns() {
  const browser = new Browser({ headers: FORGED })
  const { begun, page, done, home } = await browser.signIn()
  const way = [begun, page, done, home].map(({ status }) => status)
  check('a whole sign-in', way.join() === '303,200,303,200' && (await browser.session()) === 200, way.join())
  const said = [begun, page, done, home].map(({ headers, text }) => JSON.stringify(headers) + text).join()
  check('links are of our own origin, whatever is forged', !/evil\.example|http:\/\/localhost/.test(said))
  const names = [...browser.cookies.keys()]
  check(
    "cookies are the origin's alone",
    names.every((name) => name.startsWith('__Host-')),
    names.join(),
  )
  const through = await believed()
  check('who called is who called the proxy, not whom they name', through === OUTSIDE, through)
  const hsts = begun.headers['strict-transport-security']
  check('HSTS, once', hsts === 'max-age=63072000; includeSubDomains', hsts)
  const told = `${begun.headers.server ?? ''} ${begun.headers['x-powered-by'] ?? ''}`.trim()
  check('no version', !/\d/.test(told), told)
  return browser
}

async function roundTheProxy() {
  const straight = new Browser({ straight: true, headers: FORGED })
  const { done } = await straight.signIn()
  const direct = await believed()
  check('round the proxy nothing forged is believed', done.status === 303 && direct === OUTSIDE, direct)
}

async function hosts(browser) {
  for (const [what, headers] of [
    ['a foreign host', { host: 'evil.example' }],
    ['a foreign port', { host: 'localhost:1' }],
  ]) {
    const answer = await browser.ask('GET', '/signin/start', { headers }).catch((error) => ({
      status: error.code,
      headers: {},
    }))
    // Caddy answers to a name that it does not know, with nothing.
    const empty = !answer.text && !answer.location && !('x-request-id' in answer.headers)
    const good = empty || ![200, 301, 302, 303, 307, 308].includes(answer.status)
    check(`${what} gets nothing of ours`, good, String(answer.status))
  }
  const handshake = await connect({ servername: 'other.example' })
  check('another name gets no handshake', handshake instanceof Error)
  if (!(handshake instanceof Error)) handshake.destroy()
  const plain = await new Promise((resolve, reject) => {
    const headers = { host: 'localhost' }
    http.get({ host: PROXY, port: plainPort, path: '/signin?a=b', headers }, resolve).once('error', reject)
  })
  plain.resume()
  const [to, by] = [plain.headers.location, plain.statusCode]
  // Caddy leads to the port that https has everywhere.
  const right = [`${origin}/signin?a=b`, 'https://localhost/signin?a=b'].includes(to)
  check('http leads to https', [301, 308].includes(by) && right, `${by} ${to}`)
}

/** Over HTTP/2, as browsers come: with cookies in fields of their own (RFC 9113 section 8.2.3). */
async function overHttp2(browser) {
  const socket = await connect({ ALPNProtocols: ['h2'] })
  if (socket instanceof Error || socket.alpnProtocol !== 'h2') return check('HTTP/2', false)
  const client = http2.connect(origin, { createConnection: () => socket })
  const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`)
  const stream = client.request({ ':path': '/api/session', cookie })
  const status = await new Promise((resolve, reject) => {
    stream.once('response', (headers) => resolve(headers[':status']))
    stream.once('error', reject)
  })
  stream.resume()
  client.destroy()
  check('HTTP/2, with its cookies', status === 200, String(status))
}

async function large(browser, app) {
  const headers = { cookie: `${browser.cookie}; junk=${'x'.repeat(5000)}` }
  const cookies = await browser.ask('GET', '/api/session', { headers })
  check('5,000 characters of foreign cookies', cookies.status === 200, String(cookies.status))
  const state = 's'.repeat(5000)
  const query = new URLSearchParams({
    client_id: app.client_id,
    redirect_uri: app.uri,
    response_type: 'code',
    scope: 'openid',
    prompt: 'none',
    code_challenge: 'x'.repeat(43),
    code_challenge_method: 'S256',
    state,
  })
  // What an app asks for comes back in the answer's header.
  const asked = await new Browser().ask('GET', `/oidc/auth?${query}`)
  const back = URL.canParse(asked.location) && new URL(asked.location).searchParams.get('state') === state
  check("5,000 characters of an app's state, there and back", back, String(asked.status))
  const send = (where, bytes) =>
    browser
      .ask('POST', where, { body: new URLSearchParams({ flow: 'x', junk: 'x'.repeat(bytes) }).toString() })
      .catch((error) => ({ status: error.code, headers: {} }))
  for (const [what, where, bytes, wanted] of [
    // The portal answers before it has heard all of it, which Caddy may take for a portal that broke off.
    ['a form that is too large is refused', '/signin/password', 1_500_000, [413, 502]],
    ['what a picture may have comes through', '/account/profile', 6_000_000, [200, 303]],
  ]) {
    const { status, headers } = await send(where, bytes)
    check(what, wanted.includes(status) && (status === 502 || 'x-request-id' in headers), String(status))
  }
}

/** The next bytes of a line that somebody holds; null when it ended, or nothing came in so long. */
async function heard(lines, seconds) {
  let late
  const silence = new Promise((resolve) => {
    late = setTimeout(() => resolve({ done: true }), seconds * 1000)
  })
  const { value, done } = await Promise.race([lines.next(), silence])
  clearTimeout(late)
  return done ? null : value
}

async function live() {
  const page = new Browser()
  await page.signIn()
  const { request, answer } = await page.open('GET', '/api/session/events')
  const lines = answer.setEncoding('utf8')[Symbol.asyncIterator]()
  const until = async (pattern, seconds) => {
    for (let text = ''; ; ) {
      const more = await heard(lines, seconds)
      if (more === null) return text || null
      text += more
      if (pattern.test(text)) return text
    }
  }
  await new Browser().signIn()
  check('a live page hears at once of another sign-in', /opened/.test((await until(/opened/, 4)) ?? ''))
  check('a sign of life comes in a silence of twenty seconds', /^:/m.test((await until(/^:/m, 25)) ?? ''))
  await gatehouse(portal, 'session', 'revoke', '--user', PERSON.email, '--json')
  check('and that the session is over', /event: ended/.test((await until(/event: ended/, 4)) ?? ''))
  request.destroy()
  check('as the next request does', (await page.session()) === 401)
}

// ── a service behind the session check ───────────────────────────────────────

const guarded = []
const service = http.createServer((req, res) => {
  guarded.push(req.headers)
  res.end('the reports')
})
await new Promise((resolve) => service.listen(0, PROXY, resolve))

async function guard() {
  guarded.length = 0
  const stranger = new Browser({ headers: FORGED })
  const refused = await stranger.ask('GET', '/reports/march?draft=1')
  const to = URL.canParse(refused.location, origin) ? new URL(refused.location, origin) : null
  const wanted = to?.searchParams.get('to') ?? ''
  check(
    'a guarded page leads a stranger to the sign-in and back',
    refused.status === 303 &&
      to?.origin === origin &&
      to.pathname === '/signin/start' &&
      wanted.startsWith('/reports/march'),
    `${refused.status} ${refused.location}`,
  )
  check('and is not asked for them', guarded.length === 0)
  const ada = new Browser({ headers: FORGED })
  await ada.signIn()
  const [{ user_id: id }] = [await gatehouse(portal, 'user', 'show', PERSON.email, '--json')].map(
    (shown) => ({
      user_id: shown.id ?? shown.user_id,
    }),
  )
  const page = await ada.ask('GET', '/reports/march')
  const seen = guarded[0] ?? {}
  const said = `${seen['x-gatehouse-user']} ${seen['x-gatehouse-roles']}`
  check(
    'somebody who is signed in comes through',
    page.status === 200 && page.text === 'the reports',
    String(page.status),
  )
  check('by their own name, not by one that they write', said === `${id} user`, said)
  check("other pages are the portal's", (await ada.ask('GET', '/account')).status === 200)
  await gatehouse(portal, 'session', 'revoke', '--user', PERSON.email, '--json')
  check('nobody whose session is over', (await ada.ask('GET', '/reports/march')).status === 303)
}

// ── TLS, certificates, and bytes as they come ────────────────────────────────

async function handshake(what, wanted, options) {
  const socket = await connect(options)
  const got =
    socket instanceof Error ? 'refused' : `${socket.getProtocol()} ${socket.getCipher().standardName}`
  check(what, (got === 'refused') !== wanted, got)
  if (!(socket instanceof Error)) socket.destroy()
}

/** Sends bytes over one connection and gives all that comes back until it ends or nothing more comes. */
async function send(text) {
  const socket = await connect({ ALPNProtocols: ['http/1.1'] })
  let got = ''
  socket.on('data', (chunk) => (got += chunk))
  socket.write(text)
  await new Promise((resolve) => {
    socket.once('close', resolve)
    socket.once('error', resolve)
    socket.setTimeout(1500, () => socket.destroy())
  })
  return got
}

/** What the portal sees of a certificate that is shown at a name, and of one that is written into the header there. */
async function certificateSeen(name, shown, header = '') {
  const socket = await connect({ servername: name, ALPNProtocols: ['http/1.1'], ...shown })
  let got = ''
  socket.on('data', (chunk) => (got += chunk))
  socket.write(
    `GET /oidc/client-certificate HTTP/1.1\r\nHost: ${name}:${port}\r\n${header}Connection: close\r\n\r\n`,
  )
  await new Promise((resolve) => socket.once('close', resolve))
  return JSON.parse(/\{[\s\S]*\}/.exec(got)?.[0] ?? 'null')
}

const OWN = 'dn:CN=own,dns:own'

async function certificates() {
  const [own, forged] = ['own', 'forged'].map((subject) => {
    newCertificate([subject], subject)
    return { key: readFileSync(file(`${subject}.key`)), cert: readFileSync(file(`${subject}.pem`)) }
  })
  const der = new X509Certificate(forged.cert).raw.toString('base64')
  const lines = [`:${der}:`, encodeURIComponent(String(forged.cert)), der].flatMap((value) =>
    ['Client-Cert', 'client-cert', 'Client_Cert'].map((name) => `${name}: ${value}\r\n`),
  )
  const subjects = (seen) => seen?.certificate?.subjects.join() ?? seen?.problem ?? 'none'
  const arrives = await certificateSeen(APPS, own)
  check('a certificate arrives', subjects(arrives) === OWN, subjects(arrives))
  const bare = await certificateSeen(APPS, {})
  check('and none where none is shown', subjects(bare) === 'none', subjects(bare))
  for (const [what, name, shown, wanted] of [
    ['for people', 'localhost', {}, 'none'],
    ['for apps', APPS, {}, 'none'],
    ['for apps, beside one of its own', APPS, own, OWN],
  ]) {
    const seen = await Promise.all(
      [...lines, lines.join('')].map(async (line) => subjects(await certificateSeen(name, shown, line))),
    )
    check(
      `what a caller writes does not: ${what}`,
      seen.every((one) => one === wanted),
      [...new Set(seen)].join(),
    )
  }
}

const host = `Host: localhost:${port}`
const form = `${host}\r\nOrigin: ${origin}\r\nContent-Type: application/x-www-form-urlencoded`

/** What stands where two servers might disagree about the end of a body; NAME is in the request that must not arrive. */
const hidden = (name) => `GET /${name} HTTP/1.1\r\n${host}\r\n\r\n`
const PAIRS = {
  'CL.TE': (x) => `Content-Length: ${5 + x.length}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n${x}`,
  'TE.CL': (x) =>
    `Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n${x.length.toString(16)}\r\n${x}\r\n0\r\n\r\n`,
  'TE twice': (x) => `Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n0\r\n\r\n${x}`,
  'TE list': (x) => `Transfer-Encoding: identity, chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${x}`,
  'TE misspelt': (x) => `Transfer-Encoding: xchunked\r\nContent-Length: ${x.length}\r\n\r\n${x}`,
  'TE after a blank': (x) => `Transfer-Encoding : chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${x}`,
  'TE after a tab': (x) => `Transfer-Encoding:\tchunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n${x}`,
  'TE in a folded line': (x) =>
    `X: a\r\n Transfer-Encoding: chunked\r\nContent-Length: ${x.length}\r\n\r\n${x}`,
  'TE behind a bare line feed': (x) =>
    `X: a\nTransfer-Encoding: chunked\r\nContent-Length: ${5 + x.length}\r\n\r\n0\r\n\r\n${x}`,
  'TE with an underscore': (x) => `Transfer_Encoding: chunked\r\nContent-Length: ${x.length}\r\n\r\n${x}`,
  'CL twice': (x) => `Content-Length: 0\r\nContent-Length: ${x.length}\r\n\r\n${x}`,
  'CL list': (x) => `Content-Length: 0, ${x.length}\r\n\r\n${x}`,
  'CL with a sign': (x) => `Content-Length: +${x.length}\r\n\r\n${x}`,
  'CL in hex': (x) => `Content-Length: 0x${x.length.toString(16)}\r\n\r\n${x}`,
  'chunk size too large': (x) => `Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n${x}\r\n0\r\n\r\n`,
  'chunk extension with a line feed': (x) => `Transfer-Encoding: chunked\r\n\r\n0;a\n\r\n${x}`,
}

async function smuggling() {
  const chunked = await send(
    `POST /signin/password HTTP/1.1\r\n${form}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nflow=x\r\n0\r\n\r\n`,
  )
  check(
    'an honest chunked body is counted, or refused',
    /^HTTP\/1.1 (303|411|502)/.test(chunked),
    chunked.split('\r\n')[0],
  )
  let number = 0
  for (const [what, pair] of Object.entries(PAIRS)) {
    const name = `smuggled-${about.replace(/\W/g, '')}-${++number}`
    const got = await send(`POST /signin/password HTTP/1.1\r\n${form}\r\n${pair(hidden(name))}`)
    // Whoever comes next over the same connections gets the answer to what they asked, and nothing else.
    const next = []
    for (let i = 0; i < 4; i++)
      next.push(await fetch(`http://127.0.0.1:${portal.port}/healthz`).then((a) => a.status))
    const after = await send(`GET /healthz HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)
    const statuses = [...got.matchAll(/HTTP\/1.1 (\d+)/g)].map(([, status]) => status)
    // A second answer is fine if the front server read two requests on purpose; one that only the portal read is not.
    const read = log.includes(name)
    const seen = read && statuses.length < 2
    const clean = after.startsWith('HTTP/1.1 200') && next.every((status) => status === 200)
    check(
      what,
      !seen && clean,
      `${statuses.join(' ') || 'closed'}${read ? ', read as a second request by both' : ''}`,
    )
  }
}

async function protocols() {
  const old = { ciphers: 'ALL:@SECLEVEL=0' }
  await handshake('TLS 1.3', true, { minVersion: 'TLSv1.3' })
  await handshake('TLS 1.2', true, { maxVersion: 'TLSv1.2' })
  await handshake('no TLS 1.1', false, { ...old, minVersion: 'TLSv1.1', maxVersion: 'TLSv1.1' })
  await handshake('no TLS 1.0', false, { ...old, minVersion: 'TLSv1', maxVersion: 'TLSv1' })
  for (const cipher of [
    'ECDHE-ECDSA-AES128-SHA',
    'ECDHE-ECDSA-AES256-SHA384',
    'AES128-GCM-SHA256',
    'AES128-SHA',
    'DHE-RSA-AES128-GCM-SHA256',
  ]) {
    await handshake(`no ${cipher}`, false, { maxVersion: 'TLSv1.2', ciphers: `${cipher}:@SECLEVEL=0` })
  }
}

try {
  newCertificate(['localhost', APPS], 'site')
  writeFileSync(file('both.pem'), `${readFileSync(file('site.pem'))}${readFileSync(file('site.key'))}`)
  await cli(['user', 'add', '--email', PERSON.email, '--verified'], PERSON.password)
  const uri = 'https://app.example/callback'
  const added = await gatehouse(portal, 'client', 'add', '--name', 'An app', '--redirect-uri', uri, '--json')
  const app = { ...added, uri }
  const at = {
    origin,
    port,
    plainPort,
    portal: portal.port,
    behind: service.address().port,
    apps: APPS,
    folder,
    file,
  }
  const answers = async () => {
    const socket = await connect({})
    if (socket instanceof Error) return false
    socket.destroy()
    return true
  }
  about = 'portal'
  await roundTheProxy()
  for (const proxy of proxies) {
    process.stdout.write(`\n${proxy.version}\n`)
    for (const setup of proxy.setups) {
      about = `${proxy.name}, ${setup}`
      const stop = await startProxy(proxy, setup, at, answers)
      try {
        if (setup === 'plain') {
          await protocols()
          const browser = await signIns()
          await hosts(browser)
          await overHttp2(browser)
          await large(browser, app)
          await live()
          await smuggling()
        } else if (setup === 'certificates') {
          await signIns()
          await certificates()
        } else await guard()
      } finally {
        await stop()
      }
    }
  }
} finally {
  service.close()
  await endAll()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0
