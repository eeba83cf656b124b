/**
 * A new person of ours, or the guest of this browser made into one, with the password or the account elsewhere that they
 * begin with: all of it or nothing. The last write of every sign-up.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { inTx } from '../base/db'
import { ok, type Refusal, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import type { Proof } from '../sessions'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt } from './attempt'
import { syncRoles } from './roles'

/**
 * Makes somebody whose address is proven. In a browser that was a guest's when the attempt began, the guest becomes the
 * person: their id, not the one set aside, and consents kept. All that was signed in as the guest is over then, in
 * whatever browser: whoever laid a guest's session into somebody's browser has kept a copy (login CSRF, session
 * fixation).
 * @param person.id the id set aside, for an account that no guest becomes
 * @returns their id, and that of the linked account; refusals `email_taken` when somebody proved the address a moment
 *   earlier, `identity_taken` when the provider's account got linked to somebody meanwhile, `account_changed` when the
 *   guest is none any more, or no longer here
 */
export async function makePerson(
  { guest }: Pick<Attempt, 'guest'>,
  person: Omit<users.Registration, 'verified' | 'roles'>,
  by: { passwordHash?: string | null; stranger?: federation.Identity | null },
  caller: Caller,
): Promise<Result<{ userId: string; accountId: string | null }>> {
  const { passwordHash, stranger } = by
  try {
    return await inTx(async (tx) => {
      const full = { ...person, verified: true, caller }
      const made = guest ? await upgraded(tx, guest, full) : await users.register(tx, full)
      if (!made.ok) return made
      const { id: userId } = made.value
      if (passwordHash) await factors.password.set(tx, userId, passwordHash, caller)
      let accountId: string | null = null
      if (stranger) {
        const linked = await federation.accounts.link(tx, userId, stranger, caller)
        if (!linked.ok) throw new RolledBack(linked.refusal)
        await syncRoles(tx, userId, stranger, caller)
        accountId = linked.value.id
      }
      // Last: sessions are told to be over before the commit, and nothing is refused from here on.
      if (guest) await sessions.beginAnew(tx, userId, { reason: 'upgraded', caller })
      return ok({ userId, accountId })
    })
  } catch (error) {
    if (error instanceof RolledBack) return { ok: false, refusal: error.refusal }
    throw error
  }
}

/** The browser must still be that guest's. */
async function upgraded(
  tx: Tx,
  guest: string,
  person: users.Registration & { caller: Caller },
): Promise<Result<{ id: string }>> {
  const facts = await sessions.check(person.caller.cookies)
  if (!facts?.guest || facts.userId !== guest) return refuse('account_changed')
  return users.upgradeGuest(tx, guest, person)
}

/** The provider's word, now that it is about a linked account. */
export const withAccount = (proofs: readonly Proof[], accountId: string | null | undefined): Proof[] =>
  proofs.map((proof) => (proof.method === 'oauth' && accountId ? { ...proof, credential: accountId } : proof))

class RolledBack extends Error {
  constructor(readonly refusal: Refusal) {
    super(refusal.code)
  }
}
