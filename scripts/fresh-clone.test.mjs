/**
 * What a newcomer does: git clone, npm start, on a machine with only Node and npm. A real clone in a
 * temporary folder, real processes, a whole sign-in by plain HTTP, and the end of everything.
 */
import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, test } from 'node:test'
import { freePort } from './free-port.mjs'
import { removeData } from './remove-data.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const isRoot = process.getuid?.() === 0

/** Closed to other users (0700), as a home is: as root, PostgreSQL must find its way around that. */
const home = mkdtempSync(path.join(tmpdir(), 'gatehouse-clone-'))
const clone = path.join(home, 'gatehouse')
const bin = path.join(home, 'bin')
const running = new Set()
const places = new Set()

before(() => {
  // Nothing but Node, npm and what every Unix has: no redis-server, no psql, no browsers.
  mkdirSync(bin)
  const npm = realpathSync(execFileSync('which', ['npm'], { encoding: 'utf8' }).trim())
  symlinkSync(process.execPath, path.join(bin, 'node'))
  symlinkSync(npm, path.join(bin, 'npm'))
  for (const name of ['sh', 'env', 'id', 'uname']) {
    symlinkSync(execFileSync('which', [name], { encoding: 'utf8' }).trim(), path.join(bin, name))
  }
  if (existsSync(path.join(ROOT, '.git'))) execFileSync('git', ['clone', '--quiet', ROOT, clone])
  else
    cpSync(ROOT, clone, {
      recursive: true,
      // What is generated may be on its way out: the build goes on beside this.
      filter: (file) =>
        !/(^|\/)(node_modules|\.next|dist|\.gatehouse|test-results|lib\/base\/prisma)(\/|$)/.test(
          path.relative(ROOT, file),
        ),
    })
})

after(() => {
  for (const child of running) child.kill('SIGKILL')
  for (const data of ['gatehouse/.gatehouse', 'unused', 'other-data']) removeData(path.join(home, data))
  for (const place of places) rmSync(place, { recursive: true, force: true })
  rmSync(home, { recursive: true, force: true })
})

const port = await freePort()
const demoPort = await freePort()
const url = `http://localhost:${port}`
const demo = `http://localhost:${demoPort}`

const plainEnv = (extra = {}) => ({
  PATH: bin,
  HOME: home,
  npm_config_registry:
    process.env.npm_config_registry ??
    execFileSync('npm', ['config', 'get', 'registry'], { encoding: 'utf8' }).trim(),
  npm_config_update_notifier: 'false',
  PORT: String(port),
  DEMO_PORT: String(demoPort),
  ...extra,
})

/** `npm start`; resolves when it says it is ready, rejects with what it said when it ends before. */
function start({ env = {}, cwd = clone, uid, direct = false } = {}) {
  const [command, args] = direct
    ? [path.join(bin, 'node'), ['scripts/start.mjs']]
    : [path.join(bin, 'npm'), ['start']]
  const child = spawn(command, args, {
    cwd,
    env: plainEnv(env),
    uid,
    gid: uid,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.add(child)
  const said = { out: '', err: '' }
  child.stderr.on('data', (chunk) => {
    said.err += chunk
  })
  const exited = new Promise((resolve) =>
    child.once('exit', (code, signal) => {
      running.delete(child)
      resolve({ code, signal, ...said })
    }),
  )
  const ready = new Promise((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      said.out += chunk
      if (said.out.includes('Ctrl-C stops everything')) resolve({ child, exited, said })
    })
    exited.then((end) => reject(Object.assign(new Error(`ended with ${end.code}: ${end.err}`), end)))
  })
  return ready
}

const refused = async (options) => {
  try {
    const { child } = await start({ direct: true, ...options })
    child.kill('SIGKILL')
  } catch (end) {
    assert.equal(end.code, 1, end.err)
    return end.err.trim()
  }
  throw new Error('it started')
}

