/**
 * Whose the data folder is. A portal of root trusts what lies in it (secrets, the numbers of processes,
 * where logs go), so nobody else may ever have been able to put anything there: it is root's, or it is
 * refused. Folders of an earlier scheme, which gave them to the database's user, are taken back.
 */
import {
  closeSync,
  constants,
  fchmodSync,
  fchownSync,
  lstatSync,
  openSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs'
import path from 'node:path'
import { BootError } from './boot-error'
import { isRoot } from './processes'

/** What we write by ourselves and can write again; the database and its like are not among it. */
const OURS = /^(lock|run\.json|demo\.json|postgres\.log|postgres\.password-|postgres\.(new|elsewhere)$)/

/** Gives an opened folder to root: what its path names cannot change meanwhile. */
export function giveToRoot(dir: string, mode: number): void {
  const fd = openSync(dir, constants.O_RDONLY | constants.O_DIRECTORY)
  try {
    fchownSync(fd, 0, 0)
    fchmodSync(fd, mode)
  } finally {
    closeSync(fd)
  }
}

/** True when others may put something into the folder. */
export const isOpen = ({ uid, mode }: { uid: number; mode: number }): boolean =>
  uid !== 0 || (mode & 0o022) !== 0

/**
 * As root: makes sure that the folder and what we believe in it are root's. Does nothing otherwise.
 * @throws BootError when it is another user's portal
 */
export function claimFolder(dir: string): void {
  if (!isRoot()) return
  const stat = statSync(dir)
  if (!stat.isDirectory() || !isOpen(stat)) return
  const judge = () => {
    const secrets = lstatSync(path.join(dir, 'secrets.json'), { throwIfNoEntry: false })
    const good = secrets ? secrets.isFile() && secrets.uid === 0 : !stat.uid || !readdirSync(dir).length
    if (good) return
    const owner = secrets?.uid || stat.uid
    throw new BootError(
      `The data folder ${dir} belongs to another user (uid ${owner}), and this is root: run it as that user, or give the folder to root (chown -R root ${dir}).`,
    )
  }
  judge()
  giveToRoot(dir, 0o700)
  // Closed now; what was there before it was is looked at once more.
  judge()
  for (const name of readdirSync(dir)) {
    const place = path.join(dir, name)
    if (OURS.test(name) && lstatSync(place).uid !== 0) rmSync(place, { recursive: true, force: true })
  }
}
