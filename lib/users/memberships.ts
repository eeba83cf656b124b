/** What a person belongs to, for whoever lets in some people only. */
import type { Tx } from '../base/db'
import { isUuid } from '../base/ids'
import * as store from './store'

export interface Memberships {
  /** The default role among them. */
  roles: string[]
  /** Of every proven address, primary or not: lower case, punycode. */
  domains: string[]
}

const view = (row: store.MembershipsRow | null): Memberships | null =>
  row && { roles: [...new Set([row.default_role, ...row.roles])], domains: row.domains }

/** @returns null for a guest, and for a user who is unknown, pending, disabled or deleted */
export async function memberships(id: string): Promise<Memberships | null> {
  return view(isUuid(id) ? await store.readMemberships(id) : null)
}

/** @param left what the person belongs to now that they lost something; null as of `memberships` */
type LossHook = (tx: Tx, userId: string, gone: Memberships, left: Memberships | null) => Promise<void>
const lossHooks: LossHook[] = []

/**
 * Calls `fn` in every transaction in which somebody loses a role or a proven address, as part of it: what a room owes to
 * whoever goes by those is committed with the loss, or neither is. To be registered when the room is loaded.
 */
export function whenLosing(fn: LossHook): void {
  lossHooks.push(fn)
}

/** Says in `tx`, once it is written, what somebody lost. */
export async function lost(tx: Tx, userId: string, gone: Partial<Memberships>): Promise<void> {
  if (lossHooks.length === 0) return
  const left = view(await store.readMembershipsIn(tx, userId))
  for (const hook of lossHooks) await hook(tx, userId, { roles: [], domains: [], ...gone }, left)
}

/** The names of roles that there are, at most `limit` of them. */
export const roleNames = (limit = 50): Promise<string[]> => store.readRoleNames(limit)
