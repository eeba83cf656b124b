/** The processes of a run, all of them ours: started, asked, and ended whatever happens. */
import { fork, spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { Redis } from 'ioredis'
import { freePort } from '../scripts/free-port.mjs'
import { removeData } from '../scripts/remove-data.mjs'

const ROOT = path.resolve(import.meta.dirname, '..')
const START_WITHIN_MS = 300_000
const STOP_WITHIN_MS = 20_000

const children = new Set()
const folders = new Set()

function keep(child) {
  children.add(child)
  child.ended = new Promise((resolve) => child.once('exit', resolve)).then((code) => {
    children.delete(child)
    return code
  })
  return child
}

async function end(child) {
  child.kill('SIGTERM')
  const late = setTimeout(() => child.kill('SIGKILL'), STOP_WITHIN_MS)
  const code = await child.ended
  clearTimeout(late)
  return code
}

/** The last warnings and errors that portals of this run have logged. */
export const troubles = () => [...children].flatMap((child) => child.troubles?.().slice(-5) ?? [])

/** Ends every process and removes every folder of this run. */
export async function endAll() {
  await Promise.all([...children].map(end))
  for (const folder of folders) {
    removeData(path.join(folder, 'data'))
    rmSync(folder, { recursive: true, force: true })
  }
  folders.clear()
}

export function newFolder() {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-bench-'))
  folders.add(folder)
  return folder
}

/** Starts one of bench/'s own programs; they end with the channel to this process. */
export function start(file, env = {}) {
  const child = keep(
    fork(path.join(import.meta.dirname, file), {
      env: { ...process.env, NODE_ENV: 'production', ...env },
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    }),
  )
  let errors = ''
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  child.errors = () => errors
  child.inbox = []
  child.on('message', (value) => {
    const hear = child.hear
    child.hear = undefined
    if (hear) hear(value)
    else child.inbox.push(value)
  })
  return child
}

/** The next message of a child, in the order they were sent. */
export function message(child) {
  const next = child.inbox.shift()
  if (next) return Promise.resolve(next)
  return new Promise((resolve, reject) => {
    child.hear = resolve
    child.ended.then((code) =>
      reject(new Error(`a process of the bench ended with ${code}:\n${child.errors()}`)),
    )
  })
}

/** One client stands for a whole town of them. Everything else stays as it comes. */
const LIMITS = {
  LIMIT_REQUESTS_PER_MINUTE: '100000000',
  LIMIT_REQUESTS_BURST: '10000000',
  // People of the bench have thousands.
  SESSIONS_PER_USER: '0',
  LIMIT_PASSWORD_TRIES: '99',
  PASSWORD_QUEUE_SECONDS: '20',
}

/**
 * Starts the portal as `npm start` does (which builds what is missing), with its defaults but for raised
 * limits, and waits until it is ready.
 * @param options.builtInRedis: hides redis-server, so that the Redis inside the portal's process serves
 * @param options.settings environment on top of that; `onOutput` hears what it logs
 * @returns origin, port, pid, stores' addresses, milliseconds to the first 200, and how to end it
 */
export async function startPortal({ folder, builtInRedis = false, nodeArgs = [], settings = {}, onOutput }) {
  const port = await freePort()
  const origin = `http://localhost:${port}`
  const env = {
    ...process.env,
    ...LIMITS,
    NODE_ENV: 'production',
    PORT: String(port),
    GATEHOUSE_URL: origin,
    GATEHOUSE_DATA: path.join(folder, 'data'),
    GATEHOUSE_DEMO: 'off',
    LOG_LEVEL: process.env.LOG_LEVEL ?? 'info',
    ...settings,
  }
  if (builtInRedis) {
    delete env.REDIS_URL
    env.PATH = pathWithoutRedis(folder)
  }
  const began = performance.now()
  const child = keep(
    spawn(process.execPath, [...nodeArgs, path.join(ROOT, 'scripts/start.mjs')], {
      cwd: ROOT,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  // The log is read and counted as a supervisor would, but only its end is kept.
  let output = ''
  const note = (chunk) => {
    output = (output + chunk).slice(-20_000)
    onOutput?.(String(chunk))
  }
  child.stdout.on('data', note)
  child.stderr.on('data', note)
  child.troubles = () => output.split('\n').filter((line) => /"level":"(warn|error|fatal)"/.test(line))
  const failed = child.ended.then((code) => {
    throw new Error(`the portal ended with ${code}:\n${output}`)
  })
  failed.catch(() => {})
  await Promise.race([failed, ready(`${origin}/readyz`)])
  const ms = performance.now() - began
  const facts = JSON.parse(readFileSync(path.join(env.GATEHOUSE_DATA, 'run.json'), 'utf8'))
  return {
    origin,
    port,
    env,
    ms,
    pid: child.pid,
    databaseUrl: facts.databaseUrl,
    redisUrl: facts.redisUrl,
    redisPid: builtInRedis ? undefined : await redisPid(facts.redisUrl),
    failed,
    stop: async () => {
      const code = await end(child)
      if (code !== 0) throw new Error(`the portal ended with ${code}:\n${output}`)
    },
  }
}

async function ready(url) {
  const until = performance.now() + START_WITHIN_MS
  while (performance.now() < until) {
    const answer = await fetch(url).catch(() => null)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  throw new Error(`${url} was not ready within ${START_WITHIN_MS / 1000} s`)
}

/** A folder with the few programs the portal looks for, redis-server not among them. */
function pathWithoutRedis(folder) {
  const bin = path.join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  for (const name of ['id', 'ps']) {
    const found = (process.env.PATH ?? '')
      .split(path.delimiter)
      .map((place) => path.join(place, name))
      .find((file) => existsSync(file))
    if (found && !existsSync(path.join(bin, name))) symlinkSync(found, path.join(bin, name))
  }
  return bin
}

/** The Redis server's process, if it is on this machine. */
async function redisPid(url) {
  const client = new Redis(url, { maxRetriesPerRequest: 1 })
  try {
    const pid = Number(/^process_id:(\d+)/m.exec(await client.info('server'))?.[1])
    return readFileSync(`/proc/${pid}/comm`, 'utf8').match(/redis|valkey/) ? pid : undefined
  } catch {
    return undefined
  } finally {
    client.disconnect()
  }
}

/** One call of the command line against a running portal; gives what it prints. */
export async function gatehouse(portal, ...args) {
  const child = keep(
    spawn(process.execPath, [path.join(ROOT, 'scripts/gatehouse.mjs'), ...args], {
      cwd: ROOT,
      env: portal.env,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  let [out, errors] = ['', '']
  child.stdout.on('data', (chunk) => {
    out += chunk
  })
  child.stderr.on('data', (chunk) => {
    errors += chunk
  })
  if ((await child.ended) !== 0) throw new Error(`gatehouse ${args.join(' ')} failed:\n${errors}`)
  return JSON.parse(out)
}
