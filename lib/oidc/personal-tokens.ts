/**
 * Personal access tokens: what a person makes for scripts of their own, good at userinfo, and at introspection for apps
 * that are registered for them (decision 089). Shown once, kept as SHA-256 (190 random bits), judged at every use: the
 * owner, the token, its time, and what the operator allows now.
 */
import { randomInt } from 'node:crypto'
import { crc32 } from 'node:zlib'
import { LRUCache } from 'lru-cache'
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { now, nowMs } from '../base/clock'
import { onCommit, type Tx } from '../base/db'
import { env } from '../base/env'
import { CHANNELS } from '../base/keys'
import { bucket } from '../base/limits'
import { log } from '../base/log'
import { publish } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as store from './store-personal'

// ── the value ────────────────────────────────────────────────────────────────

export const PREFIX = 'gtp_'
const RANDOM_LENGTH = 32
const CHECK_LENGTH = 6
const BASE62 = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
const SHAPE = new RegExp(`^${PREFIX}[0-9A-Za-z]{${RANDOM_LENGTH + CHECK_LENGTH}}$`)

/** CRC-32 of the random part in base62: a scanner of secrets tells a token from something that looks like one. */
function checkOf(random: string): string {
  let [rest, digits] = [crc32(random), '']
  for (; digits.length < CHECK_LENGTH; rest = Math.floor(rest / 62)) digits = BASE62[rest % 62] + digits
  return digits
}

function newValue(): string {
  let random = ''
  while (random.length < RANDOM_LENGTH) random += BASE62[randomInt(BASE62.length)]
  return PREFIX + random + checkOf(random)
}

export const isPersonal = (value: string): boolean => value.startsWith(PREFIX)

/** Whether this can be a token at all; what cannot costs no look-up. Pure. */
export const isWellFormed = (value: string): boolean => {
  const random = value.slice(PREFIX.length, -CHECK_LENGTH)
  return SHAPE.test(value) && value.endsWith(checkOf(random))
}

// ── for its owner ────────────────────────────────────────────────────────────

/** Of one person at once. */
export const MAX_TOKENS = 50
export const MAX_NAME = 60
const SCOPES = ['profile', 'email', 'phone', 'roles'] as const

export interface PersonalTokenOptions {
  /** What a token may be good for: facts about its owner, then what the operator names for their APIs. */
  scopes: string[]
  /** The longest a new one lives; 0: nobody makes any, and none is good. */
  maxDays: number
}

export const options = (): PersonalTokenOptions => {
  const { maxDays, scopes } = env().personalTokens
  return { maxDays, scopes: [...SCOPES, ...scopes] }
}

export interface PersonalTokenView extends store.TokenRow {
  /** Its time is over. */
  over: boolean
}

/** How long tokens whose time is over are still listed, so that whoever wonders finds them. */
const LISTED_MS = 30 * 86_400_000

/** Newest first. @throws StoresDown */
export async function list(userId: string): Promise<PersonalTokenView[]> {
  const rows = await store.tokensOf(userId, new Date(nowMs() - LISTED_MS), 2 * MAX_TOKENS)
  return rows.map((row) => {
    const expiresAt = new Date(endOf(row))
    return { ...row, expiresAt, scopes: row.scopes, over: expiresAt.getTime() <= nowMs() }
  })
}

export interface NewPersonalToken {
  name: string
  scopes: readonly string[]
  days: number
}

/**
 * Makes a token in `tx`, whose caller holds the owner's row.
 * @returns the value, which is not to be had again; refusals `method_off`, `invalid_input` with `field`, `too_many`
 */
export async function make(
  tx: Tx,
  userId: string,
  { name, scopes, days }: NewPersonalToken,
  caller: Caller,
): Promise<Result<{ value: string; expiresAt: Date; scopes: string[] }>> {
  const may = options()
  if (may.maxDays === 0) return refuse('method_off')
  if (name === '' || name.length > MAX_NAME) return refuse('invalid_input', { field: 'name' })
  if (!Number.isInteger(days) || days < 1 || days > may.maxDays)
    return refuse('invalid_input', { field: 'days' })
  if (!scopes.every((scope) => may.scopes.includes(scope)))
    return refuse('invalid_input', { field: 'scopes' })
  const value = newValue()
  const expiresAt = new Date(nowMs() + days * 86_400_000)
  // Whose it is, is what every token says.
  const all = ['openid', ...may.scopes.filter((scope) => scopes.includes(scope))]
  const token = { userId, name, hash: sha256(value), hint: value.slice(-4), scopes: all, expiresAt }
  if (!(await store.insertToken(tx, token, MAX_TOKENS))) return refuse('too_many')
  const data = { name, scopes: all, until: expiresAt.toISOString(), ends_in: token.hint }
  await record(tx, { type: 'personal_token.made', userId, caller, data })
  return ok({ value, expiresAt, scopes: all })
}

