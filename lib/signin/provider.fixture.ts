/** Other providers that are really there, and browsers that go to them and come back, for tests of this room. */
import { afterAll, beforeAll } from 'vitest'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { env, reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import type { Result } from '../base/refusals'
import * as federation from '../federation'
import { ADA, type PeerPerson, type Peers, startPeers } from '../testing/peers'
import * as signin from './index'
import { type Browser, jar, must, somewhere } from './people.fixture'

/** Starts one of each kind; the portal of this test file knows them all. After `useStores`. */
export function usePeers(settings: Record<string, string> = {}): { peers: () => Peers } {
  let peers: Peers
  beforeAll(async () => {
    peers = await startPeers(env().url)
    Object.assign(process.env, peers.env, settings)
    reloadEnv()
  })
  afterAll(() => peers?.stop())
  return { peers: () => peers }
}

export type ProviderId = 'google' | 'github' | 'microsoft' | 'apple' | 'acme'

/** Somebody with an account at a provider, whom nobody here knows. */
export const somebodyThere = (more: Partial<PeerPerson> = {}): PeerPerson => {
  const id = String(Math.floor(Math.random() * 1e15))
  return { ...ADA, sub: id, oid: uuid(), email: `ada.${uuid().slice(0, 8)}@example.com`, ...more }
}

/** Lets the one who is at the provider be this person; GitHub tells of addresses by an API of its own. */
export function become(peers: Peers, id: ProviderId, person: PeerPerson): void {
  peers[id].person = person
  if (id !== 'github') return
  const verified = person.email_verified !== false
  const one = { email: String(person.email), primary: true, verified, visibility: null }
  peers.github.emails = person.email ? [one] : []
}

/** What a browser brings back from a provider: the callback's query, and its cookies by then. */
export interface Back {
  query: URLSearchParams
  caller: Caller
}

/** What sending a browser away comes to. */
export const leave = async ({ flow, caller }: Browser, id: ProviderId) =>
  must(await signin.toProvider(flow, { provider: id }, caller))

/** From an attempt to the provider, and to where it sends the browser back. */
export async function goTo(
  { flow, caller }: Browser,
  peers: Peers,
  id: ProviderId,
  decision: 'continue' | 'cancel' = 'continue',
): Promise<Back> {
  const away = await leave({ flow, caller }, id)
  if (away.step !== 'away') throw new Error(`not sent away: ${JSON.stringify(away)}`)
  const { url, form } = await peers[id].press(away.url, decision)
  const cookies = jar(away.setCookies, caller.cookies)
  if (!form) return { query: url.searchParams, caller: { ...caller, cookies } }
  const kept = must(await federation.keepPosted(id, new URLSearchParams(form)))
  return { query: new URL(kept.url, env().url).searchParams, caller: { ...caller, cookies } }
}

/** There and back again: what came of it for the attempt. */
export async function by(
  browser: Browser,
  peers: Peers,
  id: ProviderId,
  person?: PeerPerson,
): Promise<Result<signin.Outcome>> {
  if (person) become(peers, id, person)
  const { query, caller } = await goTo(browser, peers, id)
  return arrived(await signin.fromProvider(id, query, caller))
}

export function arrived(came: signin.Arrived): Result<signin.Outcome> {
  if (came.purpose !== 'sign_in') throw new Error(`not for a sign-in: ${JSON.stringify(came)}`)
  return came.result
}

/** An account at Acme, for `person({ linked: … })`: a way in for the matrix. */
export const atAcme = (peers: Peers) => ({
  person: somebodyThere(),
  link: (userId: string, person: PeerPerson) => linkedAt(peers, 'acme', userId, person),
  arrive: async (browser: Browser, person: PeerPerson): Promise<Result<signin.Outcome>> => {
    become(peers, 'acme', person)
    const away = await leave(browser, 'acme')
    if (away.step !== 'away') return { ok: true, value: away }
    const { url } = await peers.acme.press(away.url)
    const caller = { ...browser.caller, cookies: jar(away.setCookies, browser.caller.cookies) }
    return arrived(await signin.fromProvider('acme', url.searchParams, caller))
  },
})

/** Links somebody's account at a provider, as if they had done so long ago. */
export async function linkedAt(
  peers: Peers,
  id: ProviderId,
  userId: string,
  person: PeerPerson,
): Promise<string> {
  const issuer = id === 'github' ? `${peers.github.url}/login/oauth` : peers[id].issuer
  const identity: federation.Identity = {
    provider: id,
    issuer,
    subject: person.sub,
    email: String(person.email),
    emailVerified: true,
    firstName: null,
    lastName: null,
    displayName: null,
    locale: null,
    picture: null,
    roles: null,
    authAt: null,
    sessionId: null,
    tokens: null,
  }
  return must(await inTx((tx) => federation.accounts.link(tx, userId, identity, somewhere()))).id
}
