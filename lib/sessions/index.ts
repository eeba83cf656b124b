/**
 * Room: sessions.
 * Owns: Session and Device, the session cookie, the answer to "who is signed in here?", revocation, drafts.
 * Hands off: proofs come from signin; apps signed in to belong to oidc.
 * Invariants: the row is the truth and the cookie only names it; a revoke is one write and everyone
 * else asks; nothing revoked ever lives again.
 */
import 'server-only'
import { type EventInput, handle, owe, record, recordAll } from '../audit'
import { describeAgent } from '../base/agent'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { isUuid, randomToken, uuid } from '../base/ids'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { onSubscription, publish, subscribe } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as cache from './cache'
import { cookieName, deviceCookie, openTicket, sealTicket, setCookie, tokenIn } from './cookies'
import * as known from './devices'
import {
  acrOf,
  amrOf,
  isFresh as freshAt,
  idleExpired,
  limitsOf,
  notExpired,
  type Proof,
  type SessionFacts,
} from './facts'
import * as store from './store'
import * as deviceStore from './store-devices'

export { authOptions } from './auth-options'
export type { DeviceView, PlaceInList, SessionView } from './devices'
export type { Draft } from './drafts'
/** keep, read, drop: what was typed before a proof was asked for. */
export * as drafts from './drafts'
export { acrOf, amrOf, type Proof, type SessionFacts } from './facts'
export type { Cursor, DeviceRow, RevokeWhere, SessionRow, Versions } from './store'
/** page, get, sessions, deviceOf, countOthers, rename: what a person sees of their browsers. */
export { known }

const DEVICE_COOKIE_SECONDS = 400 * 86_400
const LATER_SECONDS = 30 * 86_400
const ACTIVITY_GRAIN_MS = 60_000
const ACTIVITY_FLUSH_MS = 10_000

// ── asking ───────────────────────────────────────────────────────────────────

/**
 * Who is signed in with these cookies; also notes the activity.
 * @returns null when nobody is
 * @throws StoresDown when Postgres is needed for the answer and does not give one: never "nobody"
 */
export async function check(cookies: Record<string, string>): Promise<SessionFacts | null> {
  const facts = await peek(cookies)
  if (facts) noteActivity(facts)
  return facts
}

/** The same for a page that asks by itself while nobody touches it: that is no activity. @throws StoresDown */
export async function peek(cookies: Record<string, string>): Promise<SessionFacts | null> {
  const value = cookies[cookieName('session')]
  const ticket = value ? openTicket(value) : null
  if (!ticket) return null
  let facts = await alive(ticket.sid, ticket.userId)
  // The cookie may be newer than a cached answer: it was renewed a moment ago, perhaps by another process.
  if (facts && ticket.generation > facts.generation) facts = await load(ticket.sid, { fromRow: true })
  return facts && facts.generation === ticket.generation ? facts : null
}

/**
 * The facts of a live session; null when it ended or never was.
 * In-process answer (5 s at most) → Redis → Postgres.
 * @param userId whose it is, where that is known: then Redis is asked once
 * @throws StoresDown
 */
export async function alive(sid: string, userId: string | null = null): Promise<SessionFacts | null> {
  const cached = cache.lookup(sid)
  const facts = cached ?? (await load(sid, { userId }))
  if (!facts) return null
  const at = nowMs()
  if (notExpired(facts, at)) return facts
  // Another process may know of later activity than a cached answer does; only the row ends a session.
  if (!idleExpired(facts, at)) return null
  const row = await load(sid, { fromRow: true })
  return row && notExpired(row, at) ? row : null
}

const REDIS_RESTS_MS = 1000
let redisRestsUntil = 0

/** Runs a Redis command whose failure only costs speed; after one failure Redis is left alone for a second. */
async function tryRedis<T>(fn: () => Promise<T>): Promise<T | null> {
  const rest = redisRestsUntil - nowMs()
  // A clock that is set back makes no rest longer.
  if (rest > 0 && rest <= REDIS_RESTS_MS) return null
  try {
    return await fn()
  } catch (error) {
    redisRestsUntil = nowMs() + REDIS_RESTS_MS
    log().warn({ err: (error as Error).message }, 'session cache: redis does not answer')
    return null
  }
}

