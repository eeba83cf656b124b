/** Store processes of a test's own, to be stopped, frozen and killed. */
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { expect } from '@playwright/test'
import type { Portal } from './portal'

const onPath = (names: string[]): string | undefined =>
  names
    .flatMap((name) =>
      (process.env.PATH ?? '').split(path.delimiter).map((folder) => path.join(folder, name)),
    )
    .find((file) => existsSync(file))

const answers = (port: number): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.write('PING\r\n'))
    socket.once('data', () => socket.destroy())
    socket.once('error', () => resolve(false))
    socket.once('close', (failed) => resolve(!failed))
  })

/** A Redis on `port`: the machine's own program, else the one that a portal would embed. */
export class RedisProcess {
  #child: ChildProcess | undefined
  readonly port: number

  /** The real program, with all its commands. */
  readonly isReal: boolean
  readonly #program = onPath(['redis-server', 'valkey-server'])

  constructor(port: number) {
    this.port = port
    this.isReal = this.#program !== undefined
  }

  async start(): Promise<void> {
    const memoryOnly = [
      '--port',
      String(this.port),
      '--bind',
      '127.0.0.1',
      '--save',
      '',
      '--appendonly',
      'no',
    ]
    this.#child = this.#program
      ? spawn(this.#program, memoryOnly, { stdio: 'ignore' })
      : spawn(process.execPath, [path.join(import.meta.dirname, 'redis.mjs'), String(this.port)], {
          stdio: 'ignore',
        })
    await expect.poll(() => answers(this.port), { timeout: 15_000 }).toBe(true)
  }

  freeze = (): boolean | undefined => this.#child?.kill('SIGSTOP')
  thaw = (): boolean | undefined => this.#child?.kill('SIGCONT')

  async kill(): Promise<void> {
    const child = this.#child
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  }

  /** One command in words. */
  command(words: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect(this.port, '127.0.0.1', () => socket.write(`${words}\r\n`))
      socket.once('data', (data) => {
        resolve(String(data))
        socket.destroy()
      })
      socket.once('error', reject)
    })
  }
}

/** The embedded PostgreSQL's main process, and those of its connections. */
export function postgresProcesses(portal: Portal): { main: number; all: number[] } {
  // Where root may not keep it in the data folder, there is a link to the place where it is.
  const file = ['postgres', 'postgres.elsewhere']
    .map((name) => path.join(portal.data, name, 'postmaster.pid'))
    .find((place) => existsSync(place))
  if (!file) throw new Error('no PostgreSQL runs in this data folder')
  const main = Number(readFileSync(file, 'utf8').split('\n')[0])
  const children = readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/stat`, 'utf8')
          .replace(/^.*\) \S /, '')
          .startsWith(`${main} `)
      } catch {
        return false
      }
    })
    .map(Number)
  return { main, all: [main, ...children] }
}
