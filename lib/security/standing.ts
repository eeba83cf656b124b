/**
 * What the operator asks of a person's factors (SECOND_FACTOR, SIGN_IN_METHODS), and what that means for one
 * that is to come or to go. What is switched off is off here too, not only on the pages (AZ4).
 */
import { nowMs } from '../base/clock'
import type { Tx } from '../base/db'
import { env, type StrongMethod } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import * as users from '../users'
import type { Who } from './gate'

/** The factors that switch the second step on; backup codes only stand in for one. */
const STRONG = ['totp', 'passkey', 'security_key'] as const satisfies readonly StrongMethod[]

const countOf = (enrolled: factors.Enrolled): Record<StrongMethod, number> => ({
  totp: enrolled.totp,
  passkey: enrolled.passkeys,
  security_key: enrolled.securityKeys,
})

export interface Standing {
  /** Sign-in asks for a second step. */
  on: boolean
  /** What the operator wants of this person: nothing, advice, or that they have one. */
  asked: 'optional' | 'encouraged' | 'required'
  /** When "required" begins, in milliseconds since the epoch; null once it has. */
  from: number | null
  /** A passkey is the only way to sign in here. */
  passkeyOnly: boolean
  /** A password takes people in here. */
  passwords: boolean
  /** What may be set up here. */
  may: Record<StrongMethod | 'backup_code', boolean>
}

/** What is asked of somebody with these roles and factors. */
export function standing(who: Pick<Who, 'roles'>, enrolled: factors.Enrolled): Standing {
  const { policy, roles, from, methods } = env().secondFactor
  const required = policy === 'required' || who.roles.some((role) => roles.includes(role))
  const count = countOf(enrolled)
  return {
    on: STRONG.some((kind) => count[kind] > 0 && mayAdd(kind).ok),
    asked: required ? 'required' : policy,
    from: required && from !== null && from > nowMs() ? from : null,
    passkeyOnly: passkeyOnly(),
    passwords: env().signInMethods.includes('password'),
    may: {
      totp: mayAdd('totp').ok,
      passkey: mayAdd('passkey').ok,
      security_key: mayAdd('security_key').ok,
      backup_code: methods.includes('backup_code'),
    },
  }
}

const passkeyOnly = (): boolean => env().signInMethods.every((way) => way === 'passkey')

/** Whether a factor of this kind may be set up here. @returns refusal `method_off` */
export function mayAdd(kind: StrongMethod | 'backup_code'): Result {
  const { secondFactor, signInMethods } = env()
  const first = kind === 'passkey' && signInMethods.includes('passkey')
  return first || secondFactor.methods.includes(kind) ? ok() : refuse('method_off')
}

/**
 * Whether a person may give up one factor of this kind. Call under `users.lock`, before it is removed, so that
 * two removals at once do not each see the other's.
 * @returns whether it is their last strong one; refusals `factor_required` when the operator asks for one and
 *   no other is left that counts, `last_way_back` when nothing would be left to sign in with
 */
export async function mayGo(tx: Tx, who: Who, kind: StrongMethod): Promise<Result<{ last: boolean }>> {
  const enrolled = await factors.enrolled(who.userId)
  const left = countOf(enrolled)
  left[kind] -= 1
  const counting = STRONG.filter((one) => mayAdd(one).ok && left[one] > 0)
  const { asked, from } = standing(who, enrolled)
  // One that the operator switched off counts for nothing, so nothing is missing without it.
  const counted = mayAdd(kind).ok
  if (asked === 'required' && from === null && counted && counting.length === 0)
    return refuse('factor_required')
  if (kind === 'passkey' && left.passkey === 0) {
    if (passkeyOnly()) return refuse('factor_required')
    if (!(await signsInBy(tx, who.userId, { ...enrolled, passkeys: 0 }))) return refuse('last_way_back')
  }
  return ok({ last: STRONG.every((one) => left[one] === 0) })
}

/**
 * Whether a person may unlink their account with a provider. Call under `users.lock`, before it is unlinked.
 * @returns refusal `last_way_back` when nothing would be left to sign in with
 */
export async function mayUnlink(tx: Tx, userId: string, provider: string): Promise<Result> {
  // With one that is not configured nobody signs in: nothing is lost with it.
  if (!federation.provider(provider)) return ok()
  const enrolled = await factors.enrolled(userId)
  return (await signsInBy(tx, userId, enrolled, 1)) ? ok() : refuse('last_way_back')
}

/**
 * Whether a person could still begin a sign-in with these.
 * @param unlinking how many of their linked accounts are to go
 */
async function signsInBy(
  tx: Tx,
  userId: string,
  { password, passkeys }: factors.Enrolled,
  unlinking = 0,
): Promise<boolean> {
  const ways = env().signInMethods
  if (password && ways.includes('password')) return true
  if (passkeys > 0 && ways.includes('passkey')) return true
  if ((await federation.accounts.count(tx, userId)) - unlinking > 0) return true
  const { emails, phones } = await users.waysBack(tx, userId)
  return (emails > 0 && ways.includes('email_code')) || (phones > 0 && ways.includes('sms_code'))
}
