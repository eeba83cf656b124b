/** Linked accounts. Freshness, and whether it is the last way in, are the callers' to ask. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { now } from '../base/clock'
import type { Tx } from '../base/db'
import { isUuid, uuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { good, provider, providers } from './registry'
import { openTokens, sealFor, type Tokens } from './sealing'
import * as store from './store-accounts'
import type { AccountOwner, AccountView, Identity } from './types'

/** What a row's metadata holds. */
interface Kept {
  issuer?: string
  idToken?: string
}

export const keptOf = (row: store.Row): Kept => (row.metadata ?? {}) as Kept

/**
 * Whose identity this is: provider, issuer and subject must be the same. Null when nobody's.
 * @throws StoresDown
 */
export async function find(
  identity: Pick<Identity, 'provider' | 'issuer' | 'subject'>,
): Promise<AccountOwner | null> {
  const row = await store.find(null, identity.provider, identity.subject)
  // The operator pointed the same name at another issuer: its people are others (LNK1).
  if (!row || keptOf(row).issuer !== identity.issuer) return null
  return { id: row.id, userId: row.userId }
}

const viewOf = (row: store.Row): AccountView => ({
  id: row.id,
  provider: row.provider,
  subject: row.providerAccountId,
  email: row.email,
  displayName: row.displayName,
  linkedAt: row.linkedAt,
  lastUsedAt: row.lastUsedAt,
  keepsTokens: row.accessTokenSealed !== null,
})

/** The person's linked accounts, the oldest first. */
export const list = async (userId: string): Promise<AccountView[]> => (await store.list(userId)).map(viewOf)

/** How many the person has with providers that are configured now: ways in. In `tx`, under the caller's lock. */
export const count = (tx: Tx, userId: string): Promise<number> =>
  store.count(
    tx,
    userId,
    providers().map(({ id }) => id),
  )

/** The columns of a row that hold tokens; a refresh token that was not renewed stays. */
export function tokenColumns(owner: AccountOwner, tokens: Tokens | null) {
  if (!tokens)
    return {
      accessTokenSealed: null,
      refreshTokenSealed: null,
      tokenExpiresAt: null,
      scope: null,
      tokenType: null,
    }
  return {
    accessTokenSealed: sealFor('access', owner, tokens.accessToken),
    ...(tokens.refreshToken ? { refreshTokenSealed: sealFor('refresh', owner, tokens.refreshToken) } : {}),
    tokenExpiresAt: tokens.expiresAt === null ? null : new Date(tokens.expiresAt),
    scope: tokens.scope,
    tokenType: tokens.tokenType,
  }
}

const metadataOf = (owner: AccountOwner, { issuer }: Pick<Identity, 'issuer'>, tokens: Tokens | null) => ({
  issuer,
  ...(tokens?.idToken ? { idToken: sealFor('id', owner, tokens.idToken) } : {}),
})

/**
 * Links an identity to a person, in `tx`, and records `account.linked`. The caller locks the user and asks for a fresh proof.
 * @returns the account's id. Refusal: `identity_taken` (it is linked already, to this person or another)
 */
export async function link(
  tx: Tx,
  userId: string,
  identity: Identity,
  caller: Caller,
): Promise<Result<{ id: string }>> {
  const owner = { id: uuid(), userId }
  const tokens = openTokens(identity)
  const at = now()
  const name = provider(identity.provider)?.name ?? identity.provider
  const linked = await store.insert(tx, {
    ...owner,
    provider: identity.provider,
    type: good(identity.provider)?.view.kind ?? 'oauth',
    providerAccountId: identity.subject,
    email: identity.email,
    displayName: displayed(identity),
    providerSessionId: identity.sessionId,
    refreshTokenSealed: null,
    ...tokenColumns(owner, tokens),
    metadata: metadataOf(owner, identity, tokens),
    linkedAt: at,
    lastUsedAt: at,
  })
  if (!linked) return refuse('identity_taken', { values: { provider: name } })
  await record(tx, {
    type: 'account.linked',
    userId,
    caller,
    data: { provider: identity.provider, account: owner.id, name },
  })
  return ok({ id: owner.id })
}

const displayed = ({ displayName, firstName, lastName }: Identity): string | null =>
  displayName ?? ([firstName, lastName].filter(Boolean).join(' ') || null)

/**
 * Unlinks one, in `tx`, and records `account.unlinked`; its tokens go with it.
 * @returns what it was. Refusal `not_found` when it is not this person's
 */
export async function unlink(
  tx: Tx,
  userId: string,
  accountId: string,
  caller: Caller | undefined,
): Promise<Result<AccountView>> {
  const row = isUuid(accountId) ? await store.byId(tx, userId, accountId) : null
  if (!row) return refuse('not_found')
  await store.remove(tx, row)
  const name = provider(row.provider)?.name ?? row.provider
  await record(tx, {
    type: 'account.unlinked',
    userId,
    ...(caller && { caller }),
    data: { provider: row.provider, account: row.id, name },
  })
  return ok(viewOf(row))
}

/** After a sign-in by it, in `tx`: when, the address and name as the provider has them now, its session, its tokens. */
export async function touch(tx: Tx, account: AccountOwner, identity: Identity): Promise<void> {
  const tokens = openTokens(identity)
  const name = displayed(identity)
  await store.update(tx, account, {
    email: identity.email,
    // Apple tells a name once.
    ...(name ? { displayName: name } : {}),
    providerSessionId: identity.sessionId,
    lastUsedAt: now(),
    ...tokenColumns(account, tokens),
    metadata: metadataOf(account, identity, tokens),
  })
}
