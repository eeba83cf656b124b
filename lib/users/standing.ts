/** Who may be here: disabling and enabling a user. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { announce } from './announce'
import * as store from './store'
import { plainLine } from './text'

export interface Decision {
  reason?: string
  /** Who decided: `operator`, `system`, another user's id. */
  actor: string
  caller?: Caller
  /** Joins a running transaction (from `inTx`); else one of its own. */
  tx?: Tx
}

type DisablingHook = (tx: Tx, userId: string, by: Pick<Decision, 'actor' | 'caller'>) => Promise<void>
const disablingHooks: DisablingHook[] = []

/**
 * Calls `fn` in every transaction that disables somebody or closes their account, as part of it: what a room ends there
 * stays ended when they are enabled again, or kept. To be registered when the room is loaded.
 */
export function whenDisabling(fn: DisablingHook): void {
  disablingHooks.push(fn)
}

/** Call before the history is written, as they do it who end one of these alone: nobody waits in a circle. */
export async function runDisablingHooks(
  tx: Tx,
  userId: string,
  by: Parameters<DisablingHook>[2],
): Promise<void> {
  for (const hook of disablingHooks) await hook(tx, userId, by)
}

const within = <T>(tx: Tx | undefined, fn: (tx: Tx) => Promise<T>): Promise<T> => (tx ? fn(tx) : inTx(fn))

/**
 * Disables a user: no way in, and every session is of an old version from the commit on, and what other
 * rooms end (`whenDisabling`) has ended. The caller revokes the sessions too (`sessions.revokeIn(tx, { userId, all: true })`),
 * which empties the caches at once.
 * Disabling twice is no error and bumps nothing.
 * @returns refusal `not_found`
 */
export async function disable(id: string, decision: Decision): Promise<Result> {
  if (!isUuid(id)) return refuse('not_found')
  return await within(decision.tx, async (tx) => {
    const user = await store.lockUser(tx, id)
    if (!user) return refuse('not_found')
    if (user.status === 'disabled') return ok()
    const reason = plainLine(decision.reason ?? '').slice(0, 200)
    await store.writeDisabled(tx, id, reason)
    const { actor, caller } = decision
    await runDisablingHooks(tx, id, { actor, ...(caller && { caller }) })
    await record(tx, { type: 'user.disabled', userId: id, actor, caller, data: { reason } })
    announce(tx, 'updated', id)
    return ok()
  })
}

/** Lets a disabled user in again (active, or pending without a proven address). Old sessions stay dead. */
export async function enable(id: string, decision: Decision): Promise<Result> {
  if (!isUuid(id)) return refuse('not_found')
  return await within(decision.tx, async (tx) => {
    if (!(await store.lockUser(tx, id))) return refuse('not_found')
    if (!(await store.writeEnabled(tx, id))) return ok()
    await record(tx, { type: 'user.enabled', userId: id, actor: decision.actor, caller: decision.caller })
    announce(tx, 'updated', id)
    return ok()
  })
}