async function load(
  sid: string,
  { userId = null, ...options }: { fromRow?: boolean; userId?: string | null } = {},
): Promise<SessionFacts | null> {
  if (!/^[0-9a-f-]{36}$/.test(sid)) return null
  for (let tries = 0; tries < 3; tries++) {
    const since = cache.mark()
    const fromRow = options.fromRow || untold.has(sid) || (userId !== null && untold.has(userId))
    const shared = fromRow ? null : await tryRedis(() => store.cachedFacts(sid, userId))
    if (shared === 'revoked') return null
    let facts = shared && untold.has(shared.userId) ? null : shared
    if (!facts) {
      const row = await store.readFacts(sid)
      if (!row) return null
      const agreed =
        fromRow || untold.has(row.userId) ? row : ((await tryRedis(() => store.publishFacts(row))) ?? row)
      if (agreed === 'revoked') return null
      facts = agreed
    }
    // Activity of this process that is not written yet.
    facts.lastActiveAt = Math.max(facts.lastActiveAt, activity.get(sid) ?? 0)
    if (cache.store(facts, since)) return facts
  }
  return store.readFacts(sid)
}

/** True while the person proved all they have set up within the last ten minutes, in this browser. */
export const isFresh = (facts: SessionFacts): boolean => freshAt(facts, nowMs())

/**
 * Sessions (and users, whose sessions all ended) of which Redis could not be told, and how to tell it. Its copy would outlive our
 * five seconds by far: until it knows, we go by the row, and we say it again every second.
 */
const untold = new Map<string, () => Promise<void>>()
const TELL_AGAIN_MS = 1000

async function tell(sid: string, say: () => Promise<void>): Promise<void> {
  // What came up meanwhile (the end of a session just renewed) is newer and stays to be told.
  const before = untold.get(sid)
  const still = () => untold.get(sid) === before
  try {
    await say()
    if (still()) untold.delete(sid)
  } catch (error) {
    if (still()) untold.set(sid, say)
    log().warn({ err: (error as Error).message }, 'redis was not told of a session; it is told again')
  }
}

const tellRenewed = (renewed: SessionFacts): Promise<void> =>
  tell(renewed.sid, async () => {
    await store.replaceFacts(renewed)
    await publish(CHANNELS.cacheDrop, { kind: 'session', id: renewed.sid })
  })

let telling = false

async function tellAgain(): Promise<void> {
  if (telling) return
  telling = true
  for (const [sid, say] of untold) {
    await tell(sid, say)
    // It does not answer yet.
    if (untold.get(sid) === say) break
  }
  telling = false
}

// ── opening ──────────────────────────────────────────────────────────────────

export interface Opened {
  facts: SessionFacts
  newDevice: boolean
  /** Set-Cookie lines for the browser. */
  setCookies: string[]
}

/**
 * Opens a session after the last proof: the only place that mints one. The same user proving again in
 * the same browser renews the session there: new cookie, the old one dead, tokens of apps live on.
 * Another user's session in this browser ends.
 * @param input.previous the session this browser has now, if any
 * @param input.secondSkipped less was proven than the person has set up (a trusted browser)
 * @param input.trust this browser may skip the second step from now on, for TRUSTED_DEVICE_DAYS
 * @param input.versions the user's as they were when the first proof was judged
 * @param input.provider whose word the first proof was, for the history
 * @returns refusal `account_disabled` when the user may not sign in; `account_changed` when the password,
 *   a factor or the sessions were changed since the first proof
 */
