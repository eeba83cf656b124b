/**
 * Changing the password of a signed-in person: by a proof of the last ten minutes, or by the old one where a
 * sign-in asks for nothing else (PW5, STP1).
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { standing, tellSecurity } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import { spendRequest } from './gate'
import { giveTriesBack, newHash, setPassword } from './renew'

export interface ChangePassword {
  /** The password there is; may be left out by whoever signed in within the last ten minutes. */
  current?: string
  password: string
  /** Ends every other session, and with each the tokens that apps got through it. */
  signOutOthers: boolean
}

/**
 * Changes (or first sets) the password. In one transaction: links that reset it are void, other sessions end
 * if asked, this session gets a new cookie and its older ones are dead, all proven addresses are told. Wrong
 * tries count together with those of sign-in.
 * @returns cookies for this browser and how many other sessions ended; refusal `proof_required` when neither
 *   the old password nor a fresh sign-in is there, `password_wrong`, the password's rules, `rate_limited`,
 *   `busy`, `session_required` when this session ended meanwhile
 * @throws StoresDown
 */
export async function change(
  input: ChangePassword,
  who: { session: sessions.SessionFacts; caller: Caller },
): Promise<Result<{ setCookies: string[]; ended: number }>> {
  const { session, caller } = who
  const { userId, sid } = session
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const user = await users.get(userId)
  if (!user) return refuse('session_required')
  const had = await factors.password.has(userId)
  const proven = await provenBy(input.current, had, user, who)
  if (!proven.ok) return proven
  const emails = (await users.emails.list(userId)).map(({ address }) => address)
  const hash = await newHash(input.password, user, emails)
  if (!hash.ok) return hash

  const done = await inTx(async (tx) => {
    await users.lockAccount(tx, userId)
    const why = { reason: 'password_changed', caller }
    // The account's row before the session's, as sign-in takes them: two at once never wait for each other.
    await users.lock(tx, userId)
    const renewed = await sessions.renewIn(tx, session, caller)
    if (!renewed) return null
    await setPassword(tx, userId, hash.value, why)
    const { sids } = input.signOutOthers
      ? await sessions.revokeIn(tx, { userId, exceptSid: sid }, why)
      : { sids: [] }
    await tellSecurity(tx, userId, had ? 'password_changed' : 'password_set', caller)
    return { setCookies: renewed.setCookies, ended: sids.length }
  })
  if (!done) return refuse('session_required')
  await giveTriesBack(userId)
  return ok(done)
}

async function provenBy(
  current: string | undefined,
  had: boolean,
  user: users.UserSummary,
  { session, caller }: { session: sessions.SessionFacts; caller: Caller },
): Promise<Result> {
  const fresh = sessions.isFresh(session)
  if (!current || !had) return fresh ? ok() : refuse('proof_required')
  if (!fresh && !(await passwordSuffices(session))) return refuse('proof_required')
  const device = await sessions.knownDevice(user.id, caller.cookies)
  const whose = device ? { userId: user.id, device } : { email: user.email ?? user.id, userId: user.id }
  const allowed = await factors.tries.spend(whose)
  if (!allowed.ok) return allowed
  const verified = await factors.password.verify(user.id, current)
  if (!verified.ok) return verified
  if (!verified.value.match) {
    const { id: userId } = user
    await record(null, {
      type: 'password.change_refused',
      outcome: 'failure',
      userId,
      sessionId: session.sid,
      caller,
    })
    return refuse('password_wrong', { field: 'current' })
  }
  await factors.tries.giveBack(whose)
  return ok()
}

/**
 * Whether the old password alone shows who is there: not where a sign-in asks for a second step, which a stolen
 * cookie and password would else get past, nor while the account is locked because of that password.
 */
export async function passwordSuffices(session: sessions.SessionFacts): Promise<boolean> {
  const [user, enrolled] = await Promise.all([users.get(session.userId), factors.enrolled(session.userId)])
  return user?.lockedDownAt === null && !standing(session, enrolled).on
}
