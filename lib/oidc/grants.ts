/** Consents: what a user allows an app, remembered for both, growing with what is asked, taken back as a whole. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { randomToken } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'
import { buryGrants, grantPayload } from './adapter'
import { oweRemoved } from './backchannel'
import * as clients from './clients'
import { grantId, stateOf } from './context'
import { mayEnter } from './entrants'
import type { AdapterPayload, KoaContextWithOIDC } from './library'
import { lacking } from './policy'
import * as revocations from './revocations'
import { isProviderTokensScope } from './scopes'
import * as store from './store'
import * as ended from './store-connected'

const newId = (): string => randomToken(16)

/** A consent with a new family: every sign-in to an app can be revoked by itself. */
function asPayload(grant: store.GrantRow, userId: string, clientId: string): AdapterPayload {
  const id = grantId(grant.id, newId())
  revocations.fresh(id)
  return grantPayload(id, { ...grant, userId, clientId })
}

/**
 * The consent that holds for the request being judged, as the library's Grant payload. First-party apps
 * get what they ask for without a question, unless they ask for the question (prompt=consent).
 */
export async function existing(ctx: KoaContextWithOIDC): Promise<AdapterPayload | null> {
  const { facts, caller } = stateOf(ctx.req)
  const client = await clients.active(ctx.oidc.client?.clientId ?? '')
  if (!facts || !client) return null
  const grant = await store.liveGrant(facts.userId, client.id)
  const scopes = [...ctx.oidc.requestParamOIDCScopes]
  const claims = [...ctx.oidc.requestParamClaims]
  const resources = resourcesAsked(ctx)
  const covered =
    grant &&
    scopes.every((s) => grant.scopes.includes(s)) &&
    claims.every((c) => grant.claims.includes(c)) &&
    Object.entries(resources).every(([id, all]) => all.every((s) => grant.resources[id]?.includes(s)))
  const settled = lacking(ctx).length === 0 && (await mayEnter(client, facts))
  // Nor is anybody's token of another provider the house's to give.
  const askable = scopes.some((s) => isProviderTokensScope(s) && !grant?.scopes.includes(s))
  if (client.firstParty && !covered && !askable && settled && !ctx.oidc.prompts.has('consent')) {
    const { userId } = facts
    const given = { userId, clientId: client.id, scopes, claims, resources, caller, silent: true }
    return asPayload(await store.inTx((tx) => save(tx, given)), userId, client.id)
  }
  return grant ? asPayload(grant, facts.userId, client.id) : null
}

/** What is asked of each API that tokens are asked for. */
const resourcesAsked = (ctx: KoaContextWithOIDC): Record<string, string[]> =>
  Object.fromEntries(
    Object.entries(ctx.oidc.resourceServers ?? {}).map(([id, { scopes }]) => [
      id,
      [...ctx.oidc.requestParamScopes].filter((scope) => scopes.has(scope)),
    ]),
  )

/** Remembers in `tx` what a user allows an app, beside what was allowed before. */
export async function save(
  tx: Tx,
  given: {
    userId: string
    clientId: string
    scopes: string[]
    claims: string[]
    resources?: Record<string, string[]>
    caller: Caller
    sessionId?: string
    silent?: boolean
  },
): Promise<store.GrantRow> {
  const { userId, clientId, scopes, claims, resources = {}, caller, sessionId, silent } = given
  const saved = await store.mergeGrant(tx, { id: newId(), userId, clientId, scopes, claims, resources })
  await record(tx, {
    type: 'consent.granted',
    userId,
    clientId,
    sessionId,
    caller,
    data: {
      scopes,
      claims,
      ...(Object.keys(resources).length > 0 && { resources }),
      ...(silent && { firstParty: true }),
    },
  })
  return saved
}

interface By {
  actor?: string
  caller?: Caller
}

/** What ended with a consent. */
export interface Removed {
  /** Names it: `removal` tells what became of it. */
  id: string
  /** Sign-ins of the app that ended: one for each session. */
  sessions: number
  /** Of these, those that it could have renewed by itself. */
  tokens: number
}

/**
 * Takes back what a user allowed an app: every token of the app for this user is dead at its next use, it is told that
 * it is signed out of the sessions there are, and it has to ask again. The sessions themselves go on.
 * @returns refusal `not_found` when there is nothing to take back
 */
export async function revoke(userId: string, clientId: string, by: By = {}): Promise<Result<Removed>> {
  const [one] = await store.inTx((tx) => takeBack(tx, { userId, clientId }, true, by))
  return one ? ok({ id: one.id, sessions: one.sids.length, tokens: one.tokens }) : refuse('not_found')
}

/**
 * Takes back, in `tx`, all that a user ever allowed any app. For callers that end all sessions too: apps are told by
 * their end.
 * @returns from how many apps
 */
export const revokeAll = async (tx: Tx, userId: string, by: By = {}): Promise<number> =>
  (await takeBack(tx, { userId, clientId: null }, false, by)).length

/** @param signOut the app is signed out of the sessions there are, which go on */
async function takeBack(
  tx: Tx,
  { userId, clientId }: { userId: string; clientId: string | null },
  signOut: boolean,
  by: By,
): Promise<ended.EndedGrant[]> {
  const all: ended.EndedGrant[] = []
  for (const id of await ended.liveGrantIds(tx, userId, clientId)) {
    if (!(await ended.holdGrant(tx, id))) continue
    // Read once it is held: a session that was opened and entered by the app a moment ago is among them.
    const one = await ended.endGrant(tx, id, signOut ? await sessions.wouldEnd({ userId }, 1000, tx) : [])
    if (!one) continue
    all.push(one)
    const data = { sessions: one.sids.length, tokens: one.tokens }
    await record(tx, { type: 'grant.revoked', userId, clientId: one.clientId, ...by, data })
    if (one.told) await oweRemoved(tx, userId, one)
  }
  // Before the commit: should this process die in between, tokens are dead too early, never too late.
  await buryGrants(all.map(({ id }) => id))
  return all
}