export async function open(input: {
  userId: string
  method: string
  proofs: Proof[]
  caller: Caller
  previous?: SessionFacts | null
  secondSkipped?: boolean
  trust?: boolean
  versions?: store.Versions | null
  provider?: string | null
}): Promise<Result<Opened>> {
  const { userId, method, proofs, caller, previous, provider } = input
  // Before the row is written: whatever ends it afterwards makes what is kept of it here stale.
  const since = cache.mark()
  const at = new Date(nowMs())
  const known = deviceCookie(caller.cookies)
  const deviceToken = known ?? randomToken()
  const { sessionIdleSeconds, sessionMaxSeconds, secondFactor } = env()
  const trustSeconds = input.trust ? secondFactor.trustedDays * 86_400 : 0
  const trustToken = trustSeconds > 0 ? randomToken() : null
  const session: store.NewSession = {
    sid: uuid(),
    userId,
    method,
    amr: amrOf(proofs),
    acr: acrOf(proofs),
    proofs,
    at,
    expiresAt: new Date(at.getTime() + sessionMaxSeconds * 1000),
    idleSeconds: sessionIdleSeconds,
    deviceTokenHash: sha256(deviceToken),
    agent: describeAgent(caller.userAgent, caller.hints),
    userAgent: caller.userAgent,
    ip: caller.ip,
    place: caller.place,
    secondSkipped: input.secondSkipped ?? false,
    trust: trustToken
      ? { hash: sha256(trustToken), until: new Date(at.getTime() + trustSeconds * 1000) }
      : null,
    versions: input.versions ?? null,
  }
  const trustCookie = trustToken ? [setCookie('trust', trustToken, trustSeconds)] : []
  // A new browser's cookie is one that this very answer brings it.
  const here = { ...caller, cookies: { ...caller.cookies, [cookieName('device')]: deviceToken } }
  const event = (type: 'session.opened' | 'session.renewed', sid: string) => ({
    type,
    userId,
    sessionId: sid,
    caller: type === 'session.opened' ? here : caller,
    data: { method, amr: session.amr, ...(provider && { provider }) },
  })

  if (previous && previous.userId === userId) {
    const renewed = await store.renewSession(
      { ...session, sid: previous.sid },
      event('session.renewed', previous.sid),
    )
    if (renewed) {
      await tellRenewed(renewed)
      cache.store(renewed, since)
      return ok({
        facts: renewed,
        newDevice: false,
        setCookies: [...cookiesFor(renewed, known), ...(known ? trustCookie : [])],
      })
    }
  }
  const opened = await store.insertSession(session, event('session.opened', session.sid))
  if (!opened) return refuse((await store.mayBeSignedIn(userId)) ? 'account_changed' : 'account_disabled')
  cache.store(opened.facts, since)
  await keepWithinLimits(opened.facts)
  if (previous && previous.userId !== userId)
    await revoke({ userId: previous.userId, sid: previous.sid }, { reason: 'replaced', caller })
  await publish(CHANNELS.sessionCreated, { userId, sessionId: session.sid, at: at.toISOString() })
  return ok({ ...opened, setCookies: [...cookiesFor(opened.facts, deviceToken), ...trustCookie] })
}

/** At most so many go at one sign-in: what a lowered limit leaves over goes at the next ones. */
const MOST_BEYOND = 10

/**
 * After a session was opened: what its roles allow is written to its row, and beyond the number of sessions that its
 * user may have the least recently active ones end. The session is open whatever becomes of this.
 */
async function keepWithinLimits(facts: SessionFacts): Promise<void> {
  const limits = limitsOf(facts.roles)
  const counts = [env().sessionsPerUser, limits.count ?? 0].filter((count) => count > 0)
  try {
    if (limits.idleSeconds || limits.maxSeconds) await store.shorten(facts)
    if (counts.length === 0) return
    const beyond = await store.idsBeyond(facts.userId, Math.min(...counts), MOST_BEYOND)
    const others = beyond.filter((sid) => sid !== facts.sid)
    if (others.length === 0) return
    await store.inTx(async (tx) => {
      await store.lockUser(tx, facts.userId)
      for (const sid of others)
        await revokeIn(tx, { userId: facts.userId, sid }, { reason: 'too_many', actor: 'system' })
    })
  } catch (error) {
    log().warn(
      { err: (error as Error).message },
      'sessions beyond the limit were not ended; the next sign-in does',
    )
  }
}

/** @param deviceToken null where no device row would know it */
function cookiesFor(facts: SessionFacts, deviceToken: string | null): string[] {
  const { sid, generation, userId } = facts
  const lifetime = Math.max(1, Math.floor((facts.expiresAt - nowMs()) / 1000))
  return [
    setCookie('session', sealTicket({ sid, generation, userId }), lifetime),
    ...(deviceToken ? [setCookie('device', deviceToken, DEVICE_COOKIE_SECONDS)] : []),
  ]
}

