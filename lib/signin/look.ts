/** Who the first proof was about: what they have set up, and how much of it this browser may skip. */
import * as audit from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, Person } from './attempt'
import type { Known } from './store-known'
import { type UnusualReason, unusualReasons } from './unusual'

interface Seen {
  user: users.UserSummary
  person: Person
}

/** Somebody as a request has just read them. A session opens only at their versions: no change since then is missed. */
export type KnownPerson = Known & { user: users.UserSummary }

/**
 * A look at the person of an attempt as they are now; null when they may not sign in (any more).
 * @param known as read a moment ago, if they were
 */
export async function look(
  attempt: Pick<Attempt, 'userId' | 'reauth' | 'level' | 'linking'>,
  caller: Caller,
  known?: KnownPerson,
): Promise<Seen | null> {
  const { userId, reauth, level, linking } = attempt
  if (!userId) return null
  // A relying app that asks for two factors, whoever proves again who they are, and whoever is about to get another way in
  // get all that there is.
  const mayTrust = reauth === null && level === null && linking === null
  const [seen, trusted, past] = await Promise.all([
    standingOf(userId, known),
    mayTrust ? sessions.trustedDevice(userId, caller.cookies) : null,
    reauth === null ? pastOf(userId, caller, known) : null,
  ])
  if (!seen) return null
  const unusual = past ? unlike(past, seen.user, caller) : []
  return { ...seen, person: { ...seen.person, trusted: trusted !== null, unusual } }
}

/**
 * Failures are counted up to this moment where a factor is asked for because of them: of tries that come all at once, the
 * right one would not see those before it if it looked when they began.
 */
const pastOf = async (userId: string, caller: Caller, known?: KnownPerson): Promise<audit.Past> =>
  known && env().secondFactor.unusual !== 'second_factor'
    ? known.past
    : audit.past(userId, failedSince(), caller.place !== null)

const DAY_MS = 86_400_000
/** Failures from before are no news. */
export const failedSince = (): Date => new Date(nowMs() - DAY_MS)

/** How this sign-in differs from those before it. */
const unlike = (
  { signIns, failures }: audit.Past,
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
export async function standingOf(userId: string, known?: KnownPerson): Promise<Seen | null> {
  const user = known?.user ?? (await users.get(userId))
  if (user?.status !== 'active') return null
  const { methods } = env().secondFactor
  const [{ enrolled, byMail }, phone] = await Promise.all([
    known?.held ?? factors.held.of(userId),
    methods.includes('sms_code') ? numberOf(userId) : null,
  ])
  return {
    user,
    person: {
      enrolled: { ...enrolled, password: enrolled.password && user.lockedDownAt === null },
      roles: user.roles,
      passwordByMail: byMail,
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
