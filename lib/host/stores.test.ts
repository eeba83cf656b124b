/** The stores as a process has them, through kills of everything: real processes, real PostgreSQL. */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import {
  chmodSync,
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import pg from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { removeData } from '../../scripts/remove-data.mjs'
import { bundle } from '../testing/bundle'
import { isAlive, isRoot, startMark, waitForExit } from './processes'

let program = ''
let data = ''
/** A folder whose database was made and holds a committed row: making one takes seconds, so tests that leave it whole share it. */
let kept = ''
const processes: ChildProcess[] = []

beforeAll(async () => {
  program = await bundle('lib/host/stores.fixture.ts')
})
beforeEach(() => {
  data = newFolder()
})
afterEach(async ({ task }) => {
  await endAll()
  if (data === kept && task.result?.state === 'pass') return
  remove(data)
  if (data === kept) kept = ''
})
afterAll(() => remove(kept))

function newFolder(): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-stores-'))
  chmodSync(folder, 0o755)
  return folder
}

function remove(folder: string): void {
  if (!folder) return
  removeData(path.join(folder, 'data'))
  rmSync(folder, { recursive: true, force: true })
}

async function endAll(): Promise<void> {
  for (const child of processes.splice(0)) await end(child)
  const pid = postmaster()
  if (pid) process.kill(pid, 'SIGINT')
  if (pid) await waitForExit(pid, 10_000)
}

/** Goes on in the folder that is kept: its database was made by an earlier start, which has ended. */
async function onKept(): Promise<void> {
  if (kept) {
    remove(data)
    data = kept
    return
  }
  const { databaseUrl } = await begin()
  await query(databaseUrl, WRITE)
  await endAll()
  kept = data
}

/** Starts on the folder that is kept. */
async function beginKept(): Promise<Opened> {
  await onKept()
  return await begin()
}

interface Opened {
  child: ChildProcess
  databaseUrl: string
  redisUrl: string
  migrated: string[]
}

interface Setting {
  env?: Record<string, string>
  role?: 'portal' | 'command'
  uid?: number
  program?: string
  cwd?: string
}

function begin({ env = {}, role = 'portal', uid, program: file = program, cwd }: Setting = {}) {
  const child = spawn(process.execPath, [file, role], {
    cwd,
    uid,
    gid: uid,
    env: {
      NODE_ENV: 'test',
      PATH: process.env.PATH,
      GATEHOUSE_DATA: path.join(data, 'data'),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  processes.push(child)
  let out = ''
  let err = ''
  child.stderr?.on('data', (chunk) => {
    err += chunk
  })
  const result = new Promise<Opened>((resolve, reject) => {
    child.stdout?.on('data', (chunk) => {
      out += chunk
      if (out.includes('\n')) resolve({ child, ...JSON.parse(out.slice(0, out.indexOf('\n'))) })
    })
    child.once('exit', () => reject(new Error(err.trim())))
  })
  return result
}

async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGTERM') {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  child.kill(signal)
  return await ended
}

async function query<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 2000 })
  client.on('error', () => {})
  await client.connect()
  try {
    return (await client.query<Row>(text)).rows
  } finally {
    await client.end()
  }
}

/** Asks until the server is there; the test's time-out is the limit. */
async function eventually<Row extends pg.QueryResultRow>(url: string, text: string): Promise<Row[]> {
  for (;;) {
    try {
      return await query<Row>(url, text)
    } catch (error) {
      if (
        !/ECONNREFUSED|ENOENT|terminat|starting up|recovery|not yet accepting|shutting down|timeout/.test(
          String(error),
        )
      )
        throw error
    }
  }
}

function postmaster(): number | null {
  try {
    const pid = Number(readFileSync(path.join(data, 'data/postgres/postmaster.pid'), 'utf8').split('\n')[0])
    return isAlive(pid) ? pid : null
  } catch {
    return null
  }
}

const NOBODY = 65534
const WRITE = "CREATE TABLE kept (v text); INSERT INTO kept VALUES ('committed')"
const READ = 'SELECT v FROM kept'
const KEPT = [{ v: 'committed' }]

