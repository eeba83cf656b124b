/** A new person of ours, with the password or the account elsewhere that they begin with: all of it or nothing. */
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Refusal, type Result } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import type { Proof } from '../sessions'
import * as users from '../users'
import { syncRoles } from './roles'

/**
 * Makes somebody whose address is proven.
 * @returns their id, and that of the linked account; refusals `email_taken` when somebody proved the address a moment
 *   earlier, `identity_taken` when the provider's account got linked to somebody meanwhile
 */
export async function makePerson(
  person: Omit<users.Registration, 'verified' | 'roles'>,
  by: { passwordHash?: string | null; stranger?: federation.Identity | null },
  caller: Caller,
): Promise<Result<{ userId: string; accountId: string | null }>> {
  const { passwordHash, stranger } = by
  try {
    return await inTx(async (tx) => {
      const made = await users.register(tx, { ...person, verified: true, caller })
      if (!made.ok) return made
      const { id: userId } = made.value
      if (passwordHash) await factors.password.set(tx, userId, passwordHash, caller)
      if (!stranger) return ok({ userId, accountId: null })
      const linked = await federation.accounts.link(tx, userId, stranger, caller)
      if (!linked.ok) throw new RolledBack(linked.refusal)
      await syncRoles(tx, userId, stranger, caller)
      return ok({ userId, accountId: linked.value.id })
    })
  } catch (error) {
    if (error instanceof RolledBack) return { ok: false, refusal: error.refusal }
    throw error
  }
}

/** The provider's word, now that it is about a linked account. */
export const withAccount = (proofs: readonly Proof[], accountId: string | null | undefined): Proof[] =>
  proofs.map((proof) => (proof.method === 'oauth' && accountId ? { ...proof, credential: accountId } : proof))

class RolledBack extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.code)
  }
}
