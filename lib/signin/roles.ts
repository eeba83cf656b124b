/** Roles by a provider's claims, where the operator maps some. */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { env } from '../base/env'
import type * as federation from '../federation'
import * as users from '../users'

/**
 * Gives and takes, in `tx`, the roles that this provider's claims speak of: those it said are the person's, the others of
 * the mapping are not (any more). What the mapping does not name stays as it is.
 */
export async function syncRoles(
  tx: Tx,
  userId: string,
  { provider, roles }: federation.Identity,
  caller: Caller,
): Promise<void> {
  if (!roles) return
  const mapping = env().federation.providers.find(({ id }) => id === provider)?.roles
  const mapped = mapping ? Object.values(mapping.values) : []
  await users.setRoles(tx, userId, { roles, among: mapped }, { caller, actor: 'system', provider })
}
