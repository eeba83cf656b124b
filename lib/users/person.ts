/** What other rooms are told about a user, and what they may call the person. */
import { env } from '../base/env'
import type { SummaryRow } from './store'

export interface UserSummary {
  id: string
  status: 'active' | 'pending' | 'disabled' | 'deleted'
  isAnonymous: boolean
  /** The primary address, verified or not. */
  email: string | null
  emailVerified: boolean
  firstName: string | null
  lastName: string | null
  displayName: string | null
  /** What to call the person: display name, else first and last name; null when neither is known. */
  name: string | null
  /** Path of the picture on this origin. */
  avatarPath: string | null
  /** BCP 47. */
  locale: string
  defaultRole: string
  /** All roles, the default one included, sorted. */
  roles: string[]
  sessionVersion: number
  /** Moves with every change of what the person signs in with. */
  factorVersion: number
  createdAt: Date
  lastLoginAt: Date | null
  disabledAt: Date | null
  disabledReason: string | null
  /** Set by "this wasn't me": no password sign-in until a reset. */
  lockedDownAt: Date | null
}

/** Where the app serves a picture; its key changes with every byte, so it may be cached for ever. */
export const avatarPath = (key: string): string => `/avatars/${key}`

export const avatarUrl = (key: string): string => env().url + avatarPath(key)

export function nameOf(row: Pick<SummaryRow, 'display_name' | 'first_name' | 'last_name'>): string | null {
  return row.display_name || [row.first_name, row.last_name].filter(Boolean).join(' ') || null
}

export const rolesOf = (row: Pick<SummaryRow, 'roles' | 'default_role'>): string[] =>
  [...new Set([...row.roles, row.default_role])].sort()

export function toSummary(row: SummaryRow): UserSummary {
  return {
    id: row.id,
    status: row.status,
    isAnonymous: row.is_anonymous,
    email: row.address,
    emailVerified: row.verified_at !== null,
    firstName: row.first_name,
    lastName: row.last_name,
    displayName: row.display_name,
    name: nameOf(row),
    avatarPath: row.avatar_key && avatarPath(row.avatar_key),
    locale: row.locale,
    defaultRole: row.default_role,
    roles: rolesOf(row),
    sessionVersion: row.session_version,
    factorVersion: row.factor_version,
    createdAt: row.created_at,
    lastLoginAt: row.last_login_at,
    disabledAt: row.disabled_at,
    disabledReason: row.disabled_reason,
    lockedDownAt: row.locked_down_at,
  }
}
