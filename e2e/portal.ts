/** A built portal as a process of its own: on free ports, with its own data, ended when told to. */
import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { freePort } from '../scripts/free-port.mjs'
import { removeData } from '../scripts/remove-data.mjs'

export interface Portal {
  /** What its pages call it, such as http://localhost:41234. */
  url: string
  /** Where it listens, on this machine. */
  port: number
  demoUrl: string
  demoPort: number
  data: string
  pid: number
  /** Where its stores are, as it says in its data folder. */
  stores(): { databaseUrl: string; redisUrl: string }
  output(): string
  /** False once the process has ended. */
  alive(): boolean
  /**
   * Ends it in order and removes its data.
   * @throws when it did not end well, or logged an error that `expected` does not know
   */
  stop(expected?: RegExp): Promise<void>
  /** Ends it from one moment to the next, as a power cut would; its data stays for another start. */
  kill(): Promise<void>
}

/** What a portal was, for one that takes its place. */
type Place = Pick<Portal, 'data' | 'port' | 'demoPort'>

/** The first of several answers of its kind may take a build. */
export async function until(url: string): Promise<void> {
  for (;;) {
    const answer = await fetch(url).catch(() => null)
    if (answer?.ok) return
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/**
 * Starts a portal and waits until it is ready.
 * @param settings environment on top of what every test wants
 * @param before a portal that was killed; else it gets a place of its own
 */
export async function launchPortal(settings: Record<string, string> = {}, before?: Place): Promise<Portal> {
  const data = before?.data ?? mkdtempSync(path.join(tmpdir(), 'gatehouse-e2e-'))
  const port = before?.port ?? (await freePort())
  const demoPort = before?.demoPort ?? (await freePort())
  const url = settings.GATEHOUSE_URL ?? `http://localhost:${port}`
  const { DATABASE_URL: _database, REDIS_URL: _redis, SMTP_URL: _smtp, ...rest } = process.env
  const child = spawn(process.execPath, ['scripts/start.mjs'], {
    cwd: path.resolve(import.meta.dirname, '..'),
    env: {
      ...rest,
      NODE_ENV: 'production',
      PORT: String(port),
      GATEHOUSE_URL: url,
      GATEHOUSE_DATA: data,
      DEMO_PORT: String(demoPort),
      LOG_LEVEL: 'warn',
      // Every test comes from an address of its own, so that one test's tries never limit another's.
      TRUSTED_PROXIES: 'loopback',
      ...settings,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk) => {
      output += chunk
    })
  }
  let over = false
  const ended = new Promise<number | null>((resolve) =>
    child.once('exit', (code) => {
      over = true
      resolve(code)
    }),
  )
  let ready = false
  await Promise.race([
    until(`http://localhost:${port}/readyz`),
    ended.then((code) => {
      if (ready) return
      removeData(data)
      throw new Error(`the portal ended with ${code} before it was ready:\n${output}`)
    }),
  ])
  ready = true

  return {
    url,
    port,
    demoUrl: `http://localhost:${demoPort}`,
    demoPort,
    data,
    pid: child.pid ?? 0,
    stores: () => JSON.parse(readFileSync(path.join(data, 'run.json'), 'utf8')),
    output: () => output,
    alive: () => !over,
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    stop: async (expected) => {
      child.kill('SIGTERM')
      const code = await ended
      removeData(data)
      if (code !== 0) throw new Error(`the portal ended with ${code}:\n${output}`)
      // Nothing that went wrong inside may hide behind green pages.
      const errors = output
        .split('\n')
        .filter((line) => line.includes('"level":"error"') || line.includes('"level":"fatal"'))
        .filter((line) => !expected?.test(line))
      if (errors.length > 0) throw new Error(`the portal logged errors:\n${errors.join('\n')}`)
    },
  }
}
