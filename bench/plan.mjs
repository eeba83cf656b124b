/** What is run, in which order, against what; and what each figure is held against. */
import { randomBytes } from 'node:crypto'
import { hash } from '@node-rs/argon2'
import pg from 'pg'
import { memory, stat } from './cpu.mjs'
import { measure, median, medians, prepare } from './measure.mjs'
import { operations } from './operations.mjs'
import { gatehouse, message, newFolder, start, startPortal } from './processes.mjs'
import { HASHING, people, settle } from './seed.mjs'

export const CONNECTIONS = 8
const HELLO_SECONDS = 1
const ALONE_SECONDS = 1
const WARM_UP_SECONDS = 1.5
const REDIRECT_URI = 'http://localhost:9/callback'
const API = 'https://api.example.com/bench'
const PASSWORD = 'harbour lantern seventeen'

export const AIMS = {
  session: { cpu: 0.15 },
  signin: { cpu: 15 },
  /** The same, where the hash alone took 12 ms. */
  signinHashes: 1.25,
  code: { library: 1.3 },
  refresh: { library: 1.3 },
  userinfo: { library: 1.3 },
  introspection: { library: 1.3 },
  discovery: { library: 1.3 },
  jwks: { library: 1.3 },
  stormTimes: 4,
  stormMs: 15,
  memoryMb: 350,
  secondStartMs: 8000,
}

/** The server process of a connection, if it is PostgreSQL on this machine. */
async function postmaster(databaseUrl) {
  const client = new pg.Client({ connectionString: databaseUrl })
  await client.connect()
  try {
    const { rows } = await client.query(
      "SELECT pg_backend_pid() AS pid, current_setting('server_version') AS version",
    )
    return { pid: stat(rows[0].pid)?.ppid, version: rows[0].version }
  } finally {
    await client.end()
  }
}

/** A portal with people and an app, as a target of load. */
export async function portalTarget(portal) {
  const run = randomBytes(4).toString('hex')
  const app = await gatehouse(
    portal,
    'client',
    'add',
    '--name',
    'Bench',
    '--redirect-uri',
    REDIRECT_URI,
    '--json',
  )
  const api = `${API}/${run}`
  await gatehouse(portal, 'resource', 'add', api, '--name', 'Bench', '--scope', 'bench:read', '--json')
  // An app of its own: what it may do more would be in the figures of the other.
  const grants = ['client_credentials', 'device_code', 'refresh_token'].flatMap((grant) => ['--grant', grant])
  const other = await gatehouse(
    portal,
    ...['client', 'add', '--name', 'Bench without a browser', '--resource', api, ...grants, '--json'],
  )
  const { pid: databasePid, version } = await postmaster(portal.databaseUrl)
  const target = {
    origin: portal.origin,
    databaseUrl: portal.databaseUrl,
    redisUrl: portal.redisUrl,
    password: PASSWORD,
    clientId: app.client_id,
    clientSecret: app.client_secret,
    redirectUri: REDIRECT_URI,
    api,
    browserless: { clientId: other.client_id, clientSecret: other.client_secret },
    paths: {
      authorization: '/oidc/auth',
      device: '/oidc/device_authorization',
      token: '/oidc/token',
      userinfo: '/oidc/userinfo',
      introspection: '/oidc/introspection',
      discovery: '/oidc/.well-known/openid-configuration',
      jwks: '/oidc/jwks',
    },
    meters: { pid: portal.pid, databasePid, redisPid: portal.redisPid },
    postgresVersion: version,
  }
  target.people = await people(target, `person-${run}-`, 64)
  target.owners = await people(target, `owner-${run}-`, 32)
  await settle(target)
  return target
}

async function libraryTarget(env, redisPid) {
  const clientId = 'bench'
  const clientSecret = randomBytes(32).toString('base64url')
  const child = start('library.mjs', {
    REDIS_URL: '',
    CLIENT_ID: clientId,
    CLIENT_SECRET: clientSecret,
    REDIRECT_URI,
    API,
    ...env,
  })
  const { origin } = await message(child)
  return {
    origin,
    clientId,
    clientSecret,
    redirectUri: REDIRECT_URI,
    api: API,
    browserless: { clientId, clientSecret },
    paths: {
      authorization: '/auth',
      device: '/device/auth',
      token: '/token',
      userinfo: '/me',
      introspection: '/token/introspection',
      discovery: '/.well-known/openid-configuration',
      jwks: '/jwks',
    },
    meters: { pid: child.pid, redisPid },
  }
}

/** What a password costs to hash, one after the other, with nothing around it: CPU in ms. */
async function hashAlone() {
  const before = process.cpuUsage()
  let hashed = 0
  for (const end = Date.now() + HELLO_SECONDS * 1000; Date.now() < end; hashed++)
    await hash('a password', HASHING)
  const { user, system } = process.cpuUsage(before)
  return { cpu: (user + system) / 1000 / hashed }
}

/**
 * The operations, each measured in several rounds between hellos, the portal beside the bare library.
 * @returns figures by operation: { title, portal, alone, hello, memory?, redis?, hash? }, medians over rounds
 */
