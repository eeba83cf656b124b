/**
 * APIs that access tokens can be made for: registered here by their address (RFC 8707), cached in this process, dropped
 * from the cache by a message when they change. Which app may reach which of them stands with the app.
 */
import { LRUCache } from 'lru-cache'
import { z } from 'zod'
import { record } from '../audit'
import { isStorable } from '../base/clean'
import { nowMs } from '../base/clock'
import { onCommit } from '../base/db'
import { isLoopbackHost } from '../base/env'
import { CHANNELS } from '../base/keys'
import { publish } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { ALGORITHMS, MAX_LIFETIME_SECONDS } from './keys'
import { isManagementScope, managementApi, managementId } from './management'
import { CLAIMS, isProviderTokensScope } from './scopes'
import { inTx } from './store'
import type { ClientSettings } from './store-registry'
import * as store from './store-resources'

// ── the cache ────────────────────────────────────────────────────────────────

const BELIEVED_MS = 5000
const entries = new LRUCache<string, { row: store.ResourceRow | null; until: number }>({ max: 1000 })
let drops = 0

async function find(id: string): Promise<store.ResourceRow | null> {
  if (id === managementId()) return managementApi()
  const entry = entries.get(id)
  if (entry && nowMs() < entry.until) return entry.row
  const since = drops
  const row = await store.findResource(id)
  if (since === drops) entries.set(id, { row, until: nowMs() + BELIEVED_MS })
  return row
}

/** Forgets one API, or all. */
export function drop(id?: string): void {
  drops++
  if (id) entries.delete(id)
  else entries.clear()
}

const announce = async (id: string): Promise<void> => {
  drop(id)
  await publish(CHANNELS.cacheDrop, { kind: 'resource', id })
}

/** An API as far as one app may reach it. */
export interface Reach {
  row: store.ResourceRow
  /** What the app may ask for there. */
  scopes: string[]
}

/**
 * What an app may reach of an API, by what is registered now for both.
 * @returns null when there is no such API or the app is not registered for it
 */
export async function reachOf(settings: ClientSettings, id: string): Promise<Reach | null> {
  const own = settings.resources && Object.hasOwn(settings.resources, id) ? settings.resources[id] : undefined
  // A name that nobody registered costs an app of the operator's no query.
  if (own === undefined && (!settings.registered || addressProblem(id) !== null)) return null
  const row = await find(id)
  if (!row) return null
  const allowed = own ?? (row.open ? true : undefined)
  if (allowed === undefined) return null
  const all = row.scopes.map(({ name }) => name)
  // What the portal itself takes is named one by one, whatever comes to be there later.
  if (id === managementId() && allowed === true) return null
  return { row, scopes: allowed === true ? all : all.filter((name) => allowed.includes(name)) }
}

/** A scope of APIs, in the operator's words. */
export interface ApiScope {
  /** The names of the APIs that it is a scope of. */
  apis: string[]
  /** What it allows; null where the operator said nothing. */
  description: string | null
}

/** Words for scopes of APIs, given by the address of each, for whoever is asked to allow them. */
export async function describeScopes(of: Record<string, string[]>): Promise<Record<string, ApiScope>> {
  const said: Record<string, ApiScope> = {}
  for (const [id, names] of Object.entries(of)) {
    const row = await find(id)
    for (const name of names) {
      const scope = row?.scopes.find((one) => one.name === name)
      const before = said[name] ?? { apis: [], description: null }
      said[name] = {
        apis: [...before.apis, row?.name ?? id],
        description: before.description ?? scope?.description ?? null,
      }
    }
  }
  return said
}

/** Which of these scopes each of these APIs has, by its address. */
export async function scopesAt(ids: string[], names: string[]): Promise<Record<string, string[]>> {
  const rows = await Promise.all(ids.map(find))
  return Object.fromEntries(
    rows.flatMap((row) =>
      row ? [[row.id, names.filter((name) => row.scopes.some((one) => one.name === name))]] : [],
    ),
  )
}

// ── for operators ────────────────────────────────────────────────────────────

/** OpenID Connect's and the portal's own, which no API can have: a token for an API would say something else by them. */
const isTaken = (scope: string): boolean =>
  scope === 'offline_access' ||
  Object.hasOwn(CLAIMS, scope) ||
  isProviderTokensScope(scope) ||
  isManagementScope(scope)

