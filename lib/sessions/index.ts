/**
 * Room: sessions.
 * Owns: Session and Device, the session cookie, the answer to "who is signed in here?", revocation, drafts.
 * Hands off: proofs come from signin; apps signed in to belong to oidc.
 * Invariants: the row is the truth and the cookie only names it; a revoke is one write and everyone
 * else asks; nothing revoked ever lives again.
 */
import 'server-only'
import { type EventInput, record, recordAll } from '../audit'
import { describeAgent } from '../base/agent'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { randomToken, uuid } from '../base/ids'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { onSubscription, publish, subscribe } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as cache from './cache'
import { cookieName, deviceCookie, openTicket, sealTicket, setCookie, tokenIn } from './cookies'
import {
  acrOf,
  amrOf,
  isFresh as freshAt,
  idleExpired,
  notExpired,
  type Proof,
  type SessionFacts,
} from './facts'
import * as store from './store'

export { authOptions } from './auth-options'
export type { Draft } from './drafts'
/** keep, read, drop: what was typed before a proof was asked for. */
export * as drafts from './drafts'
export { acrOf, amrOf, type Proof, type SessionFacts } from './facts'
export type { Cursor, DeviceRow, RevokeWhere, SessionRow, Versions } from './store'

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
  const value = cookies[cookieName('session')]
  const ticket = value ? openTicket(value) : null
  if (!ticket) return null
  let facts = await alive(ticket.sid)
  // The cookie may be newer than a cached answer: it was renewed a moment ago, perhaps by another process.
  if (facts && ticket.generation > facts.generation) facts = await load(ticket.sid, { fromRow: true })
  if (!facts || facts.generation !== ticket.generation) return null
  noteActivity(facts)
  return facts
}

/**
 * The facts of a live session; null when it ended or never was.
 * In-process answer (5 s at most) → Redis → Postgres.
 * @throws StoresDown
 */
export async function alive(sid: string): Promise<SessionFacts | null> {
  const cached = cache.lookup(sid)
  const facts = cached ?? (await load(sid))
  if (!facts) return null
  const at = nowMs()
  if (notExpired(facts, at)) return facts
  // Another process may know of later activity than a cached answer does; only the row ends a session.
  if (!idleExpired(facts, at)) return null
  const row = await load(sid, { fromRow: true })
  return row && notExpired(row, at) ? row : null
}

let redisRestsUntil = 0

/** Runs a Redis command whose failure only costs speed; after one failure Redis is left alone for a second. */
async function tryRedis<T>(fn: () => Promise<T>): Promise<T | null> {
  if (nowMs() < redisRestsUntil) return null
  try {
    return await fn()
  } catch (error) {
    redisRestsUntil = nowMs() + 1000
    log().warn({ err: (error as Error).message }, 'session cache: redis does not answer')
    return null
  }
}

