/**
 * Shutting an intruder out. Who took over an account brings ways in of their own, and proves them before they change
 * what the owner would notice. So whatever was brought from 72 hours before the owner was told goes, not only
 * what one notice was about; and a way back in that somebody prepared ends with it.
 */
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import * as factors from '../factors'
import * as federation from '../federation'
import * as oidc from '../oidc'
import * as sessions from '../sessions'
import * as users from '../users'
import { nameOf } from './account-name'
import type { BroughtFactor } from './news'
import { endAll as endTokens } from './tokens'

/** How long before the owner was told an intruder may have been there. */
export const BEFORE_MS = 72 * 3_600_000

/** What an intruder may have brought. */
export interface Foreign extends users.Foreign {
  /** Id of the factor a notice was about. */
  factor?: string
  /** The address that takes a change back just now: it is the owner's, however long they have had it. */
  owner?: string
}

/** What goes with an intruder. */
export interface Goes {
  /** As people read them. */
  addresses: string[]
  numbers: string[]
  /** A factor without a name is called by its kind. */
  factors: Omit<BroughtFactor, 'id'>[]
}

/**
 * Factors enrolled and accounts linked since then, and the one a notice was about: a passkey, or an account elsewhere, takes
 * its holder in without any password.
 */
export async function foreignFactors(userId: string, { since, factor }: Foreign): Promise<BroughtFactor[]> {
  const [apps, keys, linked] = await Promise.all([
    factors.totp.list(userId),
    factors.passkeys.list(userId),
    federation.accounts.list(userId),
  ])
  const all = [
    ...apps.map(({ id, name, createdAt }) => ({ kind: 'totp' as const, id, name, createdAt })),
    ...keys.map(({ id, kind, nickname, createdAt }) => ({ kind, id, name: nickname, createdAt })),
    ...linked.map((account) => ({
      kind: 'account' as const,
      id: account.id,
      name: nameOf(account),
      createdAt: account.linkedAt,
    })),
  ]
  return all
    .filter(({ id, createdAt }) => createdAt >= since || id === factor)
    .map(({ kind, id, name }) => ({ kind, id, name }))
}

const sameAs = (one: string, other: string | undefined): boolean => one.toLowerCase() === other?.toLowerCase()

/**
 * Voids, in `tx`, the links by which addresses that an intruder brought would take a change back: one that is primary
 * for a moment, and steps down for the owner's, gets such a link as well, and would be the owner's by it. Those of the
 * address that was proven first stay, in the account or removed from it: it may be the owner's only way back.
 */
async function voidForeignUndos(tx: Tx, userId: string, { since, address, owner }: Foreign): Promise<void> {
  const links = (await factors.links.liveIn(tx, userId, 'email_undo')).map(({ id, data }) => ({
    id,
    address: String(data.from),
    // Unknown in links from before it was kept.
    verifiedAt: typeof data.provenAt === 'number' ? new Date(data.provenAt) : null,
  }))
  const left = await users.emails.listIn(tx, userId)
  const longest = owner ?? users.provenLongest([...left, ...links])?.address
  const foreign = links.filter(
    (link) =>
      !sameAs(link.address, longest) &&
      (sameAs(link.address, address) || (link.verifiedAt !== null && link.verifiedAt >= since)),
  )
  const ids = foreign.map(({ id }) => id)
  await factors.links.voidThese(tx, userId, 'email_undo', ids)
}

/** Ends, in `tx`, what a room above this one keeps of a user's ways back in and somebody may have prepared since. */
type Shutter = (tx: Tx, userId: string, since: Date, caller: Caller | undefined) => Promise<void>

const shutters: Shutter[] = []

/** Names who ends something of their own when an intruder is shut out. Call at import. */
export function whenShutOut(fn: Shutter): void {
  shutters.push(fn)
}

/** Ends, in `tx`, what rooms above keep of a user's ways back in and was prepared since. */
export async function endPrepared(tx: Tx, userId: string, since: Date, caller?: Caller): Promise<void> {
  for (const shut of shutters) await shut(tx, userId, since, caller)
}

/**
 * Everything that both ways of shutting out have in common, in `tx`: the password takes nobody in until a new one is
 * chosen, every session, consent and personal access token ends, numbers, factors and linked accounts brought since are
 * gone, links that set a password, lock the account or keep a closed one are void, and so are those that would take a change back for an
 * address brought since. Addresses are the caller's, and so is `users.lockAccount`, taken first.
 */
export async function shutOut(
  tx: Tx,
  userId: string,
  foreign: Foreign,
  why: { reason: string; caller: Caller },
): Promise<void> {
  const { caller } = why
  await users.lockDown(tx, userId, caller)
  await users.phones.expel(tx, userId, foreign, caller)
  for (const { kind, id } of await foreignFactors(userId, foreign)) {
    if (kind === 'account') await federation.accounts.unlink(tx, userId, id, caller)
    else if (kind === 'totp') await factors.totp.remove(tx, userId, id, caller)
    else await factors.passkeys.remove(tx, userId, id, caller)
  }
  const codes = await factors.backupCodes.status(userId)
  if (codes && codes.createdAt >= foreign.since) await factors.backupCodes.voidAll(tx, userId)
  await factors.links.voidAll(tx, userId, ['password_reset', 'lockdown', 'account_keep'])
  await voidForeignUndos(tx, userId, foreign)
  await endPrepared(tx, userId, foreign.since, caller)
  await sessions.revokeIn(tx, { userId, all: true }, why)
  await oidc.grants.revokeAll(tx, userId, { caller })
  await endTokens(tx, userId, caller)
}
