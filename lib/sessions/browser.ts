/** What a browser keeps beside its session: which device it is, whether it is trusted, and wishes of its own. */
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { CHANNELS } from '../base/keys'
import { publish } from '../base/redis'
import { sha256 } from '../base/secrets'
import * as cache from './cache'
import { cookieName, DEVICE_COOKIE_SECONDS, deviceCookie, setCookie, tokenIn } from './cookies'
import * as store from './store'
import * as believed from './store-believed'
import * as lists from './store-lists'
import { tell } from './telling'

const LATER_SECONDS = 30 * 86_400

/** Nobody's id: asking about it costs what asking about anybody's does. */
const NOBODY = '00000000-0000-0000-0000-000000000000'

/** The device cookie's hash, whoever signed in from there, if anybody; null when there is none. */
export function deviceToken(cookies: Record<string, string>): string | null {
  const token = deviceCookie(cookies)
  return token && sha256(token)
}

/**
 * The device cookie's hash when this user has signed in from this browser before, else null.
 * Known devices have tries of their own, so a stranger cannot lock their owner out (ASVS 6.1.1).
 * @param userId null for an unknown name, which costs the same statement (ENU2)
 */
export async function knownDevice(
  userId: string | null,
  cookies: Record<string, string>,
): Promise<string | null> {
  const hash = deviceToken(cookies)
  if (!hash) return null
  return (await lists.deviceKnown(userId ?? NOBODY, hash)) ? hash : null
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
        await believed.forgetFacts(sid)
        await publish(CHANNELS.cacheDrop, { kind: 'session', id: sid })
      })
    }
  })
}

// ── cookies of its own ───────────────────────────────────────────────────────

/** Whether somebody in this browser wants no offer for now. */
export const wantsLater = (cookies: Record<string, string>): boolean => cookies[cookieName('later')] === '1'

/** The Set-Cookie line that puts offers off for thirty days in this browser. */
export const laterCookie = (): string => setCookie('later', '1', LATER_SECONDS)

/** The provider last signed in with in this browser, as its cookie says; anything may stand there. */
export const lastProvider = (cookies: Record<string, string>): string | null =>
  cookies[cookieName('provider')] ?? null

/** The Set-Cookie line that keeps which provider was signed in with, and nothing about whom. */
export const providerCookie = (id: string): string => setCookie('provider', id, DEVICE_COOKIE_SECONDS)

/** The secret that binds login attempts to this browser, or null when it has none. */
export const browserToken = (cookies: Record<string, string>): string | null => tokenIn(cookies, 'browser')

/** A new browser secret and its Set-Cookie line (one day). */
export function newBrowserToken(): { token: string; setCookie: string } {
  const token = randomToken()
  return { token, setCookie: setCookie('browser', token, 86_400) }
}
