/** Consents: what a user allows an app, remembered for both, growing with what is asked, taken back as a whole. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { randomToken } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { buryGrants, grantPayload } from './adapter'
import * as clients from './clients'
import { grantId, stateOf } from './context'
import type { AdapterPayload, KoaContextWithOIDC } from './library'
import { lacking } from './policy'
import * as revocations from './revocations'
import { isProviderTokensScope } from './scopes'
import * as store from './store'

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
  const settled = lacking(ctx).length === 0
  // Nor is anybody's token of another provider the house's to give.
  const askable = scopes.some((s) => isProviderTokensScope(s) && !grant?.scopes.includes(s))
  if (client.firstParty && !covered && !askable && settled && !ctx.oidc.prompts.has('consent')) {
    return asPayload(
      await save({
        userId: facts.userId,
        clientId: client.id,
        scopes,
        claims,
        resources,
        caller,
        silent: true,
      }),
      facts.userId,
      client.id,
    )
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

/** Remembers what a user allows an app, beside what was allowed before. */
export function save(given: {
  userId: string
  clientId: string
  scopes: string[]
  claims: string[]
  resources?: Record<string, string[]>
  caller: Caller
  sessionId?: string
  silent?: boolean
}): Promise<store.GrantRow> {
  const { userId, clientId, scopes, claims, resources = {}, caller, sessionId, silent } = given
  return store.mergeGrant(
    { id: newId(), userId, clientId, scopes, claims, resources },
    {
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
    },
  )
}

export interface GrantView {
  clientId: string
  clientName: string
  logoUri: string | null
  clientUri: string | null
  scopes: string[]
  claims: string[]
  createdAt: Date
  lastUsedAt: Date | null
}

/** Apps the user allows something, most recently used first; at most `limit` (default and most 200). */
export async function list(userId: string, limit = 200): Promise<GrantView[]> {
  const rows = await store.listGrants(userId, Math.max(1, Math.min(limit, 200)))
  return Promise.all(
    rows.map(async ({ clientId, scopes, claims, createdAt, lastUsedAt }) => {
      const client = await clients.get(clientId)
      return {
        clientId,
        clientName: client?.name ?? clientId,
        logoUri: client?.logoUri ?? null,
        clientUri: client?.clientUri ?? null,
        scopes,
        claims,
        createdAt,
        lastUsedAt,
      }
    }),
  )
}

interface By {
  actor?: string
  caller?: Caller
}

/**
 * Takes back what a user allowed an app: every token of the app for this user is dead at its next use,
 * and the app has to ask again.
 * @returns refusal `not_found` when there is nothing to take back
 */
export async function revoke(userId: string, clientId: string, by: By = {}): Promise<Result> {
  const ended = await store.inTx((tx) => takeBack(tx, { userId, clientId }, by))
  return ended > 0 ? ok() : refuse('not_found')
}

/** Takes back, in `tx`, all that a user ever allowed any app. @returns from how many apps */
export const revokeAll = (tx: Tx, userId: string, by: By = {}): Promise<number> =>
  takeBack(tx, { userId }, by)

async function takeBack(tx: Tx, where: { userId: string; clientId?: string }, by: By): Promise<number> {
  const rows = await store.revokeGrants(tx, where)
  for (const { clientId } of rows) {
    await record(tx, { type: 'grant.revoked', userId: where.userId, clientId, ...by })
  }
  // Before the commit: should this process die in between, tokens are dead too early, never too late.
  await buryGrants(rows.map((row) => row.id))
  return rows.length
}
