/** Who the first proof was about: what they have set up, and how much of it this browser may skip. */
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, Person } from './attempt'

interface Seen {
  user: users.UserSummary
  person: Person
}

/** A look at the person of an attempt as they are now; null when they may not sign in (any more). */
export async function look(
  attempt: Pick<Attempt, 'userId' | 'reauth' | 'level' | 'linking'>,
  caller: Caller,
): Promise<Seen | null> {
  const { userId, reauth, level, linking } = attempt
  if (!userId) return null
  // A relying app that asks for two factors, whoever proves again who they are, and whoever is about to get another way in
  // get all that there is.
  const mayTrust = reauth === null && level === null && linking === null
  const [seen, trusted] = await Promise.all([
    standingOf(userId),
    mayTrust ? sessions.trustedDevice(userId, caller.cookies) : null,
  ])
  return seen && { ...seen, person: { ...seen.person, trusted: trusted !== null } }
}

/** What somebody has set up, in a browser that nobody trusts. */
export async function standingOf(userId: string): Promise<Seen | null> {
  const user = await users.get(userId)
  if (user?.status !== 'active') return null
  const { methods } = env().secondFactor
  const [enrolled, phone, passwordByMail] = await Promise.all([
    factors.enrolled(userId),
    methods.includes('sms_code') ? numberOf(userId) : null,
    methods.includes('email_code') ? factors.password.isByMail(userId) : false,
  ])
  return {
    user,
    person: {
      enrolled: { ...enrolled, password: enrolled.password && user.lockedDownAt === null },
      roles: user.roles,
      passwordByMail,
      reach: { email: user.emailVerified ? user.email : null, phone },
      trusted: false,
      guest: user.isAnonymous,
      totps: enrolled.totp > 0 ? (await factors.totp.list(userId)).map(({ name }) => name) : [],
    },
  }
}

/** The proven number that a code would go to; null where no text messages are sent. */
async function numberOf(userId: string): Promise<string | null> {
  const { phones } = await users.waysBack(null, userId)
  if (phones === 0) return null
  const list = (await users.phones.list(userId)).filter(({ verifiedAt }) => verifiedAt)
  return list[0]?.number ?? null
}
