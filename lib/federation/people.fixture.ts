/** Browsers that go to a provider and come back, for the tests of this room. */
import { afterAll, beforeAll } from 'vitest'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import type { Result } from '../base/refusals'
import { testCaller } from '../testing'
import { type ApplePeer, type GithubPeer, type OpenidPeer, type Peers, startPeers } from '../testing/peers'
import * as users from '../users'
import * as federation from './index'
import { forgetMetadata } from './metadata'

export const ORIGIN = 'http://localhost:3000'

/** One provider of each kind, known to the portal. Call after `useStores`. */
export function usePeers(extra: Record<string, string> = {}): () => Peers {
  let peers: Peers
  beforeAll(async () => {
    peers = await startPeers(ORIGIN)
    configure({ ...peers.env, ...extra })
  })
  afterAll(async () => {
    await peers.stop()
    configure({})
  })
  return () => peers
}

/** The portal starts anew with these variables, and with no other of a provider's. */
export function configure(variables: Record<string, string>): void {
  for (const name of Object.keys(process.env)) if (/^PROVIDER/.test(name)) delete process.env[name]
  Object.assign(process.env, variables)
  reloadEnv()
  forgetMetadata()
}

export function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value
}

export const jar = (lines: string[], cookies: Record<string, string> = {}): Record<string, string> => {
  const all = { ...cookies }
  for (const line of lines) {
    const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
    if (value) all[name] = value
    else delete all[name]
  }
  return all
}

export interface Away {
  url: string
  caller: Caller
}

/** A browser that is on its way to a provider. */
export async function away(
  provider: string,
  input: Partial<Parameters<typeof federation.begin>[0]> = {},
  cookies: Record<string, string> = {},
): Promise<Away> {
  const caller = testCaller({ cookies })
  const { url, setCookies } = must(
    await federation.begin({
      purpose: 'sign_in',
      flow: 'a-flow-of-22-letters-x',
      returnTo: '/account',
      ...input,
      provider,
      caller,
    } as Parameters<typeof federation.begin>[0]),
  )
  return { url, caller: { ...caller, cookies: jar(setCookies, cookies) } }
}

type AnyPeer = OpenidPeer | GithubPeer | ApplePeer

/** Presses a button at the provider; the query that the browser comes back with. */
export async function pressed(peer: AnyPeer, url: string, decision: 'continue' | 'cancel' = 'continue') {
  const back = await peer.press(url, decision)
  const provider = back.url.pathname.split('/').at(-1) ?? ''
  if (!back.form) return { provider, query: back.url.searchParams, form: null }
  const form = new URLSearchParams(back.form)
  const kept = must(await federation.keepPosted(provider, form))
  return { provider, query: new URL(kept.url).searchParams, form }
}

/** There and back again. */
export async function trip(
  peer: AnyPeer,
  provider: string,
  input: Partial<Parameters<typeof federation.begin>[0]> = {},
) {
  const { url, caller } = await away(provider, input)
  const { query } = await pressed(peer, url)
  return federation.finish(provider, query, caller)
}

export function identityOf(outcome: federation.Outcome): federation.Identity {
  if (!outcome.ok) throw new Error(outcome.refusal.code)
  return outcome.identity
}

export const codeOf = (outcome: federation.Outcome | Result<unknown>): string =>
  outcome.ok ? 'ok' : outcome.refusal.code

/** Somebody with an account here. */
export async function somebody(): Promise<string> {
  const email = `ada.${uuid().slice(0, 8)}@example.com`
  return inTx(async (tx) => must(await users.register(tx, { email, verified: true, locale: 'en' })).id)
}