describe('the embedded database', () => {
  test('is migrated, entered by password only, on a socket of its own user alone, with no power beyond its own', async () => {
    const { databaseUrl, migrated } = await begin()
    expect(migrated).toHaveLength(
      readdirSync('prisma/migrations', { withFileTypes: true }).filter((e) => e.isDirectory()).length,
    )
    const url = new URL(databaseUrl)
    const folder = decodeURIComponent(url.hostname)
    expect(statSync(folder).mode & 0o077).toBe(0)
    expect(statSync(path.join(folder, `.s.PGSQL.${url.port}`)).mode & 0o077).toBe(0)
    url.password = ''
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow()
    url.password = 'guess'
    await expect(query(url.href, 'SELECT 1')).rejects.toThrow(/password authentication failed/)
    const [role] = await query<{ rolsuper: boolean }>(
      databaseUrl,
      'SELECT rolsuper FROM pg_roles WHERE rolname = current_user',
    )
    expect(role?.rolsuper).toBe(false)
    const [settings] = await query<Record<string, string>>(
      databaseUrl,
      "SELECT current_setting('fsync') AS fsync, current_setting('synchronous_commit') AS sync, current_setting('listen_addresses') AS listen",
    )
    expect(settings).toEqual({ fsync: 'on', sync: 'on', listen: '' })
    const listening = readFileSync(path.join(data, 'data/postgres/postmaster.pid'), 'utf8').split('\n')
    expect([listening[4], listening[5]]).toEqual([folder, ''])
  })

  test('ends with its portal, and is there again at the next start', async () => {
    const first = await beginKept()
    const pid = postmaster() ?? 0
    expect(await end(first.child)).toBe(0)
    expect(isAlive(pid)).toBe(false)
    expect(existsSync(path.join(data, 'data/lock'))).toBe(false)
    expect(existsSync(path.join(data, 'data/run.json'))).toBe(false)
    const second = await begin()
    expect(second.migrated).toEqual([])
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
  })

  test('outlives a killed portal and is taken over, nothing lost', async () => {
    const first = await beginKept()
    const pid = postmaster()
    await end(first.child, 'SIGKILL')
    expect(postmaster()).toBe(pid)
    const second = await begin()
    expect(postmaster()).toBe(pid)
    expect(second.databaseUrl).toBe(first.databaseUrl)
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    await end(second.child)
    expect(isAlive(pid ?? 0)).toBe(false)
  })

  test('left on a port by a portal of before is moved to its socket, and what lies about there leads nowhere', async () => {
    const first = await beginKept()
    const { port } = new URL(first.databaseUrl)
    const folder = path.join(data, 'data/postgres')
    const { uid, gid } = statSync(folder)
    const [command = '', ...args] = readFileSync(path.join(folder, 'postmaster.opts'), 'utf8')
      .trim()
      .split(' "')
    await end(first.child)
    const [victim, ...planted] = [path.join(data, 'victim'), '.s.PGSQL.1', '.s.PGSQL.1.lock']
    writeFileSync(victim, 'untouched')
    for (const name of planted) symlinkSync(victim, path.join(folder, name))
    // As it was called then: of a setting that is given twice, the last counts.
    const former = ['-c', 'listen_addresses=127.0.0.1', '-c', 'unix_socket_directories=']
    const server = spawn(command, [...args.map((arg) => arg.slice(0, -1)), ...former], {
      uid,
      gid,
      cwd: '/',
      stdio: 'ignore',
      detached: true,
    })
    const pid = server.pid ?? 0
    const url = new URL(first.databaseUrl)
    url.host = `127.0.0.1:${port}`
    expect(await eventually(url.href, READ)).toEqual(KEPT)
    const second = await begin()
    expect(isAlive(pid)).toBe(false)
    expect(decodeURIComponent(new URL(second.databaseUrl).hostname)).toBe(realpathSync(folder))
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    await expect(query(url.href, READ)).rejects.toThrow()
    for (const name of planted) expect(existsSync(path.join(folder, name))).toBe(false)
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
  })

  test('killed under a running portal is back at the same address, nothing lost', async () => {
    const { databaseUrl } = await beginKept()
    const pid = postmaster() ?? 0
    process.kill(pid, 'SIGKILL')
    await waitForExit(pid, 5000)
    expect(await eventually(databaseUrl, READ)).toEqual(KEPT)
    expect(postmaster()).not.toBe(pid)
  })

  test('killed together with its portal recovers at the next start', async () => {
    const first = await beginKept()
    const pid = postmaster() ?? 0
    await end(first.child, 'SIGKILL')
    process.kill(pid, 'SIGKILL')
    await waitForExit(pid, 5000)
    expect(existsSync(path.join(data, 'data/postgres/postmaster.pid'))).toBe(true)
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
  })

  test('starts although its pid file names a stranger', async () => {
    const first = await beginKept()
    const pidFile = path.join(data, 'data/postgres/postmaster.pid')
    const text = readFileSync(pidFile, 'utf8')
    await end(first.child)
    writeFileSync(pidFile, text.replace(/^\d+/, String(process.ppid)), { mode: 0o600 })
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    expect(isAlive(process.ppid)).toBe(true)
  })

  test('that a kill left half made is made anew, and one too deep for a socket is on loopback', async () => {
    const folder = path.join(data, 'deep'.repeat(20), 'data')
    mkdirSync(path.join(folder, 'postgres.new/base'), { recursive: true })
    writeFileSync(path.join(folder, 'postgres.new/PG_VERSION'), '18\n')
    // The cluster of a portal of root lies elsewhere.
    const uid = isRoot() ? NOBODY : undefined
    if (uid) execFileSync('chown', ['-R', `${uid}:${uid}`, data])
    const { child, databaseUrl } = await begin({ uid, env: { GATEHOUSE_DATA: folder } })
    expect(new URL(databaseUrl).hostname).toBe('127.0.0.1')
    const [settings] = await query<Record<string, string>>(
      databaseUrl,
      "SELECT current_setting('listen_addresses') AS listen",
    )
    expect(settings).toEqual({ listen: '127.0.0.1' })
    expect(existsSync(path.join(folder, 'postgres.new'))).toBe(false)
    await end(child)
  })

  test('with secrets that are not its own says so', async () => {
    const first = await beginKept()
    await end(first.child)
    const file = path.join(data, 'data/secrets.json')
    const own = readFileSync(file)
    const other = Buffer.alloc(32, 7).toString('base64url')
    writeFileSync(file, JSON.stringify({ secret: other, postgres: other, postgresAdmin: other }))
    await expect(begin()).rejects.toThrow(/secrets\.json does not belong to this database/)
    expect(postmaster()).toBeNull()
    writeFileSync(file, own)
  })
})

