/** What a person belongs to, for whoever lets in some people only. */
import { isUuid } from '../base/ids'
import * as store from './store'

export interface Memberships {
  /** The default role among them. */
  roles: string[]
  /** Of every proven address, primary or not: lower case, punycode. */
  domains: string[]
}

/** @returns null for a guest, and for a user who is unknown, pending, disabled or deleted */
export async function memberships(id: string): Promise<Memberships | null> {
  const row = isUuid(id) ? await store.readMemberships(id) : null
  return row && { roles: [...new Set([row.default_role, ...row.roles])], domains: row.domains }
}

/** The names of roles that there are, at most `limit` of them. */
export const roleNames = (limit = 50): Promise<string[]> => store.readRoleNames(limit)