/** The Set-Cookie line that signs this browser out; the device stays known. */
export const clearCookies = (): string[] => [setCookie('session', '', 0)]

/** Nobody's id: asking about it costs what asking about anybody's does. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/**
 * The device cookie's hash when this user has signed in from this browser before, else null.
 * Known devices have tries of their own, so a stranger cannot lock their owner out (ASVS 6.1.1).
 * @param userId null for an unknown name, which costs the same statement (ENU2)
 */
export async function knownDevice(
  userId: string | null,
  cookies: Record<string, string>,
): Promise<string | null> {
  const token = deviceCookie(cookies)
  if (!token) return null
  const hash = sha256(token)
  return (await store.deviceKnown(userId ?? NOBODY, hash)) ? hash : null
}

// ── trusted browsers, and what they spare ────────────────────────────────────

/**
 * The id of the device if this user trusts this browser now: both cookies, the row, the time and the
 * operator must agree.
 */
export async function trustedDevice(userId: string, cookies: Record<string, string>): Promise<string | null> {
  const [device, trust] = [deviceCookie(cookies), tokenIn(cookies, 'trust')]
  if (!device || !trust || env().secondFactor.trustedDays === 0) return null
  return store.readTrusted(userId, sha256(device), sha256(trust))
}

/**
 * After any change of what the person signs in with, in `tx`: no browser is trusted any more, and sign-ins
 * under way begin anew.
 */
export const forgetTrust = (tx: Tx, userId: string): Promise<void> => store.voidTrust(tx, userId)

/** Stops trusting one browser, in `tx`. False when it was not trusted, or is not this user's. */
export async function revokeTrust(tx: Tx, userId: string, deviceId: string): Promise<boolean> {
  return /^[0-9a-f-]{36}$/.test(deviceId) && (await store.clearTrustOf(tx, userId, deviceId))
}

/** What moves with such changes, read under a lock on the user that `tx` holds to its end; null for nobody. */
export const versionsIn = (tx: Tx, userId: string): Promise<store.Versions | null> =>
  store.readVersions(tx, userId)

/**
 * After a factor was added, in `tx` (from `inTx`): other sessions have proven less than the person has now,
 * and are not fresh until they prove it.
 * @param exceptSid the session of whoever proved it just now; null for all
 */
export async function demandStepUp(tx: Tx, userId: string, exceptSid: string | null): Promise<void> {
  const sids = await store.markSkipped(tx, userId, exceptSid)
  store.onCommit(tx, async () => {
    for (const sid of sids) {
      cache.drop(sid)
      await tell(sid, async () => {
        await store.forgetFacts(sid)
        await publish(CHANNELS.cacheDrop, { kind: 'session', id: sid })
      })
    }
  })
}

/** Whether somebody in this browser wants no offer for now. */
export const wantsLater = (cookies: Record<string, string>): boolean => cookies[cookieName('later')] === '1'

/** The Set-Cookie line that puts offers off for thirty days in this browser. */
export const laterCookie = (): string => setCookie('later', '1', LATER_SECONDS)

/** The provider last signed in with in this browser, as its cookie says; anything may stand there. */
export const lastProvider = (cookies: Record<string, string>): string | null =>
  cookies[cookieName('provider')] ?? null

/** The Set-Cookie line that keeps which provider was signed in with, and nothing about whom. */
export const providerCookie = (id: string): string => setCookie('provider', id, DEVICE_COOKIE_SECONDS)

// ── the browser's own cookie ─────────────────────────────────────────────────

/** The secret that binds login attempts to this browser, or null when it has none. */
export const browserToken = (cookies: Record<string, string>): string | null => tokenIn(cookies, 'browser')

/** A new browser secret and its Set-Cookie line (one day). */
export function newBrowserToken(): { token: string; setCookie: string } {
  const token = randomToken()
  return { token, setCookie: setCookie('browser', token, 86_400) }
}

// ── ending ───────────────────────────────────────────────────────────────────

export interface RevokedMessage {
  userId: string
  /** At most fifty of them; all where `all` is false. */
  sids: string[]
  /** Every session of the user ended that was open then, but for `exceptSid`. */
  all: boolean
  exceptSid: string | null
  reason: string
}