async function load(sid: string, options: { fromRow?: boolean } = {}): Promise<SessionFacts | null> {
  if (!/^[0-9a-f-]{36}$/.test(sid)) return null
  for (let tries = 0; tries < 3; tries++) {
    const since = cache.mark()
    const fromRow = options.fromRow || untold.has(sid)
    const shared = fromRow ? null : await tryRedis(() => store.cachedFacts(sid))
    if (shared === 'revoked') return null
    let facts = shared
    if (!facts) {
      const row = await store.readFacts(sid)
      if (!row) return null
      const agreed = fromRow ? row : ((await tryRedis(() => store.publishFacts(row))) ?? row)
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
 * Sessions whose end or renewal Redis could not be told, and how to tell it. Its copy would outlive our
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
    agent: describeAgent(caller.userAgent),
    userAgent: caller.userAgent,
    ip: caller.ip,
    secondSkipped: input.secondSkipped ?? false,
    trust: trustToken
      ? { hash: sha256(trustToken), until: new Date(at.getTime() + trustSeconds * 1000) }
      : null,
    versions: input.versions ?? null,
  }
  const trustCookie = trustToken ? [setCookie('trust', trustToken, trustSeconds)] : []
  const event = (type: 'session.opened' | 'session.renewed', sid: string) => ({
    type,
    userId,
    sessionId: sid,
    caller,
    data: { method, amr: session.amr, ...(provider && { provider }) },
  })

  if (previous && previous.userId === userId) {
    const renewed = await store.renewSession(
      { ...session, sid: previous.sid },
      event('session.renewed', previous.sid),
    )
    if (renewed) {
      const since = cache.mark()
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
  cache.store(opened.facts, cache.mark())
  if (previous && previous.userId !== userId)
    await revoke({ userId: previous.userId, sid: previous.sid }, { reason: 'replaced', caller })
  await publish(CHANNELS.sessionCreated, { userId, sessionId: session.sid, at: at.toISOString() })
  return ok({ ...opened, setCookies: [...cookiesFor(opened.facts, deviceToken), ...trustCookie] })
}

/** @param deviceToken null where no device row would know it */
function cookiesFor(facts: SessionFacts, deviceToken: string | null): string[] {
  const lifetime = Math.max(1, Math.floor((facts.expiresAt - nowMs()) / 1000))
  return [
    setCookie('session', sealTicket({ sid: facts.sid, generation: facts.generation }), lifetime),
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

type RevokedListener = (message: { userId: string; sids: string[]; reason: string }) => void
const revokedListeners = new Set<RevokedListener>()

/** Calls `fn` in every process when sessions end. Returns the way to stop. */
export function onRevoked(fn: RevokedListener): () => void {
  revokedListeners.add(fn)
  return () => revokedListeners.delete(fn)
}

/**
 * Ends sessions: one transaction, then everyone is told. Whatever hangs on them (cookies, refresh and
 * access tokens, userinfo, introspection) asks `alive` and dies with them.
 * @param where one session, one device, all but one, or all of a user
 * @returns the ids that this call ended; those already over are not among them
 */
export const revoke = (where: store.RevokeWhere, why: RevokeReason): Promise<{ sids: string[] }> =>
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
  const found = await store.sessionsFrom(where)
  const ended = await Promise.all(found.map(({ userId, sid }) => revoke({ userId, sid }, why)))
  return { sids: ended.flatMap(({ sids }) => sids) }
}

export interface RevokeReason {
  reason: string
  caller?: Caller
  /** Who did it, when not the user. */
  actor?: string
}

/** The same as part of `tx` (from `inTx`), for changes that must not happen without it; told after the commit. */
export async function revokeIn(
  tx: Tx,
  where: store.RevokeWhere,
  why: RevokeReason,
): Promise<{ sids: string[] }> {
  const sids = await store.markRevoked(tx, where, why.reason)
  const { reason, actor, caller } = why
  const event = { type: 'session.revoked', userId: where.userId, actor, caller } as const
  const events: EventInput[] = sids
    .slice(0, 50)
    .map((sid) => ({ ...event, sessionId: sid, data: { reason } }))
  if (sids.length > 50) events.push({ ...event, data: { reason, more: sids.length - 50 } })
  await recordAll(tx, events)
  if (sids.length === 0) return { sids }
  // Before the commit: should this process die in between, a session ends too early, never too late.
  const buried = await buriedAtOnce(sids)
  store.onCommit(tx, () => tellEnded(where.userId, sids, reason, buried))
  return { sids }
}

async function tellEnded(userId: string, sids: string[], reason: string, buried: boolean): Promise<void> {
  for (const sid of sids) cache.drop(sid)
  const announce = (sessionIds: string[]) =>
    publish(CHANNELS.sessionRevoked, { userId, sessionIds, reason, at: new Date(nowMs()).toISOString() })
  if (buried) return announce(sids)
  for (const sid of sids) {
    untold.set(sid, async () => {
      await store.bury([sid])
      await announce([sid])
    })
  }
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
async function buriedAtOnce(sids: string[]): Promise<boolean> {
  try {
    await store.bury(sids)
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
      const { userId, sessionIds, reason } = payload as {
        userId: string
        sessionIds: string[]
        reason: string
      }
      for (const sid of sessionIds) cache.drop(sid)
      for (const listener of revokedListeners) listener({ userId, sids: sessionIds, reason })
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
  const clean = setInterval(() => void sweep(), 3_600_000)
  for (const timer of [flush, again, clean]) timer.unref()
  stops.push(
    () => clearInterval(flush),
    () => clearInterval(again),
    () => clearInterval(clean),
  )
}

/** Deletes sessions that ended a month ago, in batches. Also runs by itself every hour. */
export async function sweep(): Promise<void> {
  try {
    while ((await store.sweepSessions(new Date(nowMs() - 30 * 86_400_000), 1000)) === 1000);
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
