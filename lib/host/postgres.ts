/**
 * The embedded PostgreSQL: a real server of our own, with a password, on a socket in its own folder and no
 * port (where that path is too long for a socket: on a random loopback port). It is started in its own process group (Ctrl-C reaches the portal alone, which stops it
 * when its requests are done), restarted when it dies, and adopted when it outlived a killed portal.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chownSync,
  closeSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { BootError, errorCode } from './boot-error'
import { storePort } from './ports'
import { type PostgresFiles, postgresFiles } from './postgres-files'
import { ServerLog } from './postgres-log'
import { forgetUnreaped, pidFile, serverOf, stopServer } from './postgres-process'
import { isAlive, isStill, type Process, pause, plainEnv, startMark } from './processes'

const ROLE = 'gatehouse'
const READY_WITHIN_MS = 120_000

/**
 * Tuned for one portal on a small machine. What a commit promised is on the disk (fsync and
 * synchronous_commit stay on); there are no replicas, so the WAL may be minimal.
 */
const SETTINGS: Record<string, string> = {
  max_connections: '60',
  shared_buffers: '64MB',
  wal_level: 'minimal',
  max_wal_senders: '0',
  max_wal_size: '512MB',
  jit: 'off',
  io_method: 'sync',
  max_parallel_workers_per_gather: '0',
  huge_pages: 'off',
  timezone: 'UTC',
  log_timezone: 'UTC',
  log_min_messages: 'warning',
}

export interface EmbeddedPostgres {
  /** Connection string of the portal's own role, which owns its database and nothing more. */
  url: string
  pid(): number
  /** Fast shutdown: connections are ended, everything committed is on the disk. */
  stop(): Promise<void>
}

interface Options {
  dataFolder: string
  passwords: { postgres: string; postgresAdmin: string }
  /** In place of, or beside, the usual ones. */
  settings?: Record<string, string>
  /** Called when the server died and was started again, or could not be. */
  onTrouble?: (message: string) => void
  progress?: (text: string) => void
}

/**
 * Starts the server, or adopts the one that survived; makes the cluster at the first start.
 * @throws BootError in one sentence: disk full, no permission, data of another version, …
 */
export async function startPostgres(options: Options): Promise<EmbeddedPostgres> {
  const files: Cluster = { ...(await postgresFiles(options.dataFolder)), settings: options.settings ?? {} }
  const log = new ServerLog(path.join(options.dataFolder, 'postgres.log'))
  if (!existsSync(path.join(files.data, 'PG_VERSION'))) {
    options.progress?.('making the database')
    await makeCluster(files, options.passwords.postgresAdmin, log)
  }
  let server = (await adopt(files)) ?? (await launch(files, log))
  let stopping = false

  const watch = async () => {
    await server.gone
    if (stopping) return
    options.onTrouble?.('PostgreSQL ended unexpectedly; starting it again')
    try {
      server = await launch(files, log, server.port)
      void watch()
    } catch (error) {
      options.onTrouble?.(`PostgreSQL could not be started again: ${(error as Error).message}`)
      await pause(1000)
      if (!stopping) void watch()
    }
  }
  void watch()

  const enter = { ...files, port: server.port }
  const url = connectionUrl(enter, ROLE, options.passwords.postgres, ROLE)
  const stop = async () => {
    stopping = true
    await stopServer(server)
  }
  try {
    await ensureRole(url, enter, options.passwords)
  } catch (error) {
    await stop()
    throw error
  }
  return { url, pid: () => server.pid, stop }
}

interface Cluster extends PostgresFiles {
  settings: Record<string, string>
}

interface Server extends Process {
  port: number
  /** Resolves when the process is gone. */
  gone: Promise<void>
}

/** Beside the cluster's files, in a folder that nobody but the server's user and root can enter. */
const SOCKET = '.s.PGSQL.'
/** `sun_path` of a socket's address holds 104 bytes on macOS, 108 on Linux. */
const LONGEST_SOCKET = 103

/**
 * A socket costs less than loopback TCP on both its ends, and nobody else on the machine can knock. The setting is a
 * list, so that a folder with a comma or a quote in its name is none for it.
 */
