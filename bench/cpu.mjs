/** CPU time of processes, from /proc/<pid>/stat. */
import { readdirSync, readFileSync } from 'node:fs'

/** Kernel ticks a second; fixed at 100 for /proc on every Linux Node runs on. */
const TICKS = 100

/** {ppid, own, reaped}: user and system milliseconds of the process, and of its children that ended. */
export function stat(pid) {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
    const fields = text
      .slice(text.lastIndexOf(')') + 2)
      .split(' ')
      .map(Number)
    const ms = (from) => ((fields[from] + fields[from + 1]) * 1000) / TICKS
    return { ppid: fields[1], own: ms(11), reaped: ms(13) }
  } catch {
    return null
  }
}

/** Milliseconds of one process. */
export const ofProcess = (pid) => (pid ? (stat(pid)?.own ?? 0) : 0)

/** Milliseconds of a server and the processes it forks (PostgreSQL's backends), those that ended included. */
export function ofFamily(pid) {
  const head = pid ? stat(pid) : null
  if (!head) return 0
  let total = head.own + head.reaped
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    const child = stat(name)
    if (child?.ppid === pid) total += child.own
  }
  return total
}

/** Resident memory in MB, now and at its highest. */
export function memory(pid) {
  const text = readFileSync(`/proc/${pid}/status`, 'utf8')
  const mb = (field) => Number(new RegExp(`^${field}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? 0) / 1024
  return { now: mb('VmRSS'), peak: mb('VmHWM') }
}
