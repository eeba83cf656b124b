/** Who the first proof was about: what they have set up, and how much of it this browser may skip. */
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, Person } from './attempt'
import { type UnusualReason, unusualReasons } from './unusual'

interface Seen {
  user: users.UserSummary
  person: Person
}

/**
 * A look at the person of an attempt as they are now; null when they may not sign in (any more).
 * @param user as read a moment ago, if they were
 */
export async function look(
  attempt: Pick<Attempt, 'userId' | 'reauth' | 'level' | 'linking'>,
  caller: Caller,
  user?: users.UserSummary,
): Promise<Seen | null> {
  const { userId, reauth, level, linking } = attempt
  if (!userId) return null
  // A relying app that asks for two factors, whoever proves again who they are, and whoever is about to get another way in
  // get all that there is.
  const mayTrust = reauth === null && level === null && linking === null
  const [seen, trusted, past] = await Promise.all([
    standingOf(userId, user),
    mayTrust ? sessions.trustedDevice(userId, caller.cookies) : null,
    reauth === null ? audit.past(userId, new Date(nowMs() - DAY_MS), caller.place !== null) : null,
  ])
  if (!seen) return null
  const unusual = past ? unlike(past, seen.user, caller) : []
  return { ...seen, person: { ...seen.person, trusted: trusted !== null, unusual } }
}

const DAY_MS = 86_400_000

/** How this sign-in differs from those before it. */
const unlike = (
  { signIns, failures }: Awaited<ReturnType<typeof audit.past>>,
  { lastLoginAt }: users.UserSummary,
  { place }: Caller,
): UnusualReason[] =>
  unusualReasons({
    at: nowMs(),
    place,
    before: signIns.map(({ at, place: was }) => ({ at: at.getTime(), place: was })),
    lastAt: lastLoginAt?.getTime() ?? null,
    failures,
  })

/** What somebody has set up, in a browser that nobody trusts. */
export async function standingOf(userId: string, known?: users.UserSummary): Promise<Seen | null> {
  const user = known ?? (await users.get(userId))
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