const hasSocket = (data: string): boolean =>
  process.platform !== 'win32' &&
  !/[,"]/.test(data) &&
  Buffer.byteLength(path.join(data, `${SOCKET}65535`)) <= LONGEST_SOCKET

const listening = (data: string): Record<string, string> =>
  hasSocket(data)
    ? { listen_addresses: '', unix_socket_directories: data, unix_socket_permissions: '0700' }
    : { listen_addresses: '127.0.0.1', unix_socket_directories: '' }

/** A socket's folder stands, encoded, where the host would; its port is the end of its name. */
const connectionUrl = (
  at: { data: string; port: number },
  user: string,
  password: string,
  database: string,
) =>
  `postgresql://${user}:${password}@${hasSocket(at.data) ? encodeURIComponent(at.data) : '127.0.0.1'}:${at.port}/${database}`

const args = ({ data, settings }: Cluster, port: number): string[] => [
  '-D',
  data,
  '-p',
  String(port),
  ...Object.entries({ ...SETTINGS, ...listening(data), ...settings }).flatMap(([name, value]) => [
    '-c',
    `${name}=${value}`,
  ]),
]

/** What we give a child: a plain environment, a folder it can enter, and the other user when we are root. */
const childOptions = ({ runAs }: PostgresFiles) => ({
  cwd: process.platform === 'win32' ? undefined : '/',
  env: plainEnv(),
  ...(runAs && { uid: runAs.uid, gid: runAs.gid }),
})

/** Makes the cluster beside its place and moves it there when complete: a kill leaves nothing half made. */
async function makeCluster(files: PostgresFiles, password: string, log: ServerLog): Promise<void> {
  const fresh = `${files.data}.new`
  rmSync(fresh, { recursive: true, force: true })
  const passwordFile = `${files.data}.password-${randomBytes(4).toString('hex')}`
  try {
    writeFileSync(passwordFile, password, { mode: 0o600, flag: 'wx' })
    if (files.runAs) {
      // Around the cluster all is root's: nobody can put a link in the way of these.
      chownSync(passwordFile, files.runAs.uid, files.runAs.gid)
      mkdirSync(fresh, { mode: 0o700 })
      chownSync(fresh, files.runAs.uid, files.runAs.gid)
    }
    const from = log.size()
    const fd = log.open()
    const child = spawn(
      files.initdb,
      [
        `--pgdata=${fresh}`,
        '--username=postgres',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '--encoding=UTF8',
        '--locale=C',
        '--locale-provider=builtin',
        '--builtin-locale=C.UTF-8',
        '--no-instructions',
      ],
      { ...childOptions(files), stdio: ['ignore', fd, fd] },
    )
    closeSync(fd)
    const code = await exitOf(child)
    if (code !== 0) throw log.trouble(from, 'The embedded database could not be made')
    dropEmpty(files.data)
    renameSync(fresh, files.data)
  } finally {
    rmSync(passwordFile, { force: true })
    rmSync(fresh, { recursive: true, force: true })
  }
}

/** Makes room for a cluster; what is there and is none was put there by somebody. */
function dropEmpty(place: string): void {
  try {
    rmdirSync(place)
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return
    throw new BootError(
      `${place} is no database, and not empty: restore it from a backup, or move it away to begin anew.`,
    )
  }
}

const exitOf = (child: ChildProcess): Promise<number | null> =>
  new Promise((resolve) => {
    child.once('error', () => resolve(-1))
    child.once('exit', (code) => resolve(code))
  })

/**
 * The server that outlived its portal, if it runs with the settings we would give it; any other is
 * stopped in order. A pid file whose process is a stranger (the number was used again) is removed,
 * one whose process is dead is left to the server itself, which also checks for orphaned backends.
 */
async function adopt(files: Cluster): Promise<Server | null> {
  const found = pidFile(files.data)
  if (!found) return null
  if (!isAlive(found.pid)) {
    await forgetUnreaped(files.data, found.pid)
    return null
  }
  const server = serverOf(files.data, found.pid, files.runAs?.uid)
  if (!server) {
    rmSync(path.join(files.data, 'postmaster.pid'), { force: true })
    return null
  }
  for (let waited = 0; waited < 10_000 && isStill(server); waited += 20) {
    const state = pidFile(files.data)
    if (state?.ready && state.pid === server.pid) {
      if (startedLike(files, state.port)) return { ...server, port: state.port, gone: goneByPolling(server) }
      break
    }
    await pause(20)
  }
  await stopServer(server)
  return null
}

/** postmaster.opts holds the command line the server was started with. */
function startedLike(files: Cluster, port: number): boolean {
  try {
    const options = readFileSync(path.join(files.data, 'postmaster.opts'), 'utf8').trim()
    return options === [files.postgres, ...args(files, port).map((arg) => `"${arg}"`)].join(' ')
  } catch {
    return false
  }
}

async function goneByPolling(server: Process): Promise<void> {
  while (isStill(server)) await new Promise((resolve) => setTimeout(resolve, 500).unref())
}

/** No server runs here: what one that was killed left of its sockets names a process that may be a stranger by now. */
function dropSockets({ data }: Cluster): void {
  for (const name of readdirSync(data).filter((file) => file.startsWith(SOCKET)))
    rmSync(path.join(data, name), { force: true })
}

async function launch(files: Cluster, log: ServerLog, wantedPort?: number): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = wantedPort ?? (await storePort())
    dropSockets(files)
    const from = log.size()
    const fd = log.open()
    const child = spawn(files.postgres, args(files, port), {
      ...childOptions(files),
      stdio: ['ignore', fd, fd],
      detached: true,
    })
    closeSync(fd)
    let ended = false
    const gone = exitOf(child).then(() => {
      ended = true
    })
    child.unref()
    for (let waited = 0; !ended && waited < READY_WITHIN_MS; waited += 10) {
      const state = pidFile(files.data)
      if (state?.ready && state.pid === child.pid) {
        return { pid: state.pid, started: startMark(state.pid), port, gone }
      }
      await pause(10)
    }
    if (!ended) {
      if (child.pid) await stopServer({ pid: child.pid, started: startMark(child.pid) })
      throw new BootError(`The embedded database does not become ready; see ${log.file}.`)
    }
    // Backends of a killed server need a moment to notice; another program may have taken the port.
    if (attempt < 20 && log.says(from, /still in use|could not bind|could not create any TCP\/IP sockets/)) {
      await pause(wantedPort ? 500 : 250)
      continue
    }
    throw log.trouble(from, 'The embedded database does not start')
  }
}

