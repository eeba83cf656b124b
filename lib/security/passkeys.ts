/** A person's passkeys and security keys, as they change them. */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { changeFactors, type Renewed } from './change-factors'
import * as enrol from './enrol'
import { fresh, mayChange, type Who } from './gate'
import { tellSecurity } from './news'
import { mayAdd, mayGo } from './standing'

export type Kind = factors.passkeys.PasskeyKind

/**
 * What the browser is given to make a new passkey or security key; its challenge is good once, for this
 * session alone.
 * @returns refusals `proof_required`, `rate_limited`, `method_off`, `session_required`
 */
export async function options(
  who: Who,
  { kind }: { kind: Kind },
  caller: Caller,
): Promise<Result<Awaited<ReturnType<typeof factors.passkeys.registrationOptions>>>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  const on = mayAdd(kind)
  if (!on.ok) return on
  const user = await users.get(who.userId)
  if (!user) return refuse('session_required')
  const name = user.email ?? user.id
  const asked = { name, displayName: user.name ?? name, kind, binding: who.sid }
  return ok(await factors.passkeys.registrationOptions(who.userId, asked))
}

/**
 * Takes what the browser made of the options.
 * @returns refusals of `changeFactors` and `enrol.passkey`
 */
export const add = (
  who: Who,
  { response, nickname }: { response: unknown; nickname?: string },
  caller: Caller,
): Promise<Result<factors.passkeys.PasskeyRow & Renewed>> =>
  changeFactors(who, caller, (tx) =>
    enrol.passkey(tx, who.userId, { response, nickname, binding: who.sid }, caller),
  )

/** Gives one another name. @returns refusals `proof_required`, `not_found` (also for anybody else's, AZ3), `invalid_input` */
export async function rename(
  who: Who,
  { id, name }: { id: string; name: string },
  caller: Caller,
): Promise<Result> {
  const proven = fresh(who)
  if (!proven.ok) return proven
  const renamed = await inTx((tx) => factors.passkeys.rename(tx, who.userId, id, name, caller))
  return renamed.ok ? ok() : renamed
}

/**
 * Removes a passkey or security key; all proven addresses are told. With the last second factor the backup
 * codes go too. The page then tells the browser what is left
 * (`factors.passkeys.signal`).
 * @returns its name, empty for one that nobody named; refusals of `changeFactors`, `not_found`,
 *   `factor_required`, `last_way_back`
 */
export const remove = (
  who: Who,
  { id }: { id: string },
  caller: Caller,
): Promise<Result<{ name: string; kind: Kind; credentialId: string } & Renewed>> =>
  changeFactors(who, caller, async (tx) => {
    const found = (await factors.passkeys.list(who.userId)).find((one) => one.id === id)
    if (!found) return refuse('not_found')
    const may = await mayGo(tx, who, found.kind)
    if (!may.ok) return may
    const removed = await factors.passkeys.remove(tx, who.userId, id, caller)
    if (!removed.ok) return removed
    if (may.value.last) await factors.backupCodes.voidAll(tx, who.userId, caller)
    const { name, kind } = removed.value
    await tellSecurity(tx, who.userId, { what: 'factor_removed', name, kind }, caller)
    return removed
  })
