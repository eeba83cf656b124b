/**
 * The running database server: which process it is, and its end. Its pid file is written by the user it
 * runs as, so the file is believed only where the system says the same: root must not signal a stranger.
 */
import { readFileSync, realpathSync, rmSync } from 'node:fs'
import path from 'node:path'
import { BootError, errorCode } from './boot-error'
import {
  commandLine,
  isAlive,
  isStill,
  ownerOf,
  type Process,
  pause,
  startMark,
  waitForExit,
  workingFolder,
  worksIn,
} from './processes'

interface PidFile {
  pid: number
  port: number
  ready: boolean
}

/** postmaster.pid, as the server writes it: pid, folder, start time, port, …, and its state in line 8. */
export function pidFile(data: string): PidFile | null {
  try {
    const lines = readFileSync(path.join(data, 'postmaster.pid'), 'utf8').split('\n')
    return { pid: Number(lines[0]), port: Number(lines[3]), ready: lines[7]?.trim() === 'ready' }
  } catch (error) {
    if (errorCode(error) === 'ENOENT') return null
    throw error
  }
}

/**
 * The process that the pid file names, when it is a server of this user on this folder; null when the
 * number is a stranger's.
 * @param uid as whom the server runs; undefined: as we do
 */
export function serverOf(data: string, pid: number, uid = process.getuid?.()): Process | null {
  const started = startMark(pid)
  const folder = workingFolder(pid)
  const good =
    /postgres/.test(commandLine(pid)) &&
    (uid === undefined || ownerOf(pid) === uid) &&
    (folder === null || folder === realpathSync(data))
  return good ? { pid, started } : null
}

/** SIGINT is PostgreSQL's fast shutdown: it ends the connections and writes a checkpoint. */
export async function stopServer(server: Process): Promise<void> {
  const send = (signal: NodeJS.Signals) => {
    try {
      if (isStill(server)) process.kill(server.pid, signal)
    } catch (error) {
      if (errorCode(error) !== 'ESRCH') throw error
    }
  }
  send('SIGINT')
  if (await waitForExit(server.pid, 15_000)) return
  // Immediate shutdown: no checkpoint; the next start replays the WAL.
  send('SIGQUIT')
  await waitForExit(server.pid, 5_000)
}

/**
 * Ends a server that a killed portal left behind, with all that works in its folder.
 * @throws BootError when something goes on working there
 */
export async function endServer(data: string, uid: number): Promise<void> {
  const found = pidFile(data)
  const server = found && isAlive(found.pid) ? serverOf(data, found.pid, uid) : null
  if (server) await stopServer(server)
  if (!(await isQuiet(data))) {
    throw new BootError(`Processes still work in ${data}: end them and start again.`)
  }
}

/** Waits until nobody works in the folder; false when somebody goes on. */
async function isQuiet(data: string): Promise<boolean> {
  const place = realpathSync(data)
  for (let waited = 0; worksIn(place); waited += 50) {
    if (waited >= 10_000) return false
    await pause(50)
  }
  return true
}

/**
 * A killed server that nobody reaps (the first process of many containers) still counts as running to
 * PostgreSQL. Its pid file may go once none of its backends works in the folder any more.
 */
export async function forgetUnreaped(data: string, pid: number): Promise<void> {
  const quiet = await isQuiet(data)
  try {
    process.kill(pid, 0)
  } catch {
    return
  }
  if (quiet) rmSync(path.join(data, 'postmaster.pid'), { force: true })
}
