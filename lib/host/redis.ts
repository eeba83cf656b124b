/**
 * The embedded Redis: a redis-server or valkey-server of this machine when there is one, else a
 * compatible server inside this process. On a random loopback port, with a password, in memory only:
 * what must survive is in PostgreSQL.
 */
import { spawn } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { accessSync, constants } from 'node:fs'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { storePort } from './ports'
import {
  firstUser,
  isRoot,
  isStill,
  type Process,
  pause,
  plainEnv,
  startMark,
  waitForExit,
} from './processes'

export interface EmbeddedRedis {
  url: string
  /** The server's process; undefined when it runs inside this one. */
  process(): Process | undefined
  stop(): Promise<void>
}

interface Options {
  /** The server a killed portal left behind, if any. */
  survivor?: Process & { url: string }
  onTrouble?: (message: string) => void
  /** Where to look for a server program; tests narrow it. */
  searchPath?: string
}

/** Starts (or adopts) a Redis for this process. */
export async function startRedis(options: Options = {}): Promise<EmbeddedRedis> {
  const { survivor } = options
  if (survivor?.started && isStill(survivor) && (await answers(survivor.url))) {
    const gone = (async () => {
      while (isStill(survivor)) await new Promise((resolve) => setTimeout(resolve, 500).unref())
    })()
    const program = serverProgram(options.searchPath) ?? ''
    return supervise(program, { ...survivor, gone }, options)
  }
  const program = serverProgram(options.searchPath)
  if (program) {
    try {
      return supervise(program, await launch(program), options)
    } catch (error) {
      options.onTrouble?.(`${program} does not start (${(error as Error).message}); using the built-in Redis`)
    }
  }
  return startInProcess()
}

function serverProgram(searchPath = process.env.PATH ?? ''): string | null {
  for (const folder of searchPath.split(path.delimiter).filter(Boolean)) {
    for (const name of ['redis-server', 'valkey-server']) {
      const file = path.join(folder, process.platform === 'win32' ? `${name}.exe` : name)
      try {
        accessSync(file, constants.X_OK)
        return file
      } catch {
        // not here
      }
    }
  }
  return null
}

interface Server extends Process {
  url: string
  gone: Promise<void>
}

/** Its configuration goes in by stdin, so that the password is in no command line and no file. */
async function launch(program: string, at?: { port: number; password: string }): Promise<Server> {
  for (let attempt = 1; ; attempt++) {
    const port = at?.port ?? (await storePort())
    const password = at?.password ?? randomBytes(24).toString('base64url')
    const ids = isRoot() ? firstUser('redis', 'nobody') : null
    const child = spawn(program, ['-'], {
      cwd: process.platform === 'win32' ? undefined : '/',
      env: plainEnv(),
      stdio: ['pipe', 'ignore', 'ignore'],
      detached: true,
      ...(ids && { uid: ids.uid, gid: ids.gid }),
    })
    child.stdin.on('error', () => {})
    child.stdin.end(
      [
        `port ${port}`,
        'bind 127.0.0.1',
        `requirepass ${password}`,
        'save ""',
        'appendonly no',
        'daemonize no',
        'loglevel warning',
        'maxmemory-policy noeviction',
        '',
      ].join('\n'),
    )
    let ended = false
    const gone = new Promise<void>((resolve) => {
      const end = () => {
        ended = true
        resolve()
      }
      child.once('error', end)
      child.once('exit', end)
    })
    child.unref()
    const url = `redis://:${password}@127.0.0.1:${port}`
    for (let waited = 0; !ended && waited < 5000; waited += 20) {
      if (await answers(url)) {
        const pid = child.pid ?? 0
        return { url, pid, started: startMark(pid), gone }
      }
      await pause(20)
    }
    child.kill('SIGKILL')
    if (attempt >= 3) throw new Error('it does not answer')
  }
}

/** Restarts the server when it dies, at the same address: its memory is lost, the portal goes on. */
function supervise(program: string, first: Server, options: Options): EmbeddedRedis {
  let server = first
  let stopping = false
  const { port, password } = new URL(first.url)
  const watch = async () => {
    await server.gone
    if (stopping || !program) return
    options.onTrouble?.('Redis ended unexpectedly; starting it again')
    try {
      server = await launch(program, { port: Number(port), password })
    } catch (error) {
      options.onTrouble?.(`Redis could not be started again: ${(error as Error).message}`)
      await pause(1000)
    }
    if (!stopping) void watch()
  }
  void watch()
  return {
    url: first.url,
    process: () => ({ pid: server.pid, started: server.started }),
    stop: async () => {
      stopping = true
      if (!isStill(server)) return
      process.kill(server.pid, 'SIGTERM')
      if (!(await waitForExit(server.pid, 3000)) && isStill(server)) process.kill(server.pid, 'SIGKILL')
    },
  }
}

/** AUTH and PING in one round trip, without a client library that would retry. */
function answers(url: string): Promise<boolean> {
  const { port, password } = new URL(url)
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port: Number(port) })
    let text = ''
    const done = (good: boolean) => {
      socket.destroy()
      resolve(good)
    }
    socket.setTimeout(1000, () => done(false))
    socket.on('error', () => done(false))
    socket.on('close', () => done(false))
    socket.on('connect', () => socket.write(`AUTH ${password}\r\nPING\r\n`))
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1')
      if (text.includes('+PONG')) done(true)
      else if (text.includes('-')) done(false)
    })
  })
}

async function startInProcess(): Promise<EmbeddedRedis> {
  const { createRedisCommandExecutor, RedisServerState, Resp2Server } = await import('js-redis-server/core')
  const password = randomBytes(24).toString('base64url')
  const state = new RedisServerState({ requirepass: password })
  const executor = createRedisCommandExecutor()
  // Its own listen() would open the port to every interface.
  const { server } = new Resp2Server({ server: state, executor, logger: { error: () => {} } })
  const sockets = new Set<Socket>()
  server.on('connection', (socket) => {
    sockets.add(socket)
    socket.on('close', () => sockets.delete(socket))
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  const address = server.address()
  const port = typeof address === 'object' && address ? address.port : 0
  return {
    url: `redis://:${password}@127.0.0.1:${port}`,
    process: () => undefined,
    stop: async () => {
      server.close()
      for (const socket of sockets) socket.destroy()
      state.close()
    },
  }
}
