/**
 * The forgotten password: a request that tells nobody who has an account, and a link that is good once.
 * The request itself only owes the look-up: known and unknown addresses cost the same until the answer is
 * out, and each gets one mail (ENU1, ENU2). Several links may be on their way; the first one used voids
 * the others, so that the older of two mails is no trouble.
 */
import { handle, owe, record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { asker, send } from '../notify'
import { tellSecurity } from '../security'
import * as users from '../users'
import { type Asked, asked, askedFor, callerOf, spendRequest } from './gate'
import { giveTriesBack, newHash, setPasswordAnew } from './renew'

const LINK_SECONDS = 30 * 60
/** A request that could not be worked on for this long is not worth working on. */
const REQUEST_MS = 10 * 60_000

interface Request {
  email: string
  by: Asked
}

/**
 * Asks for a link to choose a new password.
 * @returns refusal `invalid_email`, `rate_limited`; never whether there is an account
 * @throws StoresDown
 */
export async function forgot(input: { email: string }, caller: Caller): Promise<Result> {
  const email = await askedFor('reset', input.email, caller)
  if (!email.ok) return email
  const payload: Request = { email: email.value, by: asked(caller) }
  const notAfter = new Date(nowMs() + REQUEST_MS)
  await owe(null, { kind: 'password_reset', target: 'a request to reset a password', payload, notAfter })
  return ok()
}

handle('password_reset', async (delivery, payload) => {
  const { email, by } = payload as Request
  const caller = callerOf(by)
  const user = await users.find({ email })
  await inTx(async (tx) => {
    const mail = { to: email, dedupeKey: delivery.id, notAfter: new Date(nowMs() + LINK_SECONDS * 1000) }
    if (!mayReset(user)) {
      await send(tx, { ...mail, template: 'reset_refused', locale: by.locale, props: asker(caller) })
      return
    }
    const token = await factors.links.issue(tx, {
      purpose: 'password_reset',
      userId: user.id,
      data: { address: email },
      lifeSeconds: LINK_SECONDS,
    })
    const link = `${env().url}/reset?token=${token}`
    const props = { link, address: email, expiresMinutes: LINK_SECONDS / 60, ...asker(caller) }
    await send(tx, { ...mail, template: 'password_reset', userId: user.id, locale: user.locale, props })
    await record(tx, { type: 'password.reset_requested', userId: user.id, caller })
  })
})

const mayReset = (user: users.UserSummary | null): user is users.UserSummary =>
  user !== null && (user.status === 'active' || user.status === 'pending') && !user.isAnonymous

export interface ResetView {
  /** The address the link was sent to. */
  email: string
}

/** A live link and its person, while the address it was sent to still leads there. */
async function found(token: string): Promise<{ user: users.UserSummary; email: string } | null> {
  const link = await factors.links.peek('password_reset', token)
  const email = link?.data.address
  if (!link || typeof email !== 'string') return null
  const user = await users.find({ email })
  return user?.id === link.userId && mayReset(user) ? { user, email } : null
}

/** What a link would do; changes nothing. Null when it is no longer good. @throws StoresDown */
export async function resetView(token: string): Promise<ResetView | null> {
  const link = await found(token)
  return link && { email: link.email }
}

/**
 * Sets the password that a link was sent for. In one transaction: the link is used, every other one void,
 * every session ended (and with it every refresh token), a lock-down lifted, all proven addresses told. An
 * address nobody had proven yet is proven by the link. Nobody is signed in by it: what else is asked at a
 * sign-in is still asked (REC2).
 * @returns the address; refusal `link_over`, those of the password's rules, `rate_limited`, `busy`
 * @throws StoresDown
 */
export async function reset(
  input: { token: string; password: string },
  caller: Caller,
): Promise<Result<{ email: string }>> {
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const link = await found(input.token)
  if (!link) return refuse('link_over')
  const { user, email } = link
  const hash = await newHash(input.password, user, [email])
  if (!hash.ok) return hash
  const done = await inTx(async (tx) => {
    await users.lockAccount(tx, user.id)
    if (!(await factors.links.use(tx, 'password_reset', input.token))) return false
    await setPasswordAnew(tx, user.id, hash.value, { reason: 'password_reset', caller, byMail: true })
    if (user.status === 'pending') await users.emails.verify(tx, user.id, email, caller)
    await record(tx, { type: 'password.reset', userId: user.id, caller })
    await tellSecurity(tx, user.id, 'password_reset', caller)
    return true
  })
  if (!done) return refuse('link_over')
  await giveTriesBack(user.id)
  return ok({ email })
}
