/**
 * A new factor, and what always comes with one: every trusted browser is asked again, and all proven
 * addresses are told. For the console (by way of `changeFactors`) and for a sign-in in which a factor is set
 * up; whoever calls has seen every proof that is needed first.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import type { StrongMethod } from '../base/env'
import { ok, type Result } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import * as sessions from '../sessions'
import { nameOf, providerName } from './account-name'
import { type BroughtFactor, tellSecurity } from './news'

/**
 * Turns the pending secret into an authenticator app, by the first code it shows.
 * @param input.binding what the pending secret was bound to: a session's id, or a flow
 * @returns refusals of `factors.totp.confirm`
 */
export async function totp(
  tx: Tx,
  userId: string,
  input: { code: string; name: string; binding: string },
  caller: Caller,
): Promise<Result<{ id: string; name: string }>> {
  const added = await factors.totp.confirm(tx, userId, input, caller)
  if (!added.ok) return added
  const { id, name } = added.value
  await told(tx, userId, { kind: 'totp', id, name }, caller)
  return added
}

/**
 * Takes a passkey or security key, as asked for by the options that were given under the same binding.
 * @returns refusals of `factors.passkeys.register`
 */
export async function passkey(
  tx: Tx,
  userId: string,
  input: { response: unknown; binding: string; nickname?: string },
  caller: Caller,
): Promise<Result<factors.passkeys.Registered>> {
  const added = await factors.passkeys.register(tx, userId, input, caller)
  if (!added.ok) return added
  const { id, kind, nickname: name } = added.value
  await told(tx, userId, { kind, id, name }, caller)
  return added
}

/**
 * Links an account elsewhere: another way in.
 * @returns its id, and what people call it; refusals of `federation.accounts.link`
 */
export async function account(
  tx: Tx,
  userId: string,
  identity: federation.Identity,
  caller: Caller,
): Promise<Result<{ id: string; name: string }>> {
  const linked = await federation.accounts.link(tx, userId, identity, caller)
  if (!linked.ok) return linked
  const { id } = linked.value
  const name = nameOf(identity)
  await sessions.forgetTrust(tx, userId)
  const factor = { kind: 'account', id, name } as const
  // A mail names the provider alone: what looks like an address in it would become a link.
  const news = { what: 'account_linked', name: providerName(identity.provider), factor } as const
  await tellSecurity(tx, userId, news, caller)
  return ok({ id, name })
}

async function told(
  tx: Tx,
  userId: string,
  factor: BroughtFactor & { kind: StrongMethod },
  caller: Caller,
): Promise<void> {
  await sessions.forgetTrust(tx, userId)
  await tellSecurity(
    tx,
    userId,
    { what: 'factor_added', name: factor.name, kind: factor.kind, factor },
    caller,
  )
}