type RevokedListener = (message: RevokedMessage) => void
const revokedListeners = new Set<RevokedListener>()

/** Calls `fn` in every process when sessions end. Returns the way to stop. */
export function onRevoked(fn: RevokedListener): () => void {
  revokedListeners.add(fn)
  return () => revokedListeners.delete(fn)
}

type OpenedListener = (message: { userId: string; sid: string }) => void
const openedListeners = new Set<OpenedListener>()

/** Calls `fn` in every process when somebody signs in. Returns the way to stop. */
export function onOpened(fn: OpenedListener): () => void {
  openedListeners.add(fn)
  return () => openedListeners.delete(fn)
}

/** What one revoke did. */
export interface Revoked {
  /** Names all that ended with it: apps are told by it (`oidc.receipts`). */
  id: string
  /** The ids that this call ended, at most fifty; those already over are not among them. */
  sids: string[]
  /** There are more: dead as well from the commit on, and marked in the background. */
  rest: boolean
}

/**
 * Ends sessions: one transaction, then everyone is told. Whatever hangs on them (cookies, refresh and
 * access tokens, userinfo, introspection) asks `alive` and dies with them.
 * @param where one session, one device, all but one, or all of a user
 */
export const revoke = (where: store.RevokeWhere, why: RevokeReason): Promise<Revoked> =>
  store.inTx((tx) => revokeIn(tx, where, why))

/**
 * Ends the sessions that came from somebody's account elsewhere, because its provider says that they are over there.
 * A session that was proven otherwise since does not rest on it any more and goes on.
 * @param where.credential the linked account's id
 * @param where.upstream names the provider's session; without it all that came from the account
 */
export async function revokeUpstream(
  where: { credential: string; upstream?: string } | { credential?: string; upstream: string },
  why: RevokeReason,
): Promise<{ sids: string[] }> {
  const ended: string[] = []
  // One after the other: somebody with many sessions takes one connection from requests, not all of them.
  for (const { userId, sid } of await store.sessionsFrom(where))
    ended.push(...(await revoke({ userId, sid }, why)).sids)
  return { sids: ended }
}

/**
 * The ids of live sessions that `revoke(where)` would end, most recently active first.
 * @param limit at most so many (default and most 1,000)
 * @param tx as this transaction sees them
 */
export const wouldEnd = (where: store.RevokeWhere, limit = 1000, tx?: Tx): Promise<string[]> =>
  store.liveIds(where, Math.min(limit, 1000), tx)

/** The ids of this user's sessions that one revoke has ended so far, at most 1,000; none for a name that is none. */
export const endedBy = async (userId: string, revokeId: string): Promise<string[]> =>
  isUuid(revokeId) ? store.idsOfRevoke(userId, revokeId, 1000) : []

export interface RevokeReason {
  reason: string
  caller?: Caller
  /** Who did it, when not the user. */
  actor?: string
}

/** What ended, for rooms that owe something to whoever hangs on sessions. */
export interface Ended {
  sessions: { sid: string; userId: string }[]
  reason: string
}

type EndingHook = (tx: Tx, ended: Ended) => Promise<void>
const endingHooks: EndingHook[] = []

/**
 * Calls `fn` in every transaction that ends sessions, as part of it: what a room writes there (a delivery it owes) is
 * committed with the end, or neither is. Called for batches of at most 200. To be registered when the room is loaded.
 */
export function whenEnding(fn: EndingHook): void {
  endingHooks.push(fn)
}

/** How many rows a revoke marks by itself; what is beyond is dead by the epoch, and its rows are marked afterwards. */
const AT_ONCE = 50
const BATCH = 200
/** The kind of delivery that marks what is beyond. */
const REST = 'sessions_rest'

