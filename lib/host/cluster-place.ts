/**
 * Where the cluster lies, and whose it is. PostgreSQL refuses to run as root, so a portal of root runs it
 * as another user, who can neither reach nor write the data folder: the cluster is kept in a place of the
 * system, `<data folder>/postgres` is a link to it, and every folder above the cluster is root's.
 */
import { spawnSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  lchownSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import path from 'node:path'
import { BootError, errorCode, fileTrouble } from './boot-error'
import { giveToRoot, isOpen } from './claim'
import { endServer } from './postgres-process'
import { firstUser, type Ids, isRoot, plainEnv } from './processes'

/** Where a portal of root keeps what another user must reach; scripts/remove-data.mjs knows it too. */
const SYSTEM_PLACE = process.platform === 'darwin' ? '/usr/local/var/gatehouse' : '/var/lib/gatehouse'

export interface ClusterPlace {
  /** The cluster; made by initdb at the first start. */
  data: string
  /** As whom to run it; undefined: as we are. */
  runAs: Ids | undefined
}

/** @throws BootError when the system has no place for it, or one that others can write */
export function systemPlace(): string {
  try {
    mkdirSync(SYSTEM_PLACE, { recursive: true, mode: 0o755 })
  } catch (error) {
    throw fileTrouble(error, 'folder', SYSTEM_PLACE) ?? error
  }
  if (isOpen(statSync(SYSTEM_PLACE))) {
    throw new BootError(
      `${SYSTEM_PLACE} can be written by others than root, who is to keep the database there: close it (chown root, chmod 0755), or start Gatehouse as a normal user.`,
    )
  }
  return SYSTEM_PLACE
}

/**
 * Finds the cluster's place; as root, makes it and moves there what an earlier scheme left in the folder.
 * @throws BootError in one sentence when there is none
 */
export async function clusterPlace(dataFolder: string): Promise<ClusterPlace> {
  const link = path.join(dataFolder, 'postgres')
  if (!isRoot()) return { data: isLink(link) ? linkTarget(link) : link, runAs: undefined }
  settleMove(link)
  if (!isLink(link)) await keepElsewhere(link)
  else if (lstatSync(link).uid !== 0)
    throw new BootError(`${link} is a link that root did not make: remove it.`)
  const data = linkTarget(link)
  closeHome(path.dirname(data))
  const runAs = userOf(data)
  if (lstatSync(data, { throwIfNoEntry: false })?.uid === 0) giveTo(data, runAs)
  return { data, runAs }
}

const isLink = (file: string): boolean =>
  lstatSync(file, { throwIfNoEntry: false })?.isSymbolicLink() ?? false

/** Where the link leads, though the cluster may not be made yet. */
function linkTarget(link: string): string {
  const target = path.resolve(path.dirname(link), readlinkSync(link))
  if (existsSync(path.dirname(target))) return target
  throw new BootError(
    `The database of ${path.dirname(link)} was kept in ${target}, which is gone: restore it, or remove ${path.dirname(link)} to begin anew.`,
  )
}

/** As whom a portal of root runs PostgreSQL: whoever owns the data already, else a user of the system. */
function userOf(data: string): Ids {
  const stat = lstatSync(data, { throwIfNoEntry: false })
  if (stat && !stat.isDirectory()) throw new BootError(`${data} is not a folder: the database belongs there.`)
  if (stat?.uid) return { uid: stat.uid, gid: stat.gid, name: `uid ${stat.uid}` }
  const ids = firstUser('postgres', 'nobody')
  if (!ids) {
    throw new BootError(
      'PostgreSQL does not run as root, and this system has neither a user "postgres" nor "nobody": start Gatehouse as a normal user, or set DATABASE_URL.',
    )
  }
  return ids
}

/** The folder around the cluster is passed through by the database's user and written by root alone. */
function closeHome(home: string): void {
  const stat = lstatSync(home)
  if (stat.isDirectory() && !isOpen(stat)) return
  if (!stat.isDirectory() || path.dirname(home) !== SYSTEM_PLACE) {
    throw new BootError(
      `${home} can be written by others than root, who keeps the database there: give it to root (chown root, chmod 0711).`,
    )
  }
  giveToRoot(home, 0o711)
}

/** From the bottom up: whoever gets it cannot enter before all of it is theirs. */
function giveTo(place: string, ids: Ids): void {
  if (lstatSync(place).isDirectory())
    for (const name of readdirSync(place)) giveTo(path.join(place, name), ids)
  lchownSync(place, ids.uid, ids.gid)
}

/** Says where the cluster is moving to, until it is there: a kill in between loses nothing. */
const movingLink = (link: string): string => `${link}.elsewhere`

/** Finishes the move that a kill interrupted, or forgets it when the cluster is still in its old place. */
function settleMove(link: string): void {
  const moving = movingLink(link)
  // Half made by an earlier scheme; half removed after a move.
  rmSync(`${link}.new`, { recursive: true, force: true })
  if (isLink(link)) rmSync(`${link}.moved`, { recursive: true, force: true })
  if (!isLink(moving)) return
  if (existsSync(readlinkSync(moving)) && !lstatSync(link, { throwIfNoEntry: false })) {
    renameSync(moving, link)
    rmSync(`${link}.moved`, { recursive: true, force: true })
  } else {
    if (!isLink(link)) rmSync(path.dirname(readlinkSync(moving)), { recursive: true, force: true })
    rmSync(moving)
  }
}

/** Makes a place for the cluster and the link to it, and moves the cluster there when there is one. */
async function keepElsewhere(link: string): Promise<void> {
  const system = systemPlace()
  const existing = lstatSync(link, { throwIfNoEntry: false })
  const owner = userOf(link)
  if (existing) await endServer(link, owner.uid)
  const place = path.join(system, randomBytes(6).toString('hex'), 'postgres')
  mkdirSync(path.dirname(place), { mode: 0o711 })
  if (!existing) {
    symlinkSync(place, link)
    return
  }
  symlinkSync(place, movingLink(link))
  try {
    renameSync(link, place)
  } catch (error) {
    if (errorCode(error) !== 'EXDEV') throw error
    copy(link, `${place}.new`, existing.uid === 0 ? undefined : owner)
    renameSync(`${place}.new`, place)
    renameSync(link, `${link}.moved`)
  }
  settleMove(link)
}

/**
 * Copies a cluster to another disk with the rights of whoever could write it: a link or a swapped folder
 * in it leads root nowhere. The folder it starts from is entered before the rights are given up.
 */
function copy(from: string, to: string, owner: Ids | undefined): void {
  if (!owner) {
    const filter = (file: string) => !lstatSync(file).isSocket()
    cpSync(from, to, { recursive: true, preserveTimestamps: true, verbatimSymlinks: true, filter })
    chmodSync(to, 0o700)
    return
  }
  mkdirSync(to, { mode: 0o700 })
  lchownSync(to, owner.uid, owner.gid)
  const { status, stderr, error } = spawnSync('cp', ['-a', '.', to], {
    cwd: from,
    env: plainEnv(),
    uid: owner.uid,
    gid: owner.gid,
    encoding: 'utf8',
  })
  if (status === 0) return
  rmSync(to, { recursive: true, force: true })
  const reason = error?.message ?? stderr.trim().split('\n')[0]
  throw new BootError(
    /No space left|quota/.test(stderr ?? '')
      ? `The disk is full: the database cannot be moved to ${path.dirname(to)}. Free some space and start again.`
      : `The database cannot be moved from ${from} to ${path.dirname(to)}: ${reason}.`,
  )
}
