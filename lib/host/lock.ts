/** One process at a time owns a data folder. The lock of a killed process is void: pid and start time tell. */
import { linkSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { errorCode, fileTrouble } from './boot-error'
import { isAlive, startMark } from './processes'

export interface LockHolder {
  pid: number
  started: string
  role: 'portal' | 'command'
}

export interface Lock {
  release(): void
}

const lockFile = (dir: string) => path.join(dir, 'lock')

function read(file: string): LockHolder | null {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as LockHolder
  } catch (error) {
    if (errorCode(error) === 'ENOENT' || error instanceof SyntaxError) return null
    throw fileTrouble(error, 'file', file) ?? error
  }
}

const holds = (holder: LockHolder | null): holder is LockHolder =>
  holder !== null &&
  holder.pid !== process.pid &&
  isAlive(holder.pid) &&
  (!holder.started || startMark(holder.pid) === holder.started)

/** The living process that holds the folder, if any. */
export function lockHolder(dir: string): LockHolder | null {
  const holder = read(lockFile(dir))
  return holds(holder) ? holder : null
}

/**
 * Takes the folder for this process.
 * Atomic: the lock appears by link(2), which fails when one is there; a void one is first moved away
 * and, should a quicker process have put a living one in its place meanwhile, put back.
 * @returns the lock, or the living process that has it
 */
export function takeLock(dir: string, role: LockHolder['role']): Lock | LockHolder {
  const file = lockFile(dir)
  const mine = `${file}.${process.pid}`
  const me: LockHolder = { pid: process.pid, started: startMark(process.pid), role }
  try {
    writeFileSync(mine, JSON.stringify(me), { mode: 0o600 })
    for (;;) {
      try {
        linkSync(mine, file)
        break
      } catch (error) {
        if (errorCode(error) !== 'EEXIST') throw error
      }
      const holder = read(file)
      if (holds(holder)) return holder
      const away = `${mine}.void`
      try {
        renameSync(file, away)
      } catch (error) {
        if (errorCode(error) !== 'ENOENT') throw error
        continue
      }
      const moved = read(away)
      if (holds(moved)) {
        linkSync(away, file)
        rmSync(away)
        return moved
      }
      rmSync(away)
    }
  } catch (error) {
    throw fileTrouble(error, 'data folder', dir) ?? error
  } finally {
    rmSync(mine, { force: true })
  }
  return {
    release: () => {
      if (read(file)?.pid === process.pid) rmSync(file, { force: true })
    },
  }
}
