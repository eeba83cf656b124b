/** A person's backup codes, as they make them. */
import type { Caller } from '../base/caller'
import { ok, type Result } from '../base/refusals'
import * as factors from '../factors'
import { changeFactors, type Renewed } from './change-factors'
import type { Who } from './gate'
import { tellSecurity } from './news'
import { mayAdd } from './standing'

/**
 * Makes ten new codes, said this once; the old ones are void. All proven addresses are told.
 * @returns refusals of `changeFactors`, `method_off`
 */
export const generate = (who: Who, caller: Caller): Promise<Result<{ codes: string[] } & Renewed>> =>
  changeFactors(who, caller, async (tx) => {
    const on = mayAdd('backup_code')
    if (!on.ok) return on
    const codes = await factors.backupCodes.generate(tx, who.userId, caller)
    await tellSecurity(tx, who.userId, 'backup_codes_renewed', caller)
    return ok({ codes })
  })

/** Whether somebody has just one second factor and no backup codes, and may have some: the moment to offer them. */
export async function missing(userId: string): Promise<boolean> {
  const { totp, passkeys, securityKeys } = await factors.enrolled(userId)
  const only = totp + passkeys + securityKeys === 1
  return only && mayAdd('backup_code').ok && (await factors.backupCodes.status(userId)) === null
}