/** The same as part of `tx` (from `inTx`), for changes that must not happen without it; told after the commit. */
export async function revokeIn(tx: Tx, where: store.RevokeWhere, why: RevokeReason): Promise<Revoked> {
  const id = uuid()
  const { userId } = where
  const { reason, actor, caller } = why
  const { sids, version, rest } = await store.markRevoked(tx, where, { reason, revokeId: id }, AT_ONCE)
  const event = { type: 'session.revoked', userId, actor, caller } as const
  const events: EventInput[] = sids
    .slice(0, 50)
    .map((sid) => ({ ...event, sessionId: sid, data: { reason } }))
  if (sids.length > 50) events.push({ ...event, data: { reason, more: sids.length - 50 } })
  await recordAll(tx, events)
  if (sids.length === 0) return { id, sids, rest }
  await hookedIn(tx, sids, userId, reason)
  if (rest && version !== null) {
    const payload: Rest = { userId, version, revokeId: id, reason, actor: actor ?? null }
    await owe(tx, { kind: REST, userId, target: 'sessions', payload })
  }
  // Before the commit: should this process die in between, a session ends too early, never too late.
  const ended: Told = { userId, sids, version, exceptSid: where.exceptSid ?? null, reason }
  const buried = await buriedAtOnce(ended)
  store.onCommit(tx, () => tellEnded(ended, buried))
  return { id, sids, rest }
}

const runHooks = async (tx: Tx, ended: Ended): Promise<void> => {
  for (const hook of endingHooks) await hook(tx, ended)
}

const hookedIn = (tx: Tx, sids: string[], userId: string, reason: string): Promise<void> =>
  runHooks(tx, { sessions: sids.map((sid) => ({ sid, userId })), reason })

interface Rest {
  userId: string
  version: number
  revokeId: string
  reason: string
  actor: string | null
}

/** Marks the rows that an epoch ended, batch by batch, each with what is owed for it. */
handle(REST, async (_delivery, payload, signal) => {
  const { userId, version, revokeId, reason, actor } = payload as Rest
  for (let sids: string[] = []; !signal.aborted; ) {
    sids = await store.inTx(async (tx) => {
      const marked = await store.markBelow(tx, userId, version, { reason, revokeId }, BATCH)
      if (marked.length === 0) return marked
      await record(tx, { type: 'session.revoked', userId, actor, data: { reason, more: marked.length } })
      await hookedIn(tx, marked, userId, reason)
      return marked
    })
    // Nobody believes Redis about them any more; other services read it without asking for the epoch.
    await tryRedis(() => store.bury(sids))
    if (sids.length < BATCH) return
  }
  throw new Error('stopped before all sessions were marked')
})

/** What other processes are told of a revoke. */
interface Told {
  userId: string
  sids: string[]
  /** The epoch, where all sessions (but one) ended. */
  version: number | null
  exceptSid: string | null
  reason: string
}

const announceEnded = ({ userId, sids, version, exceptSid, reason }: Told): Promise<void> =>
  publish(CHANNELS.sessionRevoked, {
    userId,
    sessionIds: sids,
    ...(version !== null && { all: true, ...(exceptSid && { exceptSessionId: exceptSid }) }),
    reason,
    at: new Date(nowMs()).toISOString(),
  })

/**
 * Forgets a device: its sessions end, and the browser is a new one from now on.
 * @returns the sessions that ended; refusal `not_found` when it is none of this user's
 */
export const forgetDevice = (userId: string, deviceId: string, why: RevokeReason): Promise<Result<Revoked>> =>
  store.inTx(async (tx) => {
    // No sign-in of theirs comes in between: it would leave a session without a device.
    await store.lockUser(tx, userId)
    const name = isUuid(deviceId) ? await deviceStore.nameOf(tx, userId, deviceId) : null
    if (name === null) return refuse('not_found')
    const ended = await revokeIn(tx, { userId, deviceId }, why)
    await deviceStore.forget(tx, userId, deviceId)
    await record(tx, { type: 'device.forgotten', userId, caller: why.caller, deviceId, data: { name } })
    return ok(ended)
  })

async function tellEnded(ended: Told, buried: boolean): Promise<void> {
  const { userId, sids, version } = ended
  for (const sid of sids) cache.drop(sid)
  if (version !== null) cache.dropUser(userId)
  // Again: a Redis that lost what it was told before the commit may have been offered the row as it was until then.
  if (buried && (await buriedAtOnce(ended))) return announceEnded(ended)
  if (version !== null) {
    untold.set(userId, async () => {
      await bury(ended)
      await announceEnded(ended)
    })
    return
  }
  for (const sid of sids) {
    untold.set(sid, async () => {
      await store.bury([sid])
      await announceEnded({ ...ended, sids: [sid] })
    })
  }
}

