/**
 * What the end of sessions means for apps: what a revoke will end, for whoever is about to press the button,
 * and which apps know of it, for whoever has.
 */
import { type DeliveryState, receipts as deliveryReceipts } from '../audit'
import * as sessions from '../sessions'
import { debtOf, KIND } from './backchannel'
import * as clients from './clients'
import * as store from './store'

/** How an app learns that a session ended; null: at its next refresh or userinfo, which fail. */
export type Told = 'back_channel' | 'front_channel' | null

export interface EndingApp {
  clientId: string
  name: string
  logoUri: string | null
  /** How many of the sessions are signed in to it. */
  sessions: number
  /** Sign-ins whose refresh tokens end (families that could still be refreshed). */
  tokens: number
  told: Told
}

export interface Ending {
  sessions: number
  /** There are more sessions than were looked at (1,000). */
  more: boolean
  /** Most used first. */
  apps: EndingApp[]
}

/**
 * What `sessions.revoke(where)` would end at this moment.
 * @throws StoresDown
 */
export async function whatEnds(where: sessions.RevokeWhere): Promise<Ending> {
  const sids = await sessions.wouldEnd(where)
  const rows = await store.appsOf(sids)
  return {
    sessions: sids.length,
    more: sids.length === 1000,
    apps: rows.map(({ metadata, ...app }) => ({
      ...app,
      logoUri: metadata.logo_uri ?? null,
      told: clients.toldBy(metadata),
    })),
  }
}

export interface Receipt {
  clientId: string
  name: string
  logoUri: string | null
  /** `reached`: it said yes; `trying`: not yet; `given_up`: it never did. The worst of its sessions. */
  state: 'reached' | 'trying' | 'given_up'
}

export interface Receipts {
  apps: Receipt[]
  reached: number
  trying: number
  givenUp: number
}

const WORST = ['reached', 'trying', 'given_up'] as const
const STATE: Record<DeliveryState, Receipt['state']> = {
  delivered: 'reached',
  owed: 'trying',
  failed: 'given_up',
}

/** The worst of several debts of one app; null for none. */
export function stateOf(states: (DeliveryState | null)[]): Receipt['state'] | null {
  const all = states.map((state) => STATE[state ?? 'owed'])
  return [...WORST].reverse().find((state) => all.includes(state)) ?? null
}

/**
 * Which apps were told that the sessions of one revoke ended (back-channel; nobody else gives receipts).
 * @param revokeId `id` of what `sessions.revoke` gave; another user's gives nothing
 * @throws StoresDown
 */
export async function receipts(userId: string, revokeId: string): Promise<Receipts> {
  const known = /^[0-9a-f-]{36}$/.test(revokeId) ? await sessions.endedBy(userId, revokeId) : []
  const debts = await store.logoutsOf(known)
  const states = await deliveryReceipts(KIND, debts.map(debtOf))
  const apps = new Map<string, Receipt>()
  debts.forEach(({ clientId, name, metadata }, index) => {
    const state = STATE[states[index] ?? 'owed']
    const before = apps.get(clientId)
    if (before && WORST.indexOf(before.state) >= WORST.indexOf(state)) return
    apps.set(clientId, { clientId, name, logoUri: metadata.logo_uri ?? null, state })
  })
  const all = [...apps.values()].sort((a, b) => a.name.localeCompare(b.name))
  const count = (state: Receipt['state']) => all.filter((app) => app.state === state).length
  return { apps: all, reached: count('reached'), trying: count('trying'), givenUp: count('given_up') }
}
