/** The roles of a person, where somebody else than the operator's own hand gives and takes them. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { announce } from './announce'
import { isId } from './id'
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
  if (!isId(userId) || !(await store.lockUser(tx, userId))) return
  const wanted = [...new Set(roles)]
  const { given, taken } = await store.writeRoles(tx, userId, wanted, [...new Set([...among, ...wanted])])
  if (given.length === 0 && taken.length === 0) return
  const { provider, ...who } = by
  const data = { given, taken, ...(provider && { provider }) }
  await record(tx, { type: 'user.roles_changed', userId, ...who, data })
  announce(tx, 'updated', userId)
}