const facts = (at = clone) => JSON.parse(readFileSync(path.join(at, '.gatehouse/run.json'), 'utf8'))
const alive = (pid) => {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1][0] !== 'Z'
  } catch {
    return false
  }
}
const postmaster = (at = clone) =>
  Number(readFileSync(path.join(at, '.gatehouse/postgres/postmaster.pid'), 'utf8').split('\n')[0])

/** Enough of a browser: cookies, redirects, forms. */
class Browser {
  jar = new Map()

  async go(target, init = {}) {
    const at = new URL(target)
    const jar = this.jar.get(at.host) ?? new Map()
    this.jar.set(at.host, jar)
    const response = await fetch(at, {
      redirect: 'manual',
      ...init,
      headers: {
        accept: 'text/html',
        cookie: [...jar].map(([name, value]) => `${name}=${value}`).join('; '),
        ...init.headers,
      },
    })
    for (const line of response.headers.getSetCookie()) {
      const [, name, value] = /^([^=]+)=([^;]*)/.exec(line) ?? []
      if (/max-age=0|expires=thu, 01 jan 1970/i.test(line)) jar.delete(name)
      else jar.set(name, value)
    }
    const location = response.headers.get('location')
    if (response.status >= 300 && response.status < 400 && location) return this.go(new URL(location, at))
    return { status: response.status, url: at.href, html: await response.text(), headers: response.headers }
  }

  /** Sends the form of a page that posts to `action`. */
  async send(page, action, values = {}, submit) {
    const form = new RegExp(`<form[^>]*action="([^"]*${action}[^"]*)"[^>]*>([\\s\\S]*?)</form>`).exec(
      page.html,
    )
    assert.ok(form, `no form for ${action} on ${page.url}: ${page.html.slice(0, 300)}`)
    const body = new URLSearchParams()
    for (const [input] of form[2].matchAll(/<input[^>]*type="hidden"[^>]*>/g)) {
      body.set(/name="([^"]*)"/.exec(input)[1], /value="([^"]*)"/.exec(input)?.[1] ?? '')
    }
    for (const [name, value] of Object.entries({ ...values, ...submit })) body.set(name, value)
    const target = new URL(form[1].replaceAll('&amp;', '&'), page.url)
    return this.go(target, { method: 'POST', body, headers: { origin: new URL(page.url).origin } })
  }
}

const browser = new Browser()
let portal

test('npm start on a fresh clone installs, builds and ends in a running portal', {
  timeout: 600_000,
}, async (t) => {
  const began = performance.now()
  portal = await start()
  t.diagnostic(`fresh start: ${((performance.now() - began) / 1000).toFixed(1)} s`)
  assert.match(portal.said.out, /installing packages/)
  assert.match(portal.said.out, /building the pages/)
  assert.match(portal.said.out, new RegExp(`Portal +${url}\n`))
  assert.match(portal.said.out, /Demo app/)
  assert.match(portal.said.out, /ada@example\.com +[\w-]+-\d\d/)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
})

test('a demo user signs in to the demo app through the portal', async () => {
  const { users } = JSON.parse(readFileSync(path.join(clone, '.gatehouse/demo.json'), 'utf8'))
  const [ada] = users
  const signIn = await browser.go(`${demo}/login`)
  assert.equal(new URL(signIn.url).pathname, '/signin')
  const consent = await browser.send(signIn, '/signin/password', { email: ada.email, password: ada.password })
  assert.equal(new URL(consent.url).pathname, '/consent', consent.html.slice(0, 500))
  assert.match(consent.html, /Demo app/)
  const app = await browser.send(consent, '/consent/submit', {}, { decision: 'allow' })
  assert.equal(new URL(app.url).origin, demo)
  assert.match(app.html, /ada@example\.com/)
  const check = await browser.go(`${url}/api/session`, { headers: { accept: 'application/json' } })
  assert.equal(check.status, 200)
  assert.deepEqual(JSON.parse(check.html).amr, ['pwd'])
})