export async function runOperations({ names, seconds, rounds, say }) {
  const portal = await startPortal({ folder: newFolder() })
  const target = await portalTarget(portal)
  const helloChild = start('hello.mjs')
  const hello = { origin: (await message(helloChild)).origin, meters: { pid: helloChild.pid } }
  const besides = {}
  if (names.some((name) => operations[name].library)) {
    besides.memory = await libraryTarget({})
    if (portal.redisPid) {
      const env = {
        REDIS_URL: portal.redisUrl,
        REDIS_PREFIX: `bench-library-${randomBytes(4).toString('hex')}:`,
      }
      besides.redis = await libraryTarget(env, portal.redisPid)
    }
  }
  const client = start('client.mjs')
  const found = Object.fromEntries(
    names.map((name) => [name, { portal: [], alone: [], hello: [], memory: [], redis: [], hash: [] }]),
  )

  const once = async (name, length, keep) => {
    const { connections = CONNECTIONS, library } = operations[name]
    const load = { connections, seconds: length }
    const results = {
      hello: await measure(client, hello, 'hello', { connections: CONNECTIONS, seconds: HELLO_SECONDS }),
    }
    results.portal = await measure(client, target, name, load)
    if (name === 'signin') results.hash = await hashAlone()
    if (library) {
      for (const [beside, where] of Object.entries(besides))
        results[beside] = await measure(client, where, name, load)
    }
    if (keep) results.alone = await measure(client, target, name, { connections: 1, seconds: ALONE_SECONDS })
    for (const [part, figures] of Object.entries(results)) if (keep) found[name][part].push(figures)
  }

  for (const name of names) {
    say(`warming up: ${operations[name].title}`)
    await once(name, WARM_UP_SECONDS, false)
  }
  for (let round = 1; round <= rounds; round++) {
    for (const name of names) {
      say(`round ${round} of ${rounds}: ${operations[name].title}`)
      await once(name, seconds, true)
    }
  }
  const figures = names.map((name) => {
    const parts = Object.entries(found[name]).filter(([, list]) => list.length > 0)
    return {
      name,
      title: operations[name].title,
      ...Object.fromEntries(parts.map(([part, list]) => [part, medians(list)])),
    }
  })
  return { portal, target, client, figures, postgresVersion: target.postgresVersion }
}

const PROBES_PER_SECOND = 200
const PROBE_CONNECTIONS = 64
const STORM_CONNECTIONS = 16

/** Session checks at a steady rate, alone and while sign-ins take all they can get; medians over rounds. */
export async function runStorm({ target, client, seconds, rounds, say }) {
  const crowd = start('client.mjs')
  const load = { connections: PROBE_CONNECTIONS, seconds, perSecond: PROBES_PER_SECOND }
  const [quiet, storm, signins] = [[], [], []]
  for (let round = 0; round <= rounds; round++) {
    say(round ? `storm, round ${round} of ${rounds}` : 'warming up: storm')
    const calm = await measure(client, target, 'session', load)
    // The flood begins before the probes and outlasts them.
    const flood = await prepare(crowd, target, 'signin', {
      connections: STORM_CONNECTIONS,
      seconds: seconds + 2,
    })
    const probe = await prepare(client, target, 'session', load)
    const flooding = flood.run()
    // Should the probes fail, that is the failure to be told of.
    flooding.catch(() => {})
    await new Promise((resolve) => setTimeout(resolve, 1000))
    const wild = await probe.run()
    const sent = await flooding
    if (round === 0) continue
    quiet.push(calm)
    storm.push(wild)
    signins.push(sent)
  }
  const p99 = { quiet: median(quiet.map((r) => r.p99)), storm: median(storm.map((r) => r.p99)) }
  return {
    quiet: { p50: median(quiet.map((r) => r.p50)), p99: p99.quiet },
    storm: { p50: median(storm.map((r) => r.p50)), p99: p99.storm },
    ratio: p99.storm / p99.quiet,
    signInsPerSecond: median(signins.map((r) => r.rate)),
  }
}

const SIGN_INS = 1000

/** The portal's resident memory after whole sign-ins, the Redis inside its process. */
export async function runMemory({ say }) {
  say(`memory after ${SIGN_INS} sign-ins, built-in Redis`)
  const portal = await startPortal({ folder: newFolder(), builtInRedis: true })
  const target = await portalTarget(portal)
  const before = memory(portal.pid).now
  const client = start('client.mjs')
  const { count } = await measure(client, target, 'whole-signin', {
    connections: CONNECTIONS,
    seconds: 600,
    total: SIGN_INS,
  })
  const after = memory(portal.pid)
  await portal.stop()
  return { signIns: count, before, after: after.now, peak: after.peak }
}

/** Starts again on a data folder that has been used, several times. */
export async function runStarts({ portal, rounds, say }) {
  const folder = portal.env.GATEHOUSE_DATA.replace(/[\\/]data$/, '')
  await portal.stop()
  const starts = []
  for (let round = 1; round <= rounds; round++) {
    say(`second start, round ${round} of ${rounds}`)
    const again = await startPortal({ folder })
    starts.push(again.ms)
    await again.stop()
  }
  return { ms: median(starts) }
}
