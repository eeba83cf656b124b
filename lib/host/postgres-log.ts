import { closeSync, constants, lstatSync, openSync, readFileSync, renameSync } from 'node:fs'
import { BootError, errorCode } from './boot-error'

const LOG_KEPT_BYTES = 5_000_000

/** A link in the log's place would have us write or read another's file. Windows knows no such flag. */
const NO_LINK = constants.O_NOFOLLOW ?? 0

/** The server's messages: kept in a file, read back to say why a start failed. */
export class ServerLog {
  constructor(readonly file: string) {}

  size(): number {
    return lstatSync(this.file, { throwIfNoEntry: false })?.size ?? 0
  }

  open(): number {
    if (this.size() > LOG_KEPT_BYTES) renameSync(this.file, `${this.file}.1`)
    const { O_WRONLY, O_APPEND, O_CREAT } = constants
    try {
      return openSync(this.file, O_WRONLY | O_APPEND | O_CREAT | NO_LINK, 0o600)
    } catch (error) {
      if (errorCode(error) === 'ELOOP') throw new BootError(`${this.file} is a link: remove it.`)
      throw error
    }
  }

  private since(offset: number): string {
    try {
      const fd = openSync(this.file, constants.O_RDONLY | NO_LINK)
      try {
        return readFileSync(fd).subarray(offset).toString('utf8')
      } finally {
        closeSync(fd)
      }
    } catch {
      return ''
    }
  }

  says(offset: number, pattern: RegExp): boolean {
    return pattern.test(this.since(offset))
  }

  trouble(offset: number, what: string): BootError {
    const text = this.since(offset)
    if (/No space left on device|Disk quota exceeded/.test(text)) {
      return new BootError(
        `The disk is full: ${what.charAt(0).toLowerCase()}${what.slice(1)}. Free some space and start again.`,
      )
    }
    if (/database files are incompatible with server/.test(text)) {
      return new BootError(
        `${what}: its files were made by another major version of PostgreSQL; move the data with that version's pg_dump.`,
      )
    }
    const lines = text.trim().split('\n')
    const line = lines.findLast((l) => /FATAL|PANIC|error:/i.test(l)) ?? lines.at(-1) ?? ''
    const reason = line.replace(/^.*?(FATAL|PANIC|ERROR):\s*/, '')
    return new BootError(`${what}: ${reason || 'it gave no reason'} (see ${this.file}).`)
  }
}
