/**
 * A person decides about a device that shows a code (RFC 8628). The code is typed by somebody who is signed in, and
 * is theirs from then on; what they decide about is remembered for their session, never taken from a form. Consent and
 * the level of the sign-in are judged by the provider as for any other request.
 */

import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs, nowSeconds } from '../base/clock'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { budgets, giveBack } from '../base/limits'
import type { Place } from '../base/place'
import { ok, type Result, refuse } from '../base/refusals'
import { hmacs, sha256 } from '../base/secrets'
import type { SessionFacts } from '../sessions'
import { referenceTo } from './adapter-device'
import { type ClientFace, face } from './client-view'
import * as clients from './clients'
import { stateOf } from './context'
import { bindCookie } from './interactions'
import type { KoaContextWithOIDC } from './library'
import { putArtifact } from './store'
import * as store from './store-device'

/** How long a device may wait for its person. */
export const DEVICE_SECONDS = 600
/** Of the library's alphabet without vowels, 34 bits in two groups. */
export const USER_CODE = { charset: 'base-20', mask: '****-****' } as const

/** Where and when the device asked, kept with its code. What it calls itself is not: that is the asker's to choose. */
export interface DeviceInfo {
  ip: string | null
  place: Place | null
  at: number
}

export function deviceInfo(ctx: KoaContextWithOIDC): Record<string, unknown> {
  const { ip, place } = stateOf(ctx.req).caller
  return { ip, place, at: nowMs() } satisfies DeviceInfo
}

/** As it is compared: what people put between its letters does not count. */
const normalized = (typed: string): string => typed.toUpperCase().replace(/[^A-Z]/g, '')

/** Wrong codes of one session, and of one network: 30 of 2.5 × 10¹⁰ an hour find nothing. */
const guesses = (facts: SessionFacts, caller: Caller) => [
  { subject: `user-code:session:${facts.sid}`, max: 10, windowSeconds: 900 },
  { subject: `user-code:network:${caller.ipPrefix}`, max: 30, windowSeconds: 3600 },
]

/**
 * Takes the code that a device shows. It is from now on for this user alone, and what this session is about to decide.
 * @returns refusal `device_code_wrong` for one that is not there, over, decided, or somebody else's; `rate_limited`
 */
export async function claimDevice(typed: string, facts: SessionFacts, caller: Caller): Promise<Result> {
  const code = normalized(typed)
  const wrong = refuse('device_code_wrong', { field: 'user_code' })
  // What can be no code is no guess.
  if (code.length !== 8) return wrong
  const limits = guesses(facts, caller)
  const allowed = await budgets(limits)
  if (!allowed.ok) return allowed
  const hash = await store.findDevice(hmacs('user-code', code))
  const found = hash && (await store.getDevice(hash))
  if (!hash || !found || found.state !== 'waiting') return wrong
  if (!(await clients.active(found.payload.clientId ?? ''))) return wrong
  const seconds = secondsLeft(found.payload.exp)
  if (seconds <= 0 || !(await store.ownDevice(hash, facts.userId, seconds))) return wrong
  await store.putClaim(facts.sid, hash, seconds + 60)
  await giveBack(...limits.map(({ subject }) => subject))
  return ok()
}

const secondsLeft = (exp: number | undefined): number => (exp ?? 0) - nowSeconds()

/** The device that this session is about to decide about, or has decided about. */
export interface DeviceView {
  state: 'waiting' | 'allowed' | 'denied'
  /** What the form says it is about: another tab may have typed another code meanwhile. */
  mark: string
  client: ClientFace & { id: string; host: string | null }
  asked: DeviceInfo
}

/** @returns null when there is none, its time is over, or another user's session decided */
export async function device(facts: SessionFacts): Promise<DeviceView | null> {
  const found = await claimed(facts)
  const client = found && (await clients.active(found.payload.clientId ?? ''))
  if (!found || !client) return null
  const { payload, state } = found
  if (payload.accountId && payload.accountId !== facts.userId) return null
  const shown = face(client)
  return {
    mark: markOf(facts, found.hash),
    state: state === 'waiting' ? 'waiting' : payload.error ? 'denied' : 'allowed',
    client: { id: client.id, ...shown, host: shown.clientUri && new URL(shown.clientUri).host },
    asked: payload.deviceInfo as unknown as DeviceInfo,
  }
}

const markOf = ({ sid }: SessionFacts, hash: string): string => sha256(`device-mark\n${sid}\n${hash}`)

/** @param mark what the form was about, where there was one */
async function claimed(facts: SessionFacts, mark?: string) {
  const hash = await store.getClaim(facts.sid)
  if (hash && mark !== undefined && mark !== markOf(facts, hash)) return null
  const found = hash && (await store.getDevice(hash))
  return hash && found && secondsLeft(found.payload.exp) > 0 ? { ...found, hash } : null
}

/**
 * The person says that it is their device, and yes: the provider goes on with its request in this browser.
 * @param mark of the view that was answered
 * @returns where the browser goes, with the cookie that binds the request; null when there is nothing to decide
 */
export async function approveDevice(
  facts: SessionFacts,
  mark: string,
): Promise<{ url: string; setCookies: string[] } | null> {
  const found = await claimed(facts, mark)
  if (found?.state !== 'waiting') return null
  const uid = randomToken()
  const ttlSeconds = Math.min(secondsLeft(found.payload.exp), env().loginAttemptSeconds)
  const url = `${env().issuer}/device/${uid}`
  const payload = {
    kind: 'Interaction',
    iat: nowSeconds(),
    exp: nowSeconds() + ttlSeconds,
    returnTo: url,
    cid: randomToken(),
    // Nothing was asked yet: whatever is missing is found when the request is taken up.
    prompt: { name: 'device', reasons: [], details: {} },
    params: found.payload.params,
    deviceCode: referenceTo(found.hash),
  }
  await putArtifact({ model: 'Interaction', id: uid, payload: { payload }, ttlSeconds })
  return { url, setCookies: [bindCookie(uid, ttlSeconds)] }
}

/**
 * The person says no: the device is told `access_denied`.
 * @returns false when there is nothing to decide any more
 */
export async function denyDevice(facts: SessionFacts, mark: string, caller: Caller): Promise<boolean> {
  const found = await claimed(facts, mark)
  if (found?.state !== 'waiting') return false
  const error = { error: 'access_denied', errorDescription: 'the person declined' }
  const { state: _, hash, ...kept } = found
  if (!(await store.decideDevice(hash, { ...kept, payload: { ...kept.payload, ...error } }))) return false
  const { userId, sid } = facts
  const clientId = kept.payload.clientId
  await record(null, {
    type: 'consent.declined',
    userId,
    sessionId: sid,
    clientId,
    caller,
    data: { prompt: 'device' },
  })
  return true
}

/** Where the provider's own pages would be: what became of the request is told by ours, from the store. */
export function toDevicePage(ctx: KoaContextWithOIDC): void {
  ctx.status = 303
  ctx.redirect(`${env().url}/device/done`)
}