/** The portal's role and database. Asked for only when the portal cannot enter with what it has. */
async function ensureRole(
  url: string,
  at: { data: string; port: number },
  passwords: Options['passwords'],
): Promise<void> {
  if (await canEnter(url)) return
  const admin = new pg.Client({
    connectionString: connectionUrl(at, 'postgres', passwords.postgresAdmin, 'postgres'),
  })
  try {
    await admin.connect()
    const { rowCount } = await admin.query('SELECT 1 FROM pg_roles WHERE rolname = $1', [ROLE])
    // The passwords are our own base64url text; utility statements take no parameters.
    await admin.query(
      `${rowCount ? 'ALTER' : 'CREATE'} ROLE ${ROLE} LOGIN NOSUPERUSER PASSWORD '${passwords.postgres}'`,
    )
    const database = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [ROLE])
    if (!database.rowCount) await admin.query(`CREATE DATABASE ${ROLE} OWNER ${ROLE}`)
  } catch (error) {
    if (errorCode(error) !== '28P01') throw error
    throw new BootError(
      'secrets.json does not belong to this database (its password is wrong): restore the one that was made with it.',
    )
  } finally {
    await admin.end().catch(() => {})
  }
}

async function canEnter(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 5000 })
  try {
    await client.connect()
    return true
  } catch (error) {
    // Unknown role or wrong password, unknown database: to be made.
    if (['28P01', '28000', '3D000'].includes(errorCode(error) ?? '')) return false
    throw error
  } finally {
    await client.end().catch(() => {})
  }
}