/** Why this cannot be the address of an API, or null. It is compared letter by letter and never fetched. */
export function addressProblem(id: string): string | null {
  const url = URL.canParse(id) ? new URL(id) : null
  if (!url || id.length > 500 || /[\s\\"]/.test(id))
    return 'must be an absolute URI, such as https://api.example.com'
  if (id.includes('#')) return 'must not have a fragment (#…)'
  if (url.username || url.password) return 'must not carry a user name or password'
  if (!isStorable(id)) return 'must be text'
  if (url.protocol === 'http:' && !isLoopbackHost(url.hostname))
    return 'must be https; http is for this machine only'
  return null
}

/** RFC 6749 section 3.3. */
export const SCOPE_NAME = /^[\x21\x23-\x5b\x5d-\x7e]{1,100}$/

/** The portal's own API is there without anybody registering it. */
const ownProblem = (id: string): string | null =>
  id === managementId() || id.startsWith(`${managementId()}/`) ? 'is an address of the portal itself' : null

const schema = z.object({
  id: z.string().superRefine((id, ctx) => {
    const message = addressProblem(id) ?? ownProblem(id)
    if (message) ctx.addIssue({ code: 'custom', message })
  }),
  name: z.string().trim().min(1, 'must not be empty').max(80, 'must have at most 80 characters'),
  scopes: z
    .array(
      z.object({
        name: z
          .string()
          .regex(SCOPE_NAME, 'must be a word without spaces, quotes or backslashes')
          .refine(
            (name) => !isTaken(name),
            'is a scope of OpenID Connect or of the portal: choose another word',
          ),
        description: z.string().trim().max(200, 'must have at most 200 characters').optional(),
      }),
    )
    .max(100, 'must be at most 100')
    .refine((all) => new Set(all.map(({ name }) => name)).size === all.length, 'must differ from each other')
    .default([]),
  format: z.enum(['jwt', 'opaque'], 'must be jwt or opaque').default('jwt'),
  algorithm: z.enum(ALGORITHMS, `must be one of ${ALGORITHMS.join(', ')}`).default('ES256'),
  open: z.boolean().default(false),
  lifetimeSeconds: z
    .number()
    .int('must be a whole number')
    .min(60, 'must be a minute at least')
    .max(MAX_LIFETIME_SECONDS, 'must be a day at most')
    .nullable()
    .default(null),
})

export type NewResource = z.input<typeof schema>
export type ResourceView = store.ResourceRow
export type ResourceChanges = Partial<Omit<NewResource, 'id'>>

interface By {
  actor?: string
}

function judge(input: unknown): Result<z.output<typeof schema>> {
  const parsed = schema.safeParse(input)
  if (parsed.success) return ok(parsed.data)
  const issue = parsed.error.issues[0]
  const field = String(issue?.path[0] ?? 'resource')
  return refuse('invalid_input', { field, values: { message: `${field}: ${issue?.message}` } })
}

/**
 * Registers an API.
 * @returns refusal `invalid_input` with `values.message`, `already_exists`
 */
export async function add(input: NewResource, by: By = {}): Promise<Result> {
  const judged = judge(input)
  if (!judged.ok) return judged
  const row = judged.value
  return inTx(async (tx) => {
    if (!(await store.insertResource(tx, row))) return refuse('already_exists', { field: 'id' })
    const data = { resource: row.id, name: row.name }
    await record(tx, { type: 'resource.added', actor: by.actor ?? 'operator', data })
    onCommit(tx, () => announce(row.id))
    return ok()
  })
}

/** APIs by their addresses, at most 1,000 that operators registered, and first the portal's own. */
export const list = async (): Promise<ResourceView[]> => [
  managementApi(),
  ...(await store.listResources(1000)),
]

/**
 * Changes an API from the next token on. A scope that is taken away is in no token that is made from then on.
 * @returns refusal `not_found`, `invalid_input`
 */
export async function update(id: string, changes: ResourceChanges, by: By = {}): Promise<Result> {
  const before = await store.findResource(id)
  if (!before) return refuse('not_found')
  const judged = judge({ ...before, ...changes })
  if (!judged.ok) return judged
  return inTx(async (tx) => {
    if (!(await store.updateResource(tx, judged.value))) return refuse('not_found')
    const data = { resource: id, ...changes }
    await record(tx, { type: 'resource.updated', actor: by.actor ?? 'operator', data })
    onCommit(tx, () => announce(id))
    return ok()
  })
}

/** Removes an API: no token is made for it any more, and those there are get no good answer here. */
export async function remove(id: string, by: By = {}): Promise<Result> {
  return inTx(async (tx) => {
    if (!(await store.deleteResource(tx, id))) return refuse('not_found')
    await record(tx, { type: 'resource.removed', actor: by.actor ?? 'operator', data: { resource: id } })
    onCommit(tx, () => announce(id))
    return ok()
  })
}