test('one process, with PostgreSQL as its only child', { skip: process.platform !== 'linux' }, () => {
  const { pid } = facts()
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((name) => {
      try {
        return readFileSync(`/proc/${name}/stat`, 'utf8').split(') ')[1].split(' ')[1] === String(pid)
      } catch {
        return false
      }
    })
    .map(Number)
  assert.deepEqual(children, [postmaster()])
})

test('a second portal on the same data folder, or on a taken port, says so in one sentence', async () => {
  assert.match(
    await refused(),
    /^Gatehouse already runs on the data folder .* \(process \d+\): .*GATEHOUSE_DATA\.$/,
  )
  const other = path.join(home, 'other-data')
  assert.match(
    await refused({ env: { GATEHOUSE_DATA: other } }),
    /^Port \d+ is taken by another program: .*PORT\.$/,
  )
  const spare = String(await freePort())
  assert.match(
    await refused({ env: { GATEHOUSE_DATA: other, PORT: spare } }),
    /^Port \d+ is taken by another program: .*DEMO_PORT\.$/,
  )
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
})

test('SIGTERM to npm ends everything', async () => {
  const { pid } = facts()
  const database = postmaster()
  portal.child.kill('SIGTERM')
  await portal.exited
  for (let waited = 0; (alive(pid) || alive(database)) && waited < 100; waited++)
    await new Promise((r) => setTimeout(r, 100))
  assert.equal(alive(pid), false)
  assert.equal(alive(database), false)
  await assert.rejects(fetch(`${url}/healthz`))
  assert.equal(existsSync(path.join(clone, '.gatehouse/lock')), false)
})

test('the second start neither installs nor builds, and is ready in under 8 seconds', async (t) => {
  const began = performance.now()
  portal = await start()
  const seconds = (performance.now() - began) / 1000
  t.diagnostic(`second start: ${seconds.toFixed(1)} s`)
  assert.doesNotMatch(portal.said.out, /installing|building|compiling/)
  assert.ok(seconds < 8, `${seconds} s`)
})

test('SIGKILL of the portal loses nobody: the next start takes over, and who was signed in still is', async () => {
  const { pid } = facts()
  const database = postmaster()
  process.kill(pid, 'SIGKILL')
  await portal.exited
  portal = await start()
  assert.equal(postmaster(), database)
  const check = await browser.go(`${url}/api/session`, { headers: { accept: 'application/json' } })
  assert.equal(check.status, 200)
})

