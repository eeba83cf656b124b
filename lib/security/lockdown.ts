/** "This wasn't me": one link from any notice shuts everybody out until the owner chooses a new password. */
import type { Caller } from '../base/caller'
import { inTx, type Tx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as oidc from '../oidc'
import * as sessions from '../sessions'
import * as users from '../users'
import { spendRequest } from './gate'
import { type Brought, type BroughtFactor, tellSecurity } from './news'

const broughtBy = ({ data: { address, number, factor } }: factors.Link): Brought => ({
  ...(typeof address === 'string' && { address }),
  ...(typeof number === 'string' && { number }),
  ...(isFactor(factor) && { factor }),
})

function isFactor(value: unknown): value is BroughtFactor {
  const { kind, id, name } = Object(value)
  return (
    ['totp', 'passkey', 'security_key'].includes(kind) && typeof id === 'string' && typeof name === 'string'
  )
}

/** What a live link would take away besides; null when it no longer locks anything. Changes nothing. */
export async function peek(token: string): Promise<Brought | null> {
  const link = await factors.links.peek('lockdown', token)
  return link && broughtBy(link)
}

/**
 * Locks the account of a link: every session and consent ends, links to a new password are void, the
 * password takes nobody in until it is replaced, the address, number or factor of which the notice told is gone,
 * and all proven addresses that are left are told. Events are kept: they are the evidence. Links that take
 * a change of address back stay good. One transaction; of two at once, one does it.
 * @returns refusals `link_over`, `rate_limited`
 */
export async function lockDown(token: string, caller: Caller): Promise<Result> {
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  return inTx(async (tx) => {
    const link = await factors.links.use(tx, 'lockdown', token)
    if (!link) return refuse('link_over')
    const { userId } = link
    await users.lockDown(tx, userId, caller)
    await takeAway(tx, userId, broughtBy(link), caller)
    await factors.links.voidAll(tx, userId, ['password_reset', 'lockdown'])
    await sessions.revokeIn(tx, { userId, all: true }, { reason: 'locked_down', caller })
    await oidc.grants.revokeAll(tx, userId, { caller })
    await tellSecurity(tx, userId, 'locked_down', caller)
    return ok()
  })
}

/** Removes the way in that the notice was about; an address or number not when it is the only one left. */
async function takeAway(tx: Tx, userId: string, brought: Brought, caller: Caller): Promise<void> {
  const { address, number, factor } = brought
  if (address) await users.emails.expel(tx, userId, address, caller)
  // A passkey takes its holder in without the password that is dead from now on.
  if (factor) {
    const { remove } = factor.kind === 'totp' ? factors.totp : factors.passkeys
    await remove(tx, userId, factor.id, caller)
  }
  if (!number) return
  const bare = (text: string) => text.replace(/[^+\d]/g, '')
  const phone = (await users.phones.list(userId)).find((one) => bare(one.number) === bare(number))
  if (phone) await users.phones.remove(tx, userId, phone.id, caller)
}
