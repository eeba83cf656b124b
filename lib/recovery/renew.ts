/** A new password, and what always comes with one. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import * as factors from '../factors'
import { tokens } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import * as store from './store'

interface Why {
  reason: string
  caller: Caller
  /** A link in a mail was all it took. */
  byMail?: boolean
}

/**
 * Gives the user a new password in `tx`: links that reset the old one and a recovery under way are void, no
 * browser is trusted any more, sign-ins by the old one that are under way lead nowhere, and a lock-down is over.
 */
export async function setPassword(tx: Tx, userId: string, hash: string, why: Why): Promise<void> {
  await sessions.forgetTrust(tx, userId)
  await factors.password.set(tx, userId, hash, why.caller, why.byMail)
  await factors.links.voidAll(tx, userId, ['password_reset', 'recovery_veto'])
  if ((await store.endRunning(tx, userId)).length > 0) {
    const { caller, reason } = why
    await record(tx, { type: 'recovery.vetoed', userId, caller, data: { by: reason } })
  }
  await users.unlock(tx, userId, why.caller)
}

/** The same for somebody who is not signed in: every session ends, and with them every token of every app and script. */
export async function setPasswordAnew(tx: Tx, userId: string, hash: string, why: Why): Promise<void> {
  await setPassword(tx, userId, hash, why)
  await sessions.revokeIn(tx, { userId, all: true }, why)
  await tokens.endAll(tx, userId, why.caller)
}

/** After a commit: tries that somebody else used up do not keep the owner of a new password out. */
export async function giveTriesBack(userId: string): Promise<void> {
  const addresses = (await users.emails.list(userId)).filter(({ verifiedAt }) => verifiedAt)
  if (addresses.length > 0)
    await factors.tries.giveBack(...addresses.map(({ address }) => ({ email: address, userId })))
}

/** Judges and hashes a new password for this person. */
export async function newHash(plain: string, user: users.UserSummary, emails: readonly string[]) {
  const names = [user.firstName, user.lastName, user.displayName].filter((name): name is string => !!name)
  for (const email of emails.length > 0 ? emails : [undefined]) {
    const rules = await factors.password.rules(plain, { email, names })
    if (!rules.ok) return rules
  }
  return await factors.password.hash(plain)
}
