/** Opening a session after the last proof, and the cookies that it is known by. */
import { record } from '../audit'
import { describeAgent } from '../base/agent'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import { randomToken, uuid } from '../base/ids'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { publish } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as cache from './cache'
import { cookieName, DEVICE_COOKIE_SECONDS, deviceCookie, sealTicket, setCookie } from './cookies'
import { revoke, revokeIn } from './ending'
import { acrOf, amrOf, limitsOf, type Proof, type SessionFacts } from './facts'
import * as store from './store'
import { tellRenewed } from './telling'

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
 * @param input.budgets keys of budgets that are given back with it, and only with it
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
  budgets?: string[]
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
    budgets: input.budgets ?? [],
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