test('SIGKILL of the database under the portal is a short 503, never "nobody"', async () => {
  process.kill(postmaster(), 'SIGKILL')
  const seen = new Set()
  for (let tries = 0; tries < 200; tries++) {
    const page = await browser.go(`${url}/account`)
    seen.add(page.status)
    assert.doesNotMatch(new URL(page.url).pathname, /signin/)
    if (page.status === 200 && tries > 5) break
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.deepEqual(
    [...seen].filter((status) => ![200, 503].includes(status)),
    [],
  )
  assert.ok(seen.has(200))
})

test('a hung database is 503 within 2 s and at once from then on, and mends by itself', {
  skip: process.platform !== 'linux',
}, async () => {
  const data = realpathSync(path.join(clone, '.gatehouse/postgres'))
  const server = readdirSync('/proc').filter((name) => {
    try {
      return /^\d+$/.test(name) && readlinkSync(`/proc/${name}/cwd`) === data
    } catch {
      return false
    }
  })
  const signal = (name) => {
    for (const pid of server) process.kill(Number(pid), name)
  }
  const timed = async (target) => {
    const began = performance.now()
    const { status, headers } = await browser.go(`${url}${target}`)
    return { status, retry: headers.get('retry-after'), seconds: (performance.now() - began) / 1000 }
  }
  signal('SIGSTOP')
  try {
    const first = await timed('/account')
    assert.deepEqual([first.status, first.retry], [503, '2'])
    assert.ok(first.seconds < 2.5, `${first.seconds} s`)
    const second = await timed('/account/devices')
    assert.equal(second.status, 503)
    assert.ok(second.seconds < 0.5, `${second.seconds} s`)
    assert.equal((await timed('/healthz')).status, 200)
    assert.equal((await timed('/readyz')).status, 503)
    assert.equal((await timed('/oidc/jwks')).status, 200)
  } finally {
    signal('SIGCONT')
  }
  for (let tries = 0; tries < 100 && (await timed('/account')).status !== 200; tries++) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  assert.equal((await timed('/account')).status, 200)
})

test('Ctrl-C ends it with nothing left behind', async () => {
  const { pid } = facts()
  const database = postmaster()
  process.kill(pid, 'SIGINT')
  await portal.exited
  assert.equal(alive(database), false)
})

test('wrong settings stop the start with a sentence that names them', async () => {
  const none = { GATEHOUSE_DATA: path.join(home, 'unused') }
  assert.match(await refused({ env: { ...none, PORT: 'http' } }), /^PORT must be a whole number/)
  assert.match(
    await refused({ env: { ...none, GATEHOUSE_URL: 'id.example.com' } }),
    /^GATEHOUSE_URL must be an origin/,
  )
  assert.match(
    await refused({ env: { ...none, GATEHOUSE_SECRET: 'short' } }),
    /^GATEHOUSE_SECRET must have at least 32 characters/,
  )
  assert.match(
    await refused({ env: { ...none, DATABASE_URL: 'postgresql://u:secretword@127.0.0.1:1/x' } }),
    /^DATABASE_URL is wrong or the database is down: nothing answers at 127\.0\.0\.1:1\.$/,
  )
  assert.match(
    await refused({ env: { ...none, REDIS_URL: 'redis://127.0.0.1:1' } }),
    /^REDIS_URL is wrong or Redis is down/,
  )
  assert.match(
    await refused({ env: { GATEHOUSE_DATA: path.join(clone, 'package.json') } }),
    /is not a folder/,
  )
  const open = await refused({ env: { ...none, GATEHOUSE_URL: 'https://id.example.com' } })
  assert.match(open, /GATEHOUSE_SECRET is not set/)
  assert.match(open, /SMTP_URL is not set/)
})

test('started by a normal user it works the same', { skip: !isRoot, timeout: 120_000 }, async () => {
  const nobody = Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }))
  const place = mkdtempSync(path.join(tmpdir(), 'gatehouse-nobody-'))
  places.add(place)
  const own = path.join(place, 'gatehouse')
  mkdirSync(own)
  for (const name of readdirSync(clone)) {
    if (name === '.gatehouse' || name === '.git') continue
    execFileSync('cp', [name === 'node_modules' ? '-al' : '-a', path.join(clone, name), own])
    if (name !== 'node_modules') execFileSync('chown', ['-R', String(nobody), path.join(own, name)])
  }
  execFileSync('chown', [String(nobody), own])
  chmodSync(place, 0o755)
  chmodSync(home, 0o755)
  const started = await start({ cwd: own, uid: nobody, env: { HOME: own } })
  assert.doesNotMatch(started.said.out, /installing|building/)
  assert.equal((await fetch(`${url}/readyz`)).status, 200)
  started.child.kill('SIGTERM')
  await started.exited
  for (let waited = 0; existsSync(path.join(own, '.gatehouse/lock')) && waited < 100; waited++)
    await new Promise((r) => setTimeout(r, 100))
  // Another user's closed folder is refused in one sentence.
  const closed = path.join(home, 'closed')
  mkdirSync(closed, { mode: 0o700 })
  assert.match(
    await refused({ cwd: own, uid: nobody, env: { GATEHOUSE_DATA: closed } }),
    /cannot be read and written by .*GATEHOUSE_DATA\.$/,
  )
})
