/** The devices page: what a person sees of their browsers and sessions, and the name they give to one. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { cleanText } from '../base/clean'
import { inTx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import * as store from './store-devices'

export type { DeviceView, PlaceInList, SessionView, Wanted } from './store-devices'
export { COUNTED } from './store-devices'

/** Longest name a person may give to a device. */
export const MAX_NAME = 40
const MAX_PAGE = 50

interface Paging {
  limit: number
  before?: store.PlaceInList | undefined
}

interface Page<Row> {
  rows: Row[]
  /** Where the next page begins; null on the last one. */
  next: store.PlaceInList | null
}

/** Reads one row more than the page holds, to know whether there is another. */
async function pageOf<Row>(
  { limit, before }: Paging,
  read: (options: { limit: number; before?: store.PlaceInList }) => Promise<Row[]>,
  place: (row: Row) => store.PlaceInList,
): Promise<Page<Row>> {
  const size = Math.max(1, Math.min(limit, MAX_PAGE))
  const found = await read({ limit: size + 1, ...(before && { before }) })
  const rows = found.slice(0, size)
  const last = found.length > size ? rows.at(-1) : undefined
  return { rows, next: last ? place(last) : null }
}

const placeOfDevice = (row: store.DeviceView) => ({ at: row.lastSeenAt, id: row.id })

/**
 * Devices of a user, most recently seen first.
 * @param options.exceptId the one that is shown apart
 * @param options.wanted only those that match; `exceptId` is then among them
 */
export const page = (
  userId: string,
  options: Paging & { exceptId: string | null; wanted?: store.Wanted | null },
): Promise<Page<store.DeviceView>> => {
  const { exceptId, wanted } = options
  return pageOf(
    options,
    (part) =>
      wanted
        ? store.searchDevices(userId, { ...part, wanted })
        : store.pageOfDevices(userId, { ...part, exceptId }),
    placeOfDevice,
  )
}

/** One device; null when it is none of this user's. */
export const get = async (userId: string, id: string): Promise<store.DeviceView | null> =>
  isUuid(id) ? store.readDevice(userId, id) : null

/** Live sessions of one device of a user, most recently active first. */
export const sessions = (
  userId: string,
  deviceId: string,
  paging: Paging,
): Promise<Page<store.SessionView>> =>
  pageOf(
    paging,
    (part) => store.sessionsOf(userId, deviceId, part),
    (row) => ({ at: row.lastActiveAt, id: row.sid }),
  )

/** Which device a live session of this user is on; null for none, and for a session of somebody else. */
export const deviceOf = async (userId: string, sid: string): Promise<string | null> =>
  isUuid(sid) ? ((await store.deviceOf(userId, sid)) ?? null) : null

/** How many live sessions a user has besides this one, counted up to `most`. */
export const countOthers = store.countOthers

/**
 * Names a device; an empty name gives it back the one its browser has.
 * @returns refusals `invalid_input` (too long), `not_found` (somebody else's too)
 */
export async function rename(
  userId: string,
  id: string,
  text: string,
  caller: Caller,
): Promise<Result<{ name: string | null }>> {
  const name = cleanText(text.normalize('NFC'), 200) || null
  if (name && [...name].length > MAX_NAME) return refuse('invalid_input', { field: 'name' })
  if (!isUuid(id)) return refuse('not_found')
  return inTx(async (tx) => {
    const before = await store.rename(tx, userId, id, name)
    if (before === undefined) return refuse('not_found')
    if (before !== name) {
      await record(tx, { type: 'device.renamed', userId, caller, deviceId: id, data: { name, before } })
    }
    return ok({ name })
  })
}
