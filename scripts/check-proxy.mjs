#!/usr/bin/env node
/**
 * Runs the nginx configuration of docs/reverse-proxy.md on loopback with a portal behind it, and attacks it: old
 * protocols and ciphers (OPS4), requests that two servers might read differently (HST2), and certificates of apps that
 * callers write themselves (RFC 9440 section 4). Needs nginx and openssl on the machine. Ends with code 1 if anything
 * gets through.
 */
import { execFileSync, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import tls from 'node:tls'
import { endAll, newFolder, startPortal } from '../bench/processes.mjs'
import { freePort } from './free-port.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const folder = newFolder()
const file = (name) => path.join(folder, name)
let failed = 0
function check(what, good, got = '') {
  if (!good) failed++
  process.stdout.write(`${good ? 'ok    ' : 'FAILED'}  ${what}${got ? `: ${got}` : ''}\n`)
}

/** The name at which apps show certificates. */
const APPS = 'apps.localhost'
const port = await freePort()
const plainPort = await freePort([port])
const origin = `https://localhost:${port}`
let log = ''
const portal = await startPortal({
  folder,
  settings: {
    GATEHOUSE_URL: origin,
    TRUSTED_PROXIES: 'loopback',
    CLIENT_CERTIFICATE_HEADER: 'client-cert',
    CLIENT_CERTIFICATE_ORIGIN: `https://${APPS}:${port}`,
  },
  onOutput: (text) => (log += text),
})

/** The text of the page, but for names, ports and the certificate. */
function configuration() {
  const text = readFileSync(path.join(ROOT, 'docs/reverse-proxy.md'), 'utf8')
  const people = /```nginx\n(upstream[\s\S]*?)```/.exec(text)[1]
  const apps = /### nginx: certificates\n\n```nginx\n([\s\S]*?)```/.exec(text)[1]
  const ours = (people + apps)
    .replaceAll('127.0.0.1:3000', `127.0.0.1:${portal.port}`)
    .replaceAll('listen 443', `listen 127.0.0.1:${port}`)
    .replaceAll('listen 80', `listen 127.0.0.1:${plainPort}`)
    .replaceAll('https://id.example.com', origin)
    .replaceAll('server_name id.example.com', 'server_name localhost')
    .replaceAll('server_name apps.id.example.com', `server_name ${APPS}`)
    .replaceAll('Host id.example.com;', `Host localhost:${port};`)
    .replaceAll('/etc/ssl/id.example.com', file('site'))
    .replaceAll('$host;', '$http_host;')
  return `daemon off; pid ${file('nginx.pid')}; error_log stderr warn;
events {}
http { access_log off; client_body_temp_path ${file('body')}; proxy_temp_path ${file('proxy')};
fastcgi_temp_path ${file('f')}; uwsgi_temp_path ${file('u')}; scgi_temp_path ${file('s')};
${ours} }`
}

const newCertificate = (subject, key, certificate) =>
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=${subject} -keyout ${key} -out ${certificate}`.split(
      ' ',
    ),
    { stdio: 'ignore' },
  )

const connect = (options) =>
  new Promise((resolve) => {
    const socket = tls.connect({
      host: '127.0.0.1',
      port,
      servername: 'localhost',
      rejectUnauthorized: false,
      ...options,
    })
    socket.once('secureConnect', () => resolve(socket))
    socket.once('error', (error) => resolve(error))
  })

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

async function certificates() {
  const [own, forged] = ['own', 'forged'].map((subject) => {
    const [key, cert] = [file(`${subject}.key`), file(`${subject}.pem`)]
    newCertificate(subject, key, cert)
    return { key: readFileSync(key), cert: readFileSync(cert) }
  })
  const der = new X509Certificate(forged.cert).raw.toString('base64')
  const lines = [`:${der}:`, encodeURIComponent(String(forged.cert)), der].flatMap((value) =>
    ['Client-Cert', 'client-cert', 'Client_Cert'].map((name) => `${name}: ${value}\r\n`),
  )
  const subjects = (seen) => seen?.certificate?.subjects.join() ?? seen?.problem ?? 'none'
  const arrives = await certificateSeen(APPS, own)
  check('a certificate arrives', subjects(arrives) === 'dn:CN=own', subjects(arrives))
  const bare = await certificateSeen(APPS, {})
  check('and none where none is shown', subjects(bare) === 'none', subjects(bare))
  for (const [what, name, shown, wanted] of [
    ['for people', 'localhost', {}, 'none'],
    ['for apps', APPS, {}, 'none'],
    ['for apps, beside one of its own', APPS, own, 'dn:CN=own'],
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

try {
  newCertificate('localhost', file('site.key'), file('site.pem'))
  writeFileSync(file('nginx.conf'), configuration())
  const nginx = spawn('nginx', ['-p', folder, '-c', file('nginx.conf')], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let complaints = ''
  nginx.stderr.on('data', (chunk) => (complaints += chunk))
  const nginxEnded = new Promise((resolve) => nginx.once('exit', resolve))
  for (let tries = 0; (await connect({})) instanceof Error; tries++) {
    if (nginx.exitCode !== null || tries > 50) throw new Error(`nginx did not start:\n${complaints}`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }

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
  await handshake('no other name', false, { servername: 'other.example' })

  const page = await send(`GET /signin HTTP/1.1\r\n${host}\r\nConnection: close\r\n\r\n`)
  check('HSTS', /\r\nstrict-transport-security: max-age=63072000; includeSubDomains\r\n/i.test(page))
  check('no version', !/nginx\/\d|x-powered-by/i.test(page))
  const plain = await fetch(`http://127.0.0.1:${plainPort}/signin?a=b`, { redirect: 'manual' })
  check(
    'http leads to https',
    plain.headers.get('location') === `${origin}/signin?a=b`,
    plain.headers.get('location'),
  )

  await certificates()

  const chunked = await send(
    `POST /signin/password HTTP/1.1\r\n${form}\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n6\r\nflow=x\r\n0\r\n\r\n`,
  )
  check(
    'an honest chunked body arrives, counted',
    /^HTTP\/1.1 (303|4(?!11)\d\d)/.test(chunked),
    chunked.split('\r\n')[0],
  )

  let number = 0
  for (const [what, pair] of Object.entries(PAIRS)) {
    const name = `smuggled-${++number}`
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
  nginx.kill('SIGTERM')
  await nginxEnded
} finally {
  await endAll()
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed ? 1 : 0