async function bury({ userId, sids, version }: Told): Promise<void> {
  await Promise.all([version === null ? null : store.raiseEpoch(userId, version), store.bury(sids)])
}

/**
 * Ends all that was ever opened as this user, in `tx` (from `inTx`): sessions, and what apps hold of them; no browser is
 * known any more. For a guest who becomes a person: whoever had the guest's cookie has nothing.
 */
export async function beginAnew(tx: Tx, userId: string, why: RevokeReason): Promise<void> {
  await revokeIn(tx, { userId, all: true }, why)
  await store.deleteDevices(tx, userId)
}

/** Of these users, those who have a live session, or were active in one since `since`. */
export async function inUse(userIds: string[], since: Date): Promise<Set<string>> {
  await flushActivity()
  return new Set(await store.usersInUse(userIds, since))
}

/**
 * Whether this session goes on, as part of `tx` (from `inTx`), and goes on until its end: for changes that were allowed by
 * what this process remembers of it, and must not be made after it ended (or a factor was added elsewhere).
 */
export const isLiveIn = (tx: Tx, facts: SessionFacts): Promise<boolean> => store.isLiveIn(tx, facts)

/**
 * Gives a session a new cookie and makes every older one of it dead, as part of `tx` (from `inTx`): after
 * a change of what the person signs in with (ASVS 7.2.4). What was proven and when stays as it was.
 * @returns null when the session ended meanwhile, was renewed, or turned out to have proven too little
 */
export async function renewIn(
  tx: Tx,
  facts: SessionFacts,
  caller: Caller,
): Promise<{ facts: SessionFacts; setCookies: string[] } | null> {
  const renewed = await store.raiseGeneration(tx, facts)
  if (!renewed) return null
  await record(tx, { type: 'session.renewed', userId: facts.userId, sessionId: facts.sid, caller })
  store.onCommit(tx, async () => {
    cache.drop(renewed.sid)
    await tellRenewed(renewed)
  })
  const [cookie = ''] = cookiesFor(renewed, '')
  return { facts: renewed, setCookies: [cookie] }
}

/** False when Redis did not answer and this process will tell it later; one that will not live to do so fails. */
async function buriedAtOnce(ended: Told): Promise<boolean> {
  try {
    await bury(ended)
    return true
  } catch (error) {
    if (stops.length === 0) throw error
    log().warn({ err: (error as Error).message }, 'redis was not told of ended sessions; it is told again')
    return false
  }
}

// ── listing ──────────────────────────────────────────────────────────────────

/**
 * Live sessions of a user, most recently active first.
 * @param options.limit rows on the page, at most 100
 */
export async function list(
  userId: string,
  options: { limit?: number; before?: store.Cursor } = {},
): Promise<store.SessionRow[]> {
  await flushActivity()
  return store.listLive(userId, { ...options, limit: Math.min(options.limit ?? 25, 100) })
}

/** Browsers the user has signed in from, most recently seen first; they outlive their sessions. */
export const devices = (userId: string, limit = 50): Promise<store.DeviceRow[]> =>
  store.listDevices(userId, limit)

// ── activity ─────────────────────────────────────────────────────────────────

const activity = new Map<string, number>()

function noteActivity(facts: SessionFacts): void {
  const at = nowMs()
  if (at - facts.lastActiveAt < ACTIVITY_GRAIN_MS) return
  facts.lastActiveAt = at
  activity.set(facts.sid, at)
}

/** Notes that an app used the session on the person's behalf (a refresh): it is not idle while its apps are in use. */
export function noteUse(sid: string): void {
  const facts = cache.lookup(sid)
  if (facts) noteActivity(facts)
}

async function flushActivity(): Promise<void> {
  if (activity.size === 0) return
  const batch = new Map(activity)
  activity.clear()
  try {
    await store.writeActivity(batch)
  } catch (error) {
    for (const [sid, at] of batch) if (!activity.has(sid)) activity.set(sid, at)
    log().warn({ err: (error as Error).message }, 'session activity not written; it is kept for the next try')
  }
}

// ── the process ──────────────────────────────────────────────────────────────

let stops: (() => void)[] = []

