/**
 * The data folder (GATEHOUSE_DATA, mode 0700): generated secrets, the embedded database, and what a
 * running portal tells the command line. Files are replaced as a whole, so a kill leaves no half of one.
 */
import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  closeSync,
  constants,
  existsSync,
  fsyncSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { BootError, errorCode, fileTrouble } from './boot-error'
import { claimFolder } from './claim'
import type { Process } from './processes'

/**
 * Makes the data folder or checks the one that is there.
 * @throws BootError when it cannot be read and written, is another user's, or the disk is full.
 */
export function prepareDataFolder(dir: string): void {
  try {
    mkdirSync(dir, { recursive: true, mode: 0o700 })
    claimFolder(dir)
    const stat = statSync(dir)
    if ((stat.mode & 0o777) !== 0o700) chmodSync(dir, 0o700)
    accessSync(dir, constants.R_OK | constants.W_OK | constants.X_OK)
    const probe = path.join(dir, `.probe-${randomBytes(4).toString('hex')}`)
    replaceFile(probe, 'x')
    rmSync(probe)
  } catch (error) {
    throw fileTrouble(error, 'data folder', dir) ?? error
  }
}

/** Writes a file (mode 0600) so that a reader, or a kill, sees the old text or the new, never a part. */
export function replaceFile(file: string, text: string): void {
  const fresh = `${file}.${process.pid}-${randomBytes(4).toString('hex')}`
  try {
    const fd = openSync(fresh, 'wx', 0o600)
    try {
      writeSync(fd, text)
      fsyncSync(fd)
    } finally {
      closeSync(fd)
    }
    renameSync(fresh, file)
  } catch (error) {
    rmSync(fresh, { force: true })
    throw fileTrouble(error, 'file', file) ?? error
  }
}

function readJson<T>(file: string): T | null {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw fileTrouble(error, 'file', file) ?? error
  }
  try {
    return JSON.parse(text) as T
  } catch {
    throw new BootError(`${file} is damaged: restore it from a backup.`)
  }
}

export interface GeneratedSecrets {
  /** Used when GATEHOUSE_SECRET is not set. */
  secret: string
  /** Passwords of the embedded database: of the portal's role, and of its superuser. */
  postgres: string
  postgresAdmin: string
}

/** The generated secrets, made at the first start. Losing them makes every sealed value unreadable. */
export function generatedSecrets(dir: string): GeneratedSecrets {
  const file = path.join(dir, 'secrets.json')
  const known = readJson<GeneratedSecrets>(file)
  if (known?.secret && known.postgres && known.postgresAdmin) return known
  if (known) throw new BootError(`${file} is damaged: restore it from a backup.`)
  if (existsSync(path.join(dir, 'postgres'))) {
    throw new BootError(
      `${file} is missing, but the database it opens is there: restore it from a backup, or remove ${dir} to begin anew.`,
    )
  }
  const secret = () => randomBytes(32).toString('base64url')
  const made = { secret: secret(), postgres: secret(), postgresAdmin: secret() }
  replaceFile(file, `${JSON.stringify(made, null, 2)}\n`)
  return made
}

/** What a running process tells others on this machine who may read its data folder. */
export interface RunFacts {
  pid: number
  /** Who it is: the portal, or a command that started the stores for itself. */
  role: 'portal' | 'command'
  url: string
  port: number
  databaseUrl: string
  redisUrl: string
  /** The embedded Redis, when it is a process of its own. */
  redisProcess?: Process
}

const runFile = (dir: string) => path.join(dir, 'run.json')

export const writeRunFacts = (dir: string, facts: RunFacts): void =>
  replaceFile(runFile(dir), `${JSON.stringify(facts, null, 2)}\n`)

/** What the last process wrote, whether it still runs or not; null when it ended in order. */
export function readRunFacts(dir: string): RunFacts | null {
  try {
    return readJson<RunFacts>(runFile(dir))
  } catch (error) {
    if (error instanceof BootError && /damaged/.test(error.message)) return null
    throw error
  }
}

export const dropRunFacts = (dir: string): void => rmSync(runFile(dir), { force: true })
