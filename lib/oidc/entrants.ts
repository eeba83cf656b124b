/**
 * Whether a person may enter an app, asked of their roles and proven addresses as they are now. Only apps that do not let
 * everybody in cost a look.
 */
import { LRUCache } from 'lru-cache'
import { record } from '../audit'
import { nowMs } from '../base/clock'
import { log } from '../base/log'
import * as users from '../users'
import { current } from './context'
import { type EntryLack, entryLacks, entryWhy, isRestricted } from './entry'
import { type KoaContextWithOIDC, Provider } from './library'
import type { ClientRow } from './store-registry'

/** What the app is told, and nothing more. */
export const NOT_LET_IN = 'the End-User may not use this client'

/** As long as anything of the room is believed when the message that drops it is lost. */
const BELIEVED_MS = 5000

const known = new LRUCache<string, { person: users.Memberships | null; until: number }>({ max: 20_000 })
let drops = 0

/** Forgets what one user belongs to, or everyone (messages were lost). */
export function drop(userId?: string): void {
  drops++
  if (userId) known.delete(userId)
  else known.clear()
}

/** @param believed an answer of the last seconds will do */
async function membershipsOf(userId: string, believed: boolean): Promise<users.Memberships | null> {
  const found = believed && known.get(userId)
  if (found && nowMs() < found.until) return found.person
  const since = drops
  const person = await users.memberships(userId)
  if (since === drops) known.set(userId, { person, until: nowMs() + BELIEVED_MS })
  return person
}

interface Entering {
  userId: string
  /** Undefined: no session is at work, but a token of the person's own. */
  sid?: string | undefined
  /** An answer of the last seconds will do: nothing new is given. */
  believed?: boolean
}

/**
 * What a person lacks to enter an app; [] for who may.
 * @throws StoresDown
 */
export async function lacksToEnter(
  { settings }: Pick<ClientRow, 'settings'>,
  { userId, believed = false }: Entering,
): Promise<EntryLack[]> {
  return isRestricted(settings) ? entryLacks(settings, await membershipsOf(userId, believed)) : []
}

/**
 * Whether a person may enter. A request that is refused for it is told of to the app's developers and in the person's
 * history, with the reason.
 * @throws StoresDown
 */
export async function mayEnter(client: ClientRow, who: Entering): Promise<boolean> {
  const lacks = await lacksToEnter(client, who)
  if (lacks.length > 0) noteRefusal(client, who, lacks)
  return lacks.length === 0
}

/** An app that asks again and again is written down once a day for each session. */
const AGAIN_MS = 86_400_000
const noted = new LRUCache<string, number>({ max: 10_000 })

function noteRefusal(client: ClientRow, { userId, sid }: Entering, lacks: EntryLack[]): void {
  // Outside of a request of the protocol somebody only wonders (trial.ts).
  const state = current()
  if (!state) return
  state.whyNot = entryWhy(client.settings, lacks)
  const name = [client.id, userId, sid, ...lacks].join(' ')
  if (nowMs() < (noted.get(name) ?? 0)) return
  noted.set(name, nowMs() + AGAIN_MS)
  const { route } = (Provider.ctx as KoaContextWithOIDC).oidc
  record(null, {
    type: 'entry.refused',
    outcome: 'failure',
    userId,
    sessionId: sid,
    clientId: client.id,
    caller: state.caller,
    data: { lacks, at: route },
  }).catch((cause: Error) => log().warn({ err: cause.message }, 'a refused entry was not recorded'))
}