/** Listens to other processes and writes activity in batches. */
export async function start(): Promise<void> {
  stops.push(
    await subscribe(CHANNELS.sessionRevoked, (payload) => {
      const { userId, sessionIds, all, exceptSessionId, reason } = payload as {
        userId: string
        sessionIds: string[]
        all?: boolean
        exceptSessionId?: string
        reason: string
      }
      for (const sid of sessionIds) cache.drop(sid)
      if (all) cache.dropUser(userId)
      const told = { userId, sids: sessionIds, all: all === true, exceptSid: exceptSessionId ?? null, reason }
      for (const listener of revokedListeners) listener(told)
    }),
    await subscribe(CHANNELS.sessionCreated, (payload) => {
      const { userId, sessionId } = payload as { userId: string; sessionId: string }
      for (const listener of openedListeners) listener({ userId, sid: sessionId })
    }),
    await subscribe(CHANNELS.cacheDrop, (payload) => {
      const { kind, id } = payload as { kind: string; id: string }
      if (kind === 'session') cache.drop(id)
    }),
    await subscribe(CHANNELS.userUpdated, (payload) => {
      const { userId } = payload as { userId: string }
      cache.dropUser(userId)
      store.forgetFactsOf(userId).then(
        () => cache.dropUser(userId),
        (error: Error) => log().warn({ err: error.message }, 'could not refresh cached sessions of a user'),
      )
    }),
    onSubscription(() => cache.clear()),
  )
  const flush = setInterval(() => void flushActivity(), ACTIVITY_FLUSH_MS)
  const again = setInterval(() => void tellAgain(), TELL_AGAIN_MS)
  const over = setInterval(() => void sweepExpired(), EXPIRED_MS)
  const sweep = setInterval(() => void sweepEnded(), SWEEP_MS)
  const timers = [flush, again, over, sweep]
  for (const timer of timers) {
    timer.unref()
    stops.push(() => clearInterval(timer))
  }
}

const EXPIRED_MS = 60_000
const SWEEP_MS = 3_600_000
/** Another process may know of activity that is not written yet; only afterwards is a session over for good. */
const GRACE_MS = 5 * 60_000
const KEEP_ENDED_MS = 30 * 86_400_000
const SWEEP_BATCH = 1000

/**
 * Marks sessions whose time is over, so that apps are told of it. Nothing waits for this: that they are over is judged
 * at every use.
 * @returns how many it marked
 */
export async function endExpired(): Promise<number> {
  let total = 0
  for (let marked = BATCH; marked === BATCH; total += marked) {
    marked = await store.inTx(async (tx) => {
      const rows = await store.markExpired(tx, new Date(nowMs() - GRACE_MS), uuid(), BATCH)
      if (rows.length === 0) return 0
      const reason = 'expired'
      await recordAll(
        tx,
        rows.map(({ sid, userId }) => ({
          type: 'session.revoked',
          userId,
          sessionId: sid,
          actor: 'system',
          data: { reason },
        })),
      )
      await runHooks(tx, { sessions: rows, reason })
      return rows.length
    })
  }
  return total
}

async function sweepExpired(): Promise<void> {
  try {
    await endExpired()
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'sessions that are over were not marked; it is tried again')
  }
}

/** Deletes sessions that are long over, and browsers whose cookie is; also runs by itself every hour. */
export async function sweep(): Promise<void> {
  const at = nowMs()
  const [ended, unseen] = [new Date(at - KEEP_ENDED_MS), new Date(at - DEVICE_COOKIE_SECONDS * 1000)]
  while ((await store.sweepSessions(ended, SWEEP_BATCH)) === SWEEP_BATCH);
  while ((await store.sweepDevices(unseen, SWEEP_BATCH)) === SWEEP_BATCH);
}

async function sweepEnded(): Promise<void> {
  try {
    await sweep()
  } catch (error) {
    log().warn(
      { err: (error as Error).message },
      'clean-up of ended sessions failed; it is tried again in an hour',
    )
  }
}

/** Writes what is left and stops listening. */
export async function stop(): Promise<void> {
  for (const end of stops) end()
  stops = []
  await flushActivity()
  await tellAgain()
  untold.clear()
  cache.clear()
}

/** After a backup was put back: nobody is signed in and no browser is trusted. */
export { endAll as endAfterRestore } from './store-restored'
