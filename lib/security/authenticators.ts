/** A person's authenticator apps, as they change them. */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Result } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { changeFactors, type Renewed } from './change-factors'
import * as enrol from './enrol'
import { fresh, mayChange, type Who } from './gate'
import { tellSecurity } from './news'
import { mayAdd, mayGo } from './standing'

/**
 * Makes a secret for a new app, kept for a quarter of an hour for this session alone. Asked again meanwhile,
 * it is the same one: a reload shows the same picture.
 * @returns refusals `proof_required`, `rate_limited`, `method_off`, those of `factors.totp.begin`
 */
export async function begin(who: Who, caller: Caller): Promise<Result<factors.Enrolment>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  const on = mayAdd('totp')
  if (!on.ok) return on
  const user = await users.get(who.userId)
  const label = user?.email ?? user?.name ?? who.userId
  return await factors.totp.begin(who.userId, { label, binding: who.sid })
}

/** The secret that waits for its first code; null when there is none, or no fresh proof any more to see it with. */
export const pending = async (who: Who): Promise<factors.Enrolment | null> =>
  fresh(who).ok ? await factors.totp.pending(who.userId, who.sid) : null

/**
 * Takes the first code of the new app: from now on sign-in asks for one.
 * @returns refusals of `changeFactors` and `enrol.totp`, `method_off`
 */
export const confirm = (
  who: Who,
  { code, name }: { code: string; name: string },
  caller: Caller,
): Promise<Result<{ id: string; name: string } & Renewed>> =>
  changeFactors(who, caller, async (tx) => {
    const on = mayAdd('totp')
    return on.ok ? await enrol.totp(tx, who.userId, { code, name, binding: who.sid }, caller) : on
  })

/** Gives an app another name. @returns refusals `proof_required`, `not_found` (also for anybody else's, AZ3), `invalid_input` */
export async function rename(
  who: Who,
  { id, name }: { id: string; name: string },
  caller: Caller,
): Promise<Result> {
  const proven = fresh(who)
  return proven.ok ? await inTx((tx) => factors.totp.rename(tx, who.userId, id, name, caller)) : proven
}

/**
 * Removes an app; all proven addresses are told. With the last second factor the backup codes go too.
 * @returns refusals of `changeFactors`, `not_found`, `factor_required`
 */
export const remove = (
  who: Who,
  { id }: { id: string },
  caller: Caller,
): Promise<Result<{ name: string; kind: 'totp' } & Renewed>> =>
  changeFactors(who, caller, async (tx) => {
    const may = await mayGo(tx, who, 'totp')
    if (!may.ok) return may
    const removed = await factors.totp.remove(tx, who.userId, id, caller)
    if (!removed.ok) return removed
    const { name } = removed.value
    if (may.value.last) await factors.backupCodes.voidAll(tx, who.userId, caller)
    await tellSecurity(tx, who.userId, { what: 'factor_removed', name, kind: 'totp' }, caller)
    return ok({ name, kind: 'totp' as const })
  })