interface By {
  actor?: string
  caller?: Caller
}

/** Ends, in `tx`, one token of a user or (null) all. @returns how many this call ended */
export async function end(tx: Tx, userId: string, id: string | null, by: By = {}): Promise<number> {
  const ended = await store.endTokens(tx, userId, id)
  for (const { name, hint } of ended)
    await record(tx, { type: 'personal_token.ended', userId, ...by, data: { name, ends_in: hint } })
  if (ended.length > 0) onCommit(tx, () => announce(userId))
  return ended.length
}

// ── at every use ─────────────────────────────────────────────────────────────

/** As long as anything of the room is believed when the message that drops it is lost. */
const BELIEVED_MS = 5000
const USE_GRAIN_MS = 600_000

const known = new LRUCache<string, { row: store.FoundToken | null; until: number }>({ max: 10_000 })
const noted = new LRUCache<string, number>({ max: 10_000 })
let drops = 0

const announce = async (userId: string): Promise<void> => {
  drop(userId)
  await publish(CHANNELS.cacheDrop, { kind: 'personal-token', id: userId })
}

/** Forgets the tokens of a user (one ended, or the user changed), or all. */
export function drop(userId?: string): void {
  drops++
  if (!userId) known.clear()
  else for (const [hash, { row }] of known.entries()) if (row?.userId === userId) known.delete(hash)
}

/** Tokens that nobody has, from one network at userinfo, before it has to wait. */
const WRONG_TOKENS = { capacity: 20, perMinute: 10 }
const blocked = new LRUCache<string, number>({ max: 10_000 })

/** A limit that was lowered ends what was made before it, too. */
const endOf = ({ createdAt, expiresAt }: { createdAt: Date; expiresAt: Date }): number =>
  Math.min(expiresAt.getTime(), createdAt.getTime() + env().personalTokens.maxDays * 86_400_000)

export interface PersonalToken {
  id: string
  userId: string
  scopes: string[]
  createdAt: Date
  /** Milliseconds. */
  expiresAt: number
}

/**
 * The token behind a value, as it is good for at this moment; null for anything else.
 * @param stranger whoever asks without having proven anything: what nobody has costs from a small bucket of their
 *   network, and while that is empty nothing from there is looked up
 * @returns refusal `rate_limited` for what is not looked up
 * @throws StoresDown
 */
export async function find(value: string, stranger: Caller | null): Promise<Result<PersonalToken | null>> {
  if (env().personalTokens.maxDays === 0 || !isWellFormed(value)) return ok(null)
  const hash = sha256(value)
  // What is known to be good is good whoever guessed beside it.
  const isKnown = Boolean(known.get(hash)?.row)
  const waitMs = stranger && !isKnown ? (blocked.get(stranger.ipPrefix) ?? 0) - nowMs() : 0
  if (waitMs > 0) return refuse('rate_limited', { retryAfterSeconds: Math.ceil(waitMs / 1000) })
  const row = await lookUp(hash)
  if (!row) return stranger ? spend(stranger.ipPrefix) : ok(null)
  const expiresAt = endOf(row)
  if (expiresAt <= nowMs()) return ok(null)
  const may = options().scopes
  noteUse(row.id)
  const scopes = row.scopes.filter((scope) => scope === 'openid' || may.includes(scope))
  return ok({ id: row.id, userId: row.userId, scopes, createdAt: row.createdAt, expiresAt })
}

async function lookUp(hash: string): Promise<store.FoundToken | null> {
  const entry = known.get(hash)
  if (entry && nowMs() < entry.until) return entry.row
  const since = drops
  const row = await store.findToken(hash)
  if (since === drops) known.set(hash, { row, until: nowMs() + BELIEVED_MS })
  return row
}

async function spend(network: string): Promise<Result<null>> {
  const left = await bucket(network, WRONG_TOKENS, 'personal-token')
  if (left.ok) return ok(null)
  blocked.set(network, nowMs() + (left.refusal.retryAfterSeconds ?? 1) * 1000)
  return left
}

function noteUse(id: string): void {
  if (nowMs() - (noted.get(id) ?? 0) < USE_GRAIN_MS) return
  noted.set(id, nowMs())
  store
    .noteTokenUse(id)
    .catch((error: Error) => log().warn({ err: error.message }, 'use of a personal token not noted'))
}

/** Deletes what is long over. */
export async function sweep(): Promise<void> {
  const before = new Date(now().getTime() - 2 * LISTED_MS)
  while ((await store.sweepTokens(before, 1000)) === 1000);
}
