/** What an attempt shows of itself: never a proof, never whose it is before that is proven. */
import type { Caller } from '../base/caller'
import { env, type SignInMethod } from '../base/env'
import { ok, type Result } from '../base/refusals'
import * as factors from '../factors'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, Typed, Verification } from './attempt'
import { factsOf, own, policy, stepOf } from './gate'
import {
  type EnrollmentAsked,
  enrollmentAsked,
  type Offer,
  onlyPasskeys,
  type Step,
  secondAsked,
} from './steps'
import type { UnusualReason } from './unusual'

/** What the pages of the login may know of an attempt. Moments are milliseconds since the epoch. */
export interface View {
  flow: string
  step: Step
  request: string | null
  returnTo: string
  reauth: string | null
  /** The browser was signed in since, in another tab: there is nothing left to ask. */
  signedInSince: boolean
  /** A new account waits for its address to be proven. */
  signingUp: boolean
  typed: Typed
  notice: Attempt['notice']
  /** The code on its way: to whom, when another may be asked for, when it ends. */
  verification: Pick<Verification, 'purpose' | 'to' | 'resendAt' | 'expiresAt' | 'resent'> | null
  /** The proven address of somebody new. */
  newcomer: string | null
  /** What may be a first proof here. */
  ways: SignInMethod[]
  /** Begin with a passkey: whoever proves again who they are has one. */
  firstPasskey: boolean
  second: SecondView | null
  enroll: EnrollmentAsked | null
  /** To be written down now; they are shown nowhere else. */
  backupCodes: string[] | null
}

export interface SecondView {
  /** Best first; `hint` is a masked address or number, or the names of the authenticators. */
  offers: { method: Offer; hint?: string }[]
  /** A code on its way, to a masked address or number. */
  sent: { method: 'email_code' | 'sms_code'; to: string; resendAt: number; expiresAt: number } | null
  /** For how many days this browser may be trusted; null: not now. */
  trustDays: number | null
  why: 'enrolled' | 'policy' | 'app' | 'unusual'
  /** What is unusual, where that is why. */
  reasons: readonly UnusualReason[]
}

const NOTHING = {
  reauth: null,
  signedInSince: false,
  signingUp: false,
  typed: {},
  notice: null,
  verification: null,
  newcomer: null,
  ways: [],
  firstPasskey: false,
  second: null,
  enroll: null,
  backupCodes: null,
} as const satisfies Partial<Record<keyof View, unknown>>

/**
 * What an attempt is waiting for; changes nothing.
 * @returns refusals `flow_expired`, `flow_foreign_browser`, `cookies_blocked`
 */
export async function expect(flow: string, caller: Caller): Promise<Result<View>> {
  const found = await own(flow, caller)
  if (!found.ok) return found
  const attempt = found.value
  const { request, returnTo } = attempt
  if ('finished' in attempt) return ok({ ...NOTHING, ways: [], flow, step: 'done', request, returnTo })
  const { reauth, typed, notice, verification } = attempt
  const step = stepOf(attempt)
  const facts = await sessions.check(caller.cookies)
  return ok({
    flow,
    step,
    request,
    returnTo,
    reauth,
    signedInSince: facts !== null && facts.sid !== attempt.session,
    signingUp: attempt.signUp !== null,
    typed,
    notice,
    newcomer: attempt.newcomer?.email ?? null,
    verification: verification && {
      purpose: verification.purpose,
      to: verification.to,
      resendAt: verification.resendAt,
      expiresAt: verification.expiresAt,
      resent: verification.resent,
    },
    ...(await waysOf(attempt, step)),
    second: step === 'second' ? secondView(attempt) : null,
    enroll: step === 'enroll' ? enrollmentAsked(factsOf(attempt), policy()) : null,
    backupCodes: step === 'backup_codes' ? attempt.backupCodes : null,
  })
}

/**
 * What may be a first proof: where passkeys are the only way, a code by mail leads those to one who have
 * none yet. Whoever proves again who they are is offered what they have, and of that a passkey first.
 */
async function waysOf({ reauthUserId }: Attempt, step: Step): Promise<Pick<View, 'ways' | 'firstPasskey'>> {
  const methods = onlyPasskeys(policy()) ? (['passkey', 'email_code'] as const) : env().signInMethods
  const ways = methods.filter((way) => way !== 'passkey' || factors.passkeys.available())
  if (step !== 'identify' || !reauthUserId) return { ways, firstPasskey: false }
  const { password, passkeys } = await factors.enrolled(reauthUserId)
  const has = { password, passkey: passkeys > 0, email_code: true, sms_code: true }
  const own = ways.filter((way) => has[way])
  if (own.length === 0) return { ways, firstPasskey: false }
  return { ways: own, firstPasskey: own.includes('passkey') }
}

function secondView(attempt: Attempt): SecondView | null {
  const asked = secondAsked(factsOf(attempt), policy())
  if (!asked) return null
  const { person, secondSent, reauth } = attempt
  const { trustedDays } = env().secondFactor
  const hints: Partial<Record<Offer, string>> = {
    ...(person?.totps.length && { totp: person.totps.join(', ') }),
    ...(person?.reach.email && { email_code: masked(person.reach.email) }),
    ...(person?.reach.phone && { sms_code: masked(person.reach.phone) }),
  }
  const offers = asked.offers.map((method) => {
    const hint = hints[method]
    return hint ? { method, hint } : { method }
  })
  return {
    // A browser that cannot do WebAuthn begins with what it can do.
    offers:
      attempt.canPasskey === false ? offers.sort((a, b) => +isKey(a.method) - +isKey(b.method)) : offers,
    sent: secondSent && { ...secondSent, to: masked(secondSent.to) },
    trustDays:
      trustedDays > 0 && reauth === null && !onlyPasskeys(policy()) && asked.why !== 'unusual'
        ? trustedDays
        : null,
    why: asked.why,
    reasons: asked.why === 'unusual' ? (person?.unusual ?? []) : [],
  }
}

const isKey = (method: Offer): boolean => method === 'passkey' || method === 'security_key'

/** Enough for the owner to know which it is, too little for anybody else: "a•••@example.com", "+49 ••• 678". */
export function masked(to: string): string {
  const at = to.lastIndexOf('@')
  if (at > 0) return `${[...to][0]}•••${to.slice(at)}`
  return `${users.readablePhone(to).split(' ')[0]} ••• ${to.slice(-3)}`
}
