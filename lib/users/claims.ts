/** Standard claims of OpenID Connect Core 1.0 section 5.1, by the scopes of section 5.4. */
import { isUuid } from '../base/ids'
import { avatarUrl, nameOf, rolesOf } from './person'
import * as store from './store'

/**
 * What an app with these scopes may know of a user, in one prepared statement (userinfo is hot).
 * `profile`: name, given_name, family_name, picture, locale, zoneinfo, updated_at (seconds);
 * `email`: email, email_verified; `phone`: phone_number, phone_number_verified; `roles`: roles.
 * Unknown facts are left out. `sub` is the caller's.
 * @param scopes names, or one string with blanks
 * @returns {} for a user who is unknown, disabled or deleted
 */
export async function claims(
  id: string,
  scopes: Iterable<string> | string,
): Promise<Record<string, unknown>> {
  const wanted = new Set(typeof scopes === 'string' ? scopes.split(' ') : scopes)
  const row = isUuid(id) ? await store.readUser(id) : null
  return row && isHere(row) ? claimsOf(row, wanted) : {}
}

const isHere = ({ status }: store.SummaryRow): boolean => status !== 'disabled' && status !== 'deleted'

/** All that an app's own claims may be made of, in one prepared statement. */
export interface UserFacts {
  id: string
  createdAt: Date
  isAnonymous: boolean
  roles: string[]
  defaultRole: string
  /** Those of the scopes `profile`, `email` and `phone`. */
  claims: Record<string, unknown>
  metadata: Record<string, unknown>
}

/** @returns null for a user who is unknown, disabled or deleted */
export async function facts(id: string): Promise<UserFacts | null> {
  const row = isUuid(id) ? await store.readUserWithMetadata(id) : null
  if (!row || !isHere(row)) return null
  return {
    id: row.id,
    createdAt: row.created_at,
    isAnonymous: row.is_anonymous,
    roles: rolesOf(row),
    defaultRole: row.default_role,
    claims: claimsOf(row, new Set(['profile', 'email', 'phone'])),
    metadata: row.metadata as Record<string, unknown>,
  }
}

function claimsOf(row: store.SummaryRow, wanted: ReadonlySet<string>): Record<string, unknown> {
  const found: Record<string, unknown> = {}
  if (wanted.has('profile')) {
    found.name = nameOf(row)
    found.given_name = row.first_name
    found.family_name = row.last_name
    found.picture = row.avatar_key && avatarUrl(row.avatar_key)
    found.locale = row.locale
    found.zoneinfo = row.timezone
    found.updated_at = Math.floor(row.updated_at.getTime() / 1000)
  }
  if (wanted.has('email') && row.address) {
    found.email = row.address
    found.email_verified = row.verified_at !== null
  }
  if (wanted.has('phone') && row.phone) {
    found.phone_number = row.phone
    found.phone_number_verified = row.phone_verified_at !== null
  }
  if (wanted.has('roles')) found.roles = rolesOf(row)
  for (const [name, value] of Object.entries(found)) if (value === null) delete found[name]
  return found
}
