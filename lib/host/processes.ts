/** Facts about other processes: is this one still the one we knew, and who may run what. */
import { execFileSync } from 'node:child_process'
import { readdirSync, readFileSync, readlinkSync, statSync } from 'node:fs'

/** Fields of /proc/<pid>/stat after the command name; null off Linux or when the process is gone. */
function procStat(pid: number): string[] | null {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    return text.slice(text.lastIndexOf(')') + 2).split(' ')
  } catch {
    return null
  }
}

/** True while the process runs; a zombie that nobody reaps (containers) counts as gone. */
export function isAlive(pid: number): boolean {
  if (!Number.isInteger(pid) || pid < 1) return false
  try {
    process.kill(pid, 0)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EPERM') return false
  }
  return procStat(pid)?.[0] !== 'Z'
}

/** When the process began, in whatever unit the system has: tells a process from a later one with its pid. */
export function startMark(pid: number): string {
  const ticks = procStat(pid)?.[19]
  if (ticks) return ticks
  return psField(pid, 'lstart')
}

/** A process that we may signal: its number, and when it began, by which it is told from a stranger. */
export interface Process {
  pid: number
  /** As `startMark` gave it; '' where the system tells nothing. */
  started: string
}

/** True while that very process runs, and not another one that got its number. */
export const isStill = ({ pid, started }: Process): boolean =>
  isAlive(pid) && (!started || startMark(pid) === started)

/** As whom the process runs; null when unknown. */
export function ownerOf(pid: number): number | null {
  try {
    return statSync(`/proc/${pid}`).uid
  } catch {
    const uid = psField(pid, 'uid')
    return uid ? Number(uid) : null
  }
}

/** The process's working folder; null when the system does not tell. */
export function workingFolder(pid: number): string | null {
  try {
    return readlinkSync(`/proc/${pid}/cwd`)
  } catch {
    return null
  }
}

/** The process's command line, '' when unknown. */
export function commandLine(pid: number): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ').trim()
  } catch {
    return psField(pid, 'command')
  }
}

function psField(pid: number, field: string): string {
  try {
    return execFileSync('ps', ['-o', `${field}=`, '-p', String(pid)], { encoding: 'utf8' }).trim()
  } catch {
    return ''
  }
}

/** True when a process has this folder as its working directory (Linux; elsewhere nobody is seen). */
export function worksIn(folder: string): boolean {
  try {
    return readdirSync('/proc').some((name) => /^\d+$/.test(name) && workingFolder(Number(name)) === folder)
  } catch {
    return false
  }
}

export interface Ids {
  uid: number
  gid: number
  name: string
}

/** Ids of the first of these users that this system knows. */
export function firstUser(...names: string[]): Ids | null {
  for (const name of names) {
    try {
      const id = (flag: string) =>
        Number(execFileSync('id', [flag, name], { encoding: 'utf8', stdio: 'pipe' }))
      return { uid: id('-u'), gid: id('-g'), name }
    } catch {
      // not known here: try the next
    }
  }
  return null
}

export const isRoot = (): boolean => process.getuid?.() === 0

export const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits until the process is gone; false when it still runs after `ms`. */
export async function waitForExit(pid: number, ms: number): Promise<boolean> {
  for (let waited = 0; isAlive(pid); waited += 20) {
    if (waited >= ms) return false
    await pause(20)
  }
  return true
}

/** The environment of a child that must know nothing of ours: no secrets, no locale. */
export const plainEnv = (): NodeJS.ProcessEnv => ({
  NODE_ENV: process.env.NODE_ENV,
  PATH: process.env.PATH,
  SystemRoot: process.env.SystemRoot,
  LC_ALL: 'C',
  TZ: 'UTC',
})
