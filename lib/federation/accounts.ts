/** Linked accounts. Freshness, and whether it is the last way in, are the callers' to ask. */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { type Result, refuse } from '../base/refusals'
import type { AccountOwner, AccountView, Identity } from './types'

/**
 * Whose identity this is: provider, issuer and subject must be the same. Null when nobody's.
 * @throws StoresDown
 */
export async function find(
  identity: Pick<Identity, 'provider' | 'issuer' | 'subject'>,
): Promise<AccountOwner | null> {
  return identity ? null : null
}

/** The person's linked accounts, the oldest first. */
export async function list(userId: string): Promise<AccountView[]> {
  return userId ? [] : []
}

/** How many the person has with providers that are configured now: ways in. In `tx`, under the caller's lock. */
export async function count(tx: Tx, userId: string): Promise<number> {
  return tx && userId ? 0 : 0
}

/**
 * Links an identity to a person, in `tx`, and records `account.linked`. The caller locks the user and asks for a fresh proof.
 * @returns the account's id. Refusals: `identity_taken` (another person's, or this provider's account is linked already)
 */
export async function link(
  tx: Tx,
  userId: string,
  identity: Identity,
  caller: Caller,
): Promise<Result<{ id: string }>> {
  return refuse(tx && userId && identity && caller ? 'not_found' : 'not_found')
}

/**
 * Unlinks one, in `tx`, and records `account.unlinked`; its tokens go with it.
 * @returns what it was. Refusal `not_found` when it is not this person's
 */
export async function unlink(
  tx: Tx,
  userId: string,
  accountId: string,
  caller: Caller,
): Promise<Result<AccountView>> {
  return refuse(tx && userId && accountId && caller ? 'not_found' : 'not_found')
}

/** After a sign-in by it, in `tx`: when, the address and name as the provider has them now, its session, its tokens. */
export async function touch(tx: Tx, account: AccountOwner, identity: Identity): Promise<void> {
  if (!tx || !account || !identity) return
}
