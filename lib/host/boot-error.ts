/** A start that cannot go on, said in one sentence for the person at the terminal; the exit code is 1. */
export class BootError extends Error {
  override name = 'BootError'
}

/** The POSIX code of a failed system call (EACCES, ENOSPC, …), if that is what failed. */
export const errorCode = (error: unknown): string | undefined => (error as NodeJS.ErrnoException)?.code

/** What went wrong with a file or folder, in words that say how to mend it; null when it is something else. */
export function fileTrouble(error: unknown, what: string, file: string): BootError | null {
  switch (errorCode(error)) {
    case 'ENOSPC':
    case 'EDQUOT':
      return new BootError(
        `The disk is full: ${what} ${file} cannot be written. Free some space and start again.`,
      )
    case 'EACCES':
    case 'EPERM':
      return new BootError(
        `The ${what} ${file} cannot be read and written by ${whoami()}: give it to that user (chown) or name another with GATEHOUSE_DATA.`,
      )
    case 'EROFS':
      return new BootError(
        `The ${what} ${file} lies on a read-only disk: name another place with GATEHOUSE_DATA.`,
      )
    case 'ENOTDIR':
    case 'EEXIST':
      return new BootError(`The ${what} ${file} is not a folder: name another place with GATEHOUSE_DATA.`)
    default:
      return null
  }
}

export const whoami = (): string =>
  `user ${process.env.USER ?? process.env.LOGNAME ?? ''}`.trim() +
  (process.getuid ? ` (uid ${process.getuid()})` : '')
