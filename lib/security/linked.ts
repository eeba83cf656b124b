/** A person's linked accounts elsewhere, as they change them. */
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as federation from '../federation'
import { nameOf, providerName } from './account-name'
import { changeFactors, type Renewed } from './change-factors'
import * as enrol from './enrol'
import { mayChange, type Who } from './gate'
import { tellSecurity } from './news'
import { mayUnlink } from './standing'

const PAGE = '/account/linked'

/** What is said of a link that was made or ended. */
export interface Linked {
  /** "Google (ada@gmail.com)". */
  name: string
}

/** The same, of a change: with cookies for the browser that made it. */
export type Made = Linked & Renewed

/** A linked account as its owner reads of it. */
export interface LinkedView extends federation.AccountView {
  /** The provider's name; its id where it is no longer configured. */
  providerName: string
  brand: string | null
  /** People can still sign in with it. */
  on: boolean
}

/** Where passkeys are the only way in, no provider is another. */
export const providersOn = (): boolean => !env().signInMethods.every((way) => way === 'passkey')

/** The person's linked accounts, and the providers that could be linked. */
export async function list(
  userId: string,
): Promise<{ accounts: LinkedView[]; others: federation.ProviderView[] }> {
  const accounts = (await federation.accounts.list(userId)).map((account) => {
    const known = federation.provider(account.provider)
    return {
      ...account,
      providerName: providerName(account.provider),
      brand: known?.brand ?? null,
      on: known !== null && providersOn(),
    }
  })
  const linked = new Set(accounts.map(({ provider }) => provider))
  return { accounts, others: providersOn() ? federation.providers().filter(({ id }) => !linked.has(id)) : [] }
}

/**
 * Sends the browser to a provider, to come back with an account that is to be linked to this very session's person.
 * @returns where to; refusals `proof_required`, `rate_limited`, `method_off`, `already_exists`, those of `federation.begin`
 */
export async function begin(
  who: Who,
  { provider }: { provider: string },
  caller: Caller,
): Promise<Result<{ url: string; setCookies: string[] }>> {
  const may = await mayChange(who, caller)
  if (!may.ok) return may
  if (!providersOn()) return refuse('method_off')
  const linked = await federation.accounts.list(who.userId)
  if (linked.some((account) => account.provider === provider)) return refuse('already_exists')
  const { userId, sid } = who
  return federation.begin({
    purpose: 'link',
    userId,
    sid,
    provider,
    returnTo: PAGE,
    prompt: 'select_account',
    caller,
  })
}

/**
 * Links what the provider said to the person whose session asked, in the browser that asked: not to whoever is signed in
 * when an answer comes (account linking by CSRF). All proven addresses are told.
 * @returns its name, and cookies; refusals `flow_foreign_browser` in another session, those of `changeFactors`,
 *   `already_exists`, `identity_taken`
 */
export async function finish(
  context: Extract<federation.Context, { purpose: 'link' }>,
  identity: federation.Identity,
  who: Who | null,
  caller: Caller,
): Promise<Result<Linked & Renewed>> {
  if (who?.sid !== context.sid || who.userId !== context.userId) return refuse('flow_foreign_browser')
  if (!providersOn()) return refuse('method_off')
  return changeFactors(who, caller, async (tx) => {
    // Another tab may have linked one meanwhile.
    const others = await federation.accounts.list(who.userId)
    if (others.some(({ provider }) => provider === identity.provider)) return refuse('already_exists')
    const made = await enrol.account(tx, who.userId, identity, caller)
    return made.ok ? ok({ name: made.value.name }) : made
  })
}

/**
 * Unlinks one; all proven addresses are told. One whose provider is no longer configured can always go.
 * @returns its name, and cookies; refusals of `changeFactors`, `not_found`, `last_way_back`
 */
export const remove = (who: Who, { id }: { id: string }, caller: Caller): Promise<Result<Linked & Renewed>> =>
  changeFactors(who, caller, async (tx) => {
    const account = (await federation.accounts.list(who.userId)).find((one) => one.id === id)
    if (!account) return refuse('not_found')
    const may = await mayUnlink(tx, who.userId, account.provider)
    if (!may.ok) return may
    const gone = await federation.accounts.unlink(tx, who.userId, id, caller)
    if (!gone.ok) return gone
    const name = nameOf(gone.value)
    // A mail names the provider alone: what looks like an address in it would become a link.
    const news = { what: 'account_unlinked', name: providerName(gone.value.provider) } as const
    await tellSecurity(tx, who.userId, news, caller)
    return ok({ name })
  })
