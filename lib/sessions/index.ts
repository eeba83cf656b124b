/**
 * Room: sessions.
 * Owns: Session and Device, the session cookie, the answer to "who is signed in here?", revocation, drafts.
 * Hands off: proofs come from signin; apps signed in to belong to oidc.
 * Invariants: the row is the truth and the cookie only names it; a revoke is one write and everyone
 * else asks; nothing revoked ever lives again.
 */
import 'server-only'
import { nowMs } from '../base/clock'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { onSubscription, subscribe } from '../base/redis'
import { flushActivity } from './activity'
import * as cache from './cache'
import { DEVICE_COOKIE_SECONDS } from './cookies'
import * as known from './devices'
import { endExpired } from './ending'
import * as store from './store'
import * as believed from './store-believed'
import * as lists from './store-lists'
import { lasting, TELL_AGAIN_MS, tellAgain, untold } from './telling'

export { noteUse } from './activity'
export { alive, check, isFresh, isLiveIn, peek } from './asking'
export { authOptions } from './auth-options'
export {
  browserToken,
  demandStepUp,
  deviceToken,
  forgetTrust,
  knownDevice,
  lastProvider,
  laterCookie,
  newBrowserToken,
  providerCookie,
  revokeTrust,
  trustedDevice,
  versionsIn,
  wantsLater,
} from './browser'
export type { DeviceView, PlaceInList, SessionView } from './devices'
export type { Draft } from './drafts'
/** keep, read, drop: what was typed before a proof was asked for. */
export * as drafts from './drafts'
export {
  beginAnew,
  type Ended,
  endExpired,
  endedBy,
  forgetDevice,
  type Revoked,
  type RevokeReason,
  revoke,
  revokeIn,
  revokeUpstream,
  whenEnding,
  wouldEnd,
} from './ending'
export { acrOf, amrOf, type Proof, type SessionFacts } from './facts'
export { clearCookies, type Opened, open, renewIn } from './opening'
export type { RevokeWhere, Versions } from './store'
export { type Cursor, type DeviceRow, deviceKnownSql, type SessionRow } from './store-lists'
/** page, get, sessions, deviceOf, countOthers, rename: what a person sees of their browsers. */
export { known }

// ── listening ────────────────────────────────────────────────────────────────

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

// ── listing ──────────────────────────────────────────────────────────────────

/**
 * Live sessions of a user, most recently active first.
 * @param options.limit rows on the page, at most 100
 */
export async function list(
  userId: string,
  options: { limit?: number; before?: lists.Cursor } = {},
): Promise<lists.SessionRow[]> {
  await flushActivity()
  return lists.listLive(userId, { ...options, limit: Math.min(options.limit ?? 25, 100) })
}

/** Browsers the user has signed in from, most recently seen first; they outlive their sessions. */
export const devices = (userId: string, limit = 50): Promise<lists.DeviceRow[]> =>
  lists.listDevices(userId, limit)

/** Of these users, those who have a live session, or were active in one since `since`. */
export async function inUse(userIds: string[], since: Date): Promise<Set<string>> {
  await flushActivity()
  return new Set(await store.usersInUse(userIds, since))
}

// ── the process ──────────────────────────────────────────────────────────────

const ACTIVITY_FLUSH_MS = 10_000
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
      believed.forgetFactsOf(userId).then(
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
  lasting(true)
  const timers = [flush, again, over, sweep]
  for (const timer of timers) {
    timer.unref()
    stops.push(() => clearInterval(timer))
  }
}

const EXPIRED_MS = 60_000
const SWEEP_MS = 3_600_000
const KEEP_ENDED_MS = 30 * 86_400_000
const SWEEP_BATCH = 1000

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
  while ((await lists.sweepSessions(ended, SWEEP_BATCH)) === SWEEP_BATCH);
  while ((await lists.sweepDevices(unseen, SWEEP_BATCH)) === SWEEP_BATCH);
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
  lasting(false)
  await flushActivity()
  await tellAgain()
  untold.clear()
  cache.clear()
}

/** After a backup was put back: nobody is signed in and no browser is trusted. */
export { endAll as endAfterRestore } from './store-restored'