describe('one data folder', () => {
  test('refuses a second portal in one sentence that names the first', async () => {
    const first = await beginKept()
    await expect(begin()).rejects.toThrow(
      new RegExp(
        `Another Gatehouse \\(process ${first.child.pid}\\) already uses the data folder .*GATEHOUSE_DATA`,
      ),
    )
    expect(await query(first.databaseUrl, 'SELECT 1 AS one')).toEqual([{ one: 1 }])
  })

  test('held by a killed portal is free', async () => {
    await onKept()
    writeFileSync(
      path.join(data, 'data/lock'),
      JSON.stringify({ pid: process.ppid, started: `${startMark(process.ppid)}1`, role: 'portal' }),
    )
    await begin()
  })

  test('held by a command is waited for', async () => {
    await onKept()
    const command = await begin({ role: 'command' })
    const portal = begin()
    await end(command.child)
    expect((await portal).databaseUrl).toMatch(/^postgresql:/)
  })
})

describe('stores that are named wrongly stop the start with one sentence', () => {
  test.each([
    [
      'DATABASE_URL',
      'postgresql://u:p@127.0.0.1:1/x',
      /DATABASE_URL is wrong or the database is down: nothing answers at 127\.0\.0\.1:1\.$/,
    ],
    [
      'REDIS_URL',
      'redis://127.0.0.1:1',
      /REDIS_URL is wrong or Redis is down: nothing answers at 127\.0\.0\.1:1\.$/,
    ],
    [
      'REDIS_URL',
      'redis://nowhere.invalid',
      /REDIS_URL is wrong: there is no host named nowhere\.invalid\.$/,
    ],
    ['DATABASE_URL', 'mysql://x', /DATABASE_URL must be a URL that begins with postgres:\/\//],
  ])('%s=%s', async (name, value, sentence) => {
    await onKept()
    await expect(begin({ env: { [name]: value } })).rejects.toThrow(sentence)
    expect(postmaster()).toBeNull()
  })
})

describe.skipIf(!isRoot())('started by root', () => {
  /** What lies where root does not want it: the cluster's place, as the link says. */
  const place = () => realpathSync(path.join(data, 'data/postgres'))

  test('runs PostgreSQL as another user, who can write the data and nothing else', async () => {
    await beginKept()
    const { uid } = statSync(`/proc/${postmaster()}`)
    expect(uid).not.toBe(0)
    const folder = path.join(data, 'data')
    expect(statSync(folder)).toMatchObject({ uid: 0, gid: 0 })
    expect(statSync(folder).mode & 0o777).toBe(0o700)
    for (const name of readdirSync(folder)) expect(lstatSync(path.join(folder, name)).uid, name).toBe(0)
    expect(statSync(path.join(folder, 'secrets.json')).mode & 0o777).toBe(0o600)
    expect(statSync(place())).toMatchObject({ uid })
    for (let at = path.dirname(place()); at !== '/'; at = path.dirname(at)) {
      expect(statSync(at), at).toMatchObject({ uid: 0 })
      expect(statSync(at).mode & 0o022, at).toBe(0)
    }
  })

  test('the_database_cannot_touch_secrets_run_facts_or_logs', async () => {
    await beginKept()
    const { uid, gid } = statSync(`/proc/${postmaster()}`)
    const folder = path.join(data, 'data')
    for (const attempt of [
      'mv "$0/secrets.json" "$0/mine"',
      'ln -s /etc/shadow "$0/planted"',
      'cat "$0/run.json"',
      'echo 1 > "$0/lock"',
      'ls "$0"',
      'touch "$1/planted"',
    ]) {
      const args = ['-c', attempt, folder, path.dirname(place())]
      expect(() => execFileSync('/bin/sh', args, { uid, gid, cwd: '/', stdio: 'ignore' }), attempt).toThrow()
    }
  })

  test('under a folder closed to that user finds the data again', async () => {
    await onKept()
    chmodSync(data, 0o700)
    const first = await begin()
    await end(first.child)
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    chmodSync(data, 0o755)
  })

  /** As it was: the cluster in the data folder, and the folder its user's. */
  function earlierScheme() {
    const folder = path.join(data, 'data')
    const cluster = place()
    const { uid, gid } = statSync(cluster)
    rmSync(path.join(folder, 'postgres'))
    renameSync(cluster, path.join(folder, 'postgres'))
    rmSync(path.dirname(cluster), { recursive: true })
    execFileSync('chown', [`${uid}:${gid}`, folder])
    return { folder, uid, gid }
  }

  test('takes back a folder of the earlier scheme, nothing lost, nothing planted kept', async () => {
    const first = await beginKept()
    await end(first.child)
    const { folder, uid, gid } = earlierScheme()
    const victim = path.join(data, 'victim')
    writeFileSync(victim, 'untouched')
    rmSync(path.join(folder, 'postgres.log'), { force: true })
    symlinkSync(victim, path.join(folder, 'postgres.log'))
    writeFileSync(
      path.join(folder, 'run.json'),
      JSON.stringify({ pid: 1, redisUrl: 'redis://:x@127.0.0.1:1', redisProcess: { pid: process.pid } }),
    )
    execFileSync('chown', [
      '-h',
      `${uid}:${gid}`,
      ...['postgres.log', 'run.json'].map((n) => path.join(folder, n)),
    ])
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    expect(statSync(folder)).toMatchObject({ uid: 0, gid: 0 })
    expect(lstatSync(path.join(folder, 'postgres')).isSymbolicLink()).toBe(true)
    expect(lstatSync(path.join(folder, 'postgres.log')).isSymbolicLink()).toBe(false)
    expect(readFileSync(victim, 'utf8')).toBe('untouched')
    expect(isAlive(process.pid)).toBe(true)
  })

  test('takes back a folder whose database still runs there', async () => {
    const first = await beginKept()
    await end(first.child, 'SIGKILL')
    const pid = postmaster() ?? 0
    earlierScheme()
    const second = await begin()
    expect(isAlive(pid)).toBe(false)
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
  })

  test('finishes a move to the place of the system that was killed half way', async () => {
    const first = await beginKept()
    await end(first.child)
    const link = path.join(data, 'data/postgres')
    renameSync(link, `${link}.elsewhere`)
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
  })

  test('secrets_that_are_not_roots_are_refused', async () => {
    const first = await begin()
    await end(first.child)
    const { folder, uid, gid } = earlierScheme()
    const file = path.join(folder, 'secrets.json')
    const text = readFileSync(file, 'utf8')
    rmSync(file)
    writeFileSync(file, text)
    execFileSync('chown', [`${uid}:${gid}`, file])
    await expect(begin()).rejects.toThrow(/belongs to another user \(uid \d+\).*chown -R root/)
    expect(statSync(folder).uid).toBe(uid)
  })

  test('signals_no_stranger_that_the_database_names', async () => {
    const first = await beginKept()
    const file = path.join(place(), 'postmaster.pid')
    const text = readFileSync(file, 'utf8')
    await end(first.child)
    // Called postgres, and root's.
    const stranger = spawn('sleep', ['600'], { argv0: 'postgres', stdio: 'ignore' })
    processes.push(stranger)
    writeFileSync(file, text.replace(/^\d+/, String(stranger.pid)))
    const second = await begin()
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    expect(isAlive(stranger.pid ?? 0)).toBe(true)
  })

  test('and started by a normal user, both work on their own', async () => {
    const nobody = Number(execFileSync('id', ['-u', 'nobody'], { encoding: 'utf8' }))
    // A clone of that user's own: the compiled program beside the packages it needs.
    const clone = path.join(data, 'clone')
    mkdirSync(clone)
    cpSync('prisma/migrations', path.join(clone, 'prisma/migrations'), { recursive: true })
    cpSync('package.json', path.join(clone, 'package.json'))
    execFileSync('cp', ['-al', 'node_modules', path.join(clone, 'node_modules')])
    cpSync(program, path.join(clone, 'program.mjs'))
    execFileSync('chown', [String(nobody), clone, data])
    const own = { uid: nobody, program: path.join(clone, 'program.mjs'), cwd: clone }
    const first = await begin(own)
    await query(first.databaseUrl, WRITE)
    expect(statSync(`/proc/${postmaster()}`).uid).toBe(nobody)
    await end(first.child, 'SIGKILL')
    const second = await begin(own)
    expect(await query(second.databaseUrl, READ)).toEqual(KEPT)
    await end(second.child)
    // Root trusts no folder of that user's, and takes it when told to.
    await expect(begin()).rejects.toThrow(new RegExp(`belongs to another user \\(uid ${nobody}\\)`))
    execFileSync('chown', ['-R', 'root', path.join(data, 'data')])
    const third = await begin()
    expect(await query(third.databaseUrl, READ)).toEqual(KEPT)
    expect(statSync(`/proc/${postmaster()}`).uid).not.toBe(0)
  })

  test('on a full disk says so in one sentence', async () => {
    const small = path.join(data, 'small')
    mkdirSync(small)
    try {
      execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=8m', 'tmpfs', small], { stdio: 'ignore' })
    } catch {
      // No right to mount here (a container): what the message says is proven by the unit below.
      return
    }
    // Root's link says where the database is to lie.
    mkdirSync(path.join(data, 'data'))
    symlinkSync(path.join(small, 'postgres'), path.join(data, 'data/postgres'))
    chmodSync(small, 0o711)
    try {
      await expect(begin()).rejects.toThrow(/^The disk is full: .* Free some space and start again\.$/)
    } finally {
      execFileSync('umount', [small])
    }
  })
})
