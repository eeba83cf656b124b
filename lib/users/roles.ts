/** The roles of a person, where somebody else than the operator's own hand gives and takes them. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { announce } from './announce'
import { lost } from './memberships'
import * as store from './store'

/**
 * Makes `roles` the only ones of `among` that a user has, in `tx`; every other role stays, and so does the default one. A
 * role that is not there yet is made.
 * @param by.provider whose claims say so, kept in the event
 */
export async function setRoles(
  tx: Tx,
  userId: string,
  { roles, among }: { roles: readonly string[]; among: readonly string[] },
  by: { actor: string; caller?: Caller; provider?: string },
): Promise<void> {
  if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return
  const wanted = [...new Set(roles)]
  const { given, taken } = await store.writeRoles(tx, userId, wanted, [...new Set([...among, ...wanted])])
  if (given.length === 0 && taken.length === 0) return
  if (taken.length > 0) await lost(tx, userId, { roles: taken })
  const { provider, ...who } = by
  const data = { given, taken, ...(provider && { provider }) }
  await record(tx, { type: 'user.roles_changed', userId, ...who, data })
  announce(tx, 'updated', userId)
}

/** A role's name, as claims and policies take it. */
export const ROLE = /^[A-Za-z0-9][A-Za-z0-9_.:-]{0,62}$/

/**
 * Makes `roles` the only ones that a user has beside the default one, which is changed too where it is said. By the
 * operator's hand.
 * @returns refusal `not_found`, or `invalid_input` with `values.message`
 */
export async function changeRoles(
  userId: string,
  { roles, defaultRole }: { roles?: readonly string[]; defaultRole?: string },
  by: { actor: string; caller?: Caller },
): Promise<Result<{ roles: string[]; defaultRole: string }>> {
  const bad = [...(roles ?? []), ...(defaultRole === undefined ? [] : [defaultRole])].find(
    (r) => !ROLE.test(r),
  )
  if (bad !== undefined) {
    const message = `"${bad}" is no name of a role: letters, digits and _ . : - are`
    return refuse('invalid_input', { field: 'roles', values: { message } })
  }
  return await inTx(async (tx) => {
    if (!isUuid(userId) || !(await store.lockUser(tx, userId))) return refuse('not_found')
    const before = await store.readUser(userId)
    if (!before || before.is_anonymous) return refuse('not_found')
    const role = defaultRole ?? before.default_role
    if (defaultRole) await store.writeDefaultRole(tx, userId, defaultRole)
    const { given, taken } = roles
      ? await store.writeRoles(tx, userId, [...new Set(roles)], before.roles)
      : { given: [], taken: [] }
    const defaultGone = role === before.default_role ? [] : [before.default_role]
    if (taken.length > 0 || defaultGone.length > 0)
      await lost(tx, userId, { roles: [...taken, ...defaultGone] })
    if (given.length > 0 || taken.length > 0 || role !== before.default_role) {
      const data = { given, taken, ...(role !== before.default_role && { defaultRole: role }) }
      await record(tx, { type: 'user.roles_changed', userId, ...by, data })
      announce(tx, 'updated', userId)
    }
    const has = new Set([...(roles ?? before.roles), role])
    return ok({ roles: [...has].sort(), defaultRole: role })
  })
}
