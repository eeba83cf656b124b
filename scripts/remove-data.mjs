/** Removes a data folder for good, with the database that a portal of root kept elsewhere for it. */
import { lstatSync, readlinkSync, rmSync } from 'node:fs'
import path from 'node:path'

/** What lib/host/cluster-place.ts makes there: one folder for each data folder. */
const KEPT = /^(\/var\/lib|\/usr\/local\/var)\/gatehouse\/[0-9a-f]{12}$/

/** @param {string} folder of a portal that has ended */
export function removeData(folder) {
  for (const name of ['postgres', 'postgres.elsewhere']) {
    const link = path.join(folder, name)
    if (!lstatSync(link, { throwIfNoEntry: false })?.isSymbolicLink()) continue
    const home = path.dirname(path.resolve(folder, readlinkSync(link)))
    if (KEPT.test(home)) rmSync(home, { recursive: true, force: true })
  }
  rmSync(folder, { recursive: true, force: true })
}
