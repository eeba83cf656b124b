/** "This wasn't me": one link from any notice shuts everybody out until the owner chooses a new password. */
import type { Caller } from '../base/caller'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as users from '../users'
import { allOrNothing, spendRequest } from './gate'
import { type BroughtFactor, tellSecurity } from './news'
import { BEFORE_MS, type Foreign, foreignFactors, type Goes, shutOut } from './shut-out'

/** What a link takes away: what its notice was about, and all that was brought around that time. */
function foreignBy({ data: { address, number, factor }, issuedAt }: factors.Link): Foreign {
  return {
    since: new Date(issuedAt.getTime() - BEFORE_MS),
    ...(typeof address === 'string' && { address }),
    ...(typeof number === 'string' && { number }),
    ...(isFactor(factor) && { factor: factor.id }),
  }
}

function isFactor(value: unknown): value is BroughtFactor {
  const { kind, id, name } = Object(value)
  return (
    ['totp', 'passkey', 'security_key', 'account'].includes(kind) &&
    typeof id === 'string' &&
    typeof name === 'string'
  )
}

/** What a live link would remove; null when it no longer locks anything. Changes nothing. */
export async function peek(token: string): Promise<Goes | null> {
  const link = await factors.links.peek('lockdown', token)
  if (!link || (await users.isOver(link.userId))) return null
  const { userId } = link
  const foreign = foreignBy(link)
  const [emails, phones, brought] = await Promise.all([
    users.emails.list(userId),
    users.phones.list(userId),
    foreignFactors(userId, foreign),
  ])
  return {
    factors: brought.map(({ kind, name }) => ({ kind, name })),
    addresses: users.foreignAddresses(emails, foreign).go.map(({ address }) => address),
    numbers: users.foreignNumbers(phones, foreign).map(({ readable }) => readable),
  }
}

/**
 * Locks the account of a link: every session and consent ends, links to a new password are void, the
 * password takes nobody in until it is replaced, addresses, numbers and factors brought since 72 hours before
 * the notice are gone (but for the proven address they had longest), and all proven addresses that are left are
 * told. Events are kept: they are the evidence. Links that take a change of address back stay good. An account that was
 * closed since is kept. One transaction; of two at once, one does it.
 * @returns refusals `link_over`, `rate_limited`; `email_taken` for a closed account of whose addresses none is free any
 *   more (the link stays good)
 */
export async function lockDown(token: string, caller: Caller): Promise<Result> {
  const allowed = await spendRequest(caller)
  if (!allowed.ok) return allowed
  const seen = await factors.links.peek('lockdown', token)
  if (!seen) return refuse('link_over')
  return await allOrNothing(async (tx) => {
    await users.lockAccount(tx, seen.userId)
    const link = await factors.links.use(tx, 'lockdown', token)
    if (!link) return refuse('link_over')
    const { userId } = link
    const kept = await users.keep(tx, userId, { caller })
    if (!kept.ok) return refuse('link_over')
    if (!kept.value.reachable) return refuse('email_taken')
    const foreign = foreignBy(link)
    await users.emails.expel(tx, userId, foreign, caller)
    await shutOut(tx, userId, foreign, { reason: 'locked_down', caller })
    await tellSecurity(tx, userId, 'locked_down', caller)
    return ok()
  })
}
