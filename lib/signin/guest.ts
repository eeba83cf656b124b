/**
 * Going on as a guest: one more proof in the one attempt, which proves nothing. And the end of guests whom nobody can be
 * any more.
 */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { budget } from '../base/limits'
import { log } from '../base/log'
import { type Result, refuse } from '../base/refusals'
import * as sessions from '../sessions'
import * as users from '../users'
import { type Attempt, startOver } from './attempt'
import { advance } from './complete'
import { running, spendRequest } from './gate'
import { type Outcome, turnDown } from './outcome'
import * as store from './store'

const DAY_SECONDS = 86_400
const SWEEP_MS = 3_600_000
const SWEEP_BATCH = 200

/** Whether this attempt may end as a guest: the operator and the app allow it, and the browser is no guest already. */
export const mayBeGuest = (
  attempt: Pick<Attempt, 'mayGuest' | 'guest' | 'level' | 'reauthUserId'>,
): boolean =>
  env().guests.on &&
  attempt.mayGuest &&
  attempt.guest === null &&
  attempt.level === null &&
  attempt.reauthUserId === null

/**
 * Makes a guest and goes on as one. One attempt makes one guest, however often it is posted; one client network makes
 * a bounded number in a day.
 * @returns an outcome at `identify` with refusal `method_off` where guests are not taken, `rate_limited`
 * @throws StoresDown
 */
export async function asGuest(flow: string, caller: Caller): Promise<Result<Outcome>> {
  const found = await running(flow, caller)
  if (!found.ok) return found
  if (!mayBeGuest(found.value)) return turnDown(flow, 'identify', refuse('method_off').refusal)
  const limited = await spendRequest(caller)
  if (!limited.ok) return turnDown(flow, 'identify', limited.refusal)
  const spent = await budget(`guest:${caller.ipPrefix}`, {
    max: env().guests.perIpDay,
    windowSeconds: DAY_SECONDS,
  })
  if (!spent.ok) return turnDown(flow, 'identify', spent.refusal)
  const attempt = await store.update(flow, (a) => {
    a.newGuest ??= uuid()
  })
  if (!attempt?.newGuest) return refuse('flow_expired')
  const id = attempt.newGuest
  await inTx((tx) => users.addGuest(tx, { id, locale: caller.locale, caller }))
  const proven = await store.update(flow, (a) => {
    startOver(a)
    a.linking = null
    a.userId = id
    a.status = 'active'
    a.proofs = [{ method: 'guest', amr: [], at: nowMs() }]
  })
  return proven ? advance(flow, proven, caller) : refuse('flow_expired')
}

/**
 * Deletes guests who were idle for GUEST_DAYS and are signed in nowhere. Nobody can come back as one of them: a guest
 * has no way in but a session that lives, and an app's refresh token is worth as much as its session.
 * @returns how many went
 */
export async function sweepGuests(): Promise<number> {
  const before = new Date(nowMs() - env().guests.keptSeconds * 1000)
  let gone = 0
  let after: Awaited<ReturnType<typeof users.idleGuests>>[number] | null = null
  for (;;) {
    const page: Awaited<ReturnType<typeof users.idleGuests>> = await users.idleGuests(
      before,
      after,
      SWEEP_BATCH,
    )
    const used = await sessions.inUse(
      page.map(({ id }) => id),
      before,
    )
    gone += await users.removeGuests(page.map(({ id }) => id).filter((id) => !used.has(id)))
    after = page.at(-1) ?? null
    if (!after || page.length < SWEEP_BATCH) return gone
  }
}

/** Sweeps now and every hour, whether guests are taken or not any more. Returns the way to stop. */
export function startSweepingGuests(): () => void {
  const sweep = () =>
    sweepGuests().then(
      (gone) => {
        if (gone > 0) log().info({ gone }, 'guests who were gone for long are deleted')
      },
      (error: Error) => log().warn({ err: error.message }, 'old guests not swept; tried again in an hour'),
    )
  const timer = setInterval(() => void sweep(), SWEEP_MS)
  timer.unref()
  void sweep()
  return () => clearInterval(timer)
}
