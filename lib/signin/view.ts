/** What an attempt shows of itself: never a proof, never whose it is before that is proven. */
import type { Caller } from '../base/caller'
import { env, type SignInMethod } from '../base/env'
import { ok, type Result } from '../base/refusals'
import * as factors from '../factors'
import * as federation from '../federation'
import * as sessions from '../sessions'
import * as users from '../users'
import type { Attempt, Typed, Verification } from './attempt'
import { factsOf, own, policy, stepOf } from './gate'
import { mayBeGuest } from './guest'
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
  /** Somebody new: their proven address, or what a provider said of them. */
  newcomer: NewcomerView | null
  /** What will be linked once the owner of this address has signed in. */
  linking: { email: string; provider: string } | null
  /** A guest is here, and becomes a person by what is asked now. */
  guest: boolean
  /** One may go on without any account. */
  mayGuest: boolean
  /** What may be a first proof here. */
  ways: SignInMethod[]
  /** Other providers that may be gone to; the one last used in this browser comes with `last`. */
  providers: ProviderChoice[]
  /** Begin with a passkey: whoever proves again who they are has one. */
  firstPasskey: boolean
  second: SecondView | null
  enroll: EnrollmentAsked | null
  /** To be written down now; they are shown nowhere else. */
  backupCodes: string[] | null
}

export interface NewcomerView {
  /** The provider's name; null for who came by a code. */
  provider: string | null
  email: string | null
  /** The address is proven, and stands fast. */
  proven: boolean
  firstName: string | null
  lastName: string | null
}

export interface ProviderChoice {
  id: string
  name: string
  brand: string | null
  last: boolean
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
  guest: false,
  mayGuest: false,
  linking: null,
  ways: [],
  providers: [],
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
  if ('finished' in attempt)
    return ok({ ...NOTHING, ways: [], providers: [], flow, step: 'done', request, returnTo })
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
    newcomer: step === 'details' ? newcomerView(attempt) : null,
    linking: attempt.linking && {
      email: attempt.linking.email,
      provider: federation.provider(attempt.linking.identity.provider)?.name ?? '',
    },
    guest: attempt.guest !== null,
    mayGuest: mayBeGuest(attempt),
    verification: verification && {
      purpose: verification.purpose,
      to: verification.to,
      resendAt: verification.resendAt,
      expiresAt: verification.expiresAt,
      resent: verification.resent,
    },
    ...(await waysOf(attempt, step, caller)),
    second: step === 'second' ? secondView(attempt) : null,
    enroll: step === 'enroll' ? enrollmentAsked(factsOf(attempt), policy()) : null,
    backupCodes: step === 'backup_codes' ? attempt.backupCodes : null,
  })
}

/**
 * What may be a first proof: where passkeys are the only way, a code by mail leads those to one who have
 * none yet. Whoever proves again who they are is offered what they have, and of that a passkey first.
 */
async function waysOf(
  attempt: Attempt,
  step: Step,
  caller: Caller,
): Promise<Pick<View, 'ways' | 'firstPasskey' | 'providers'>> {
  const { reauthUserId } = attempt
  const providers = await providersFor(attempt, caller)
  const methods = onlyPasskeys(policy()) ? (['passkey', 'email_code'] as const) : env().signInMethods
  const ways = methods.filter((way) => way !== 'passkey' || factors.passkeys.available())
  if (step !== 'identify' || !reauthUserId) return { ways, providers, firstPasskey: false }
  const { password, passkeys } = await factors.enrolled(reauthUserId)
  const has = { password, passkey: passkeys > 0, email_code: true, sms_code: true }
  const own = ways.filter((way) => has[way])
  if (own.length === 0 && providers.length === 0) return { ways, providers, firstPasskey: false }
  return { ways: own, providers, firstPasskey: own.includes('passkey') }
}

/** Google tells nobody when somebody proved themselves, so its word is never a fresh one. */
export const saysWhen = ({ kind, brand }: federation.ProviderView): boolean =>
  kind === 'oidc' && brand !== 'google'

/**
 * The providers that may be gone to: none where passkeys are the only way in, or while an account is proven that another
 * provider's word is to be linked to; of whoever proves again who they are, those they have linked and that can say when.
 */
async function providersFor({ reauthUserId, linking }: Attempt, caller: Caller): Promise<ProviderChoice[]> {
  if (onlyPasskeys(policy()) || linking) return []
  const last = sessions.lastProvider(caller.cookies)
  const mine = reauthUserId ? await federation.accounts.list(reauthUserId) : null
  return federation
    .providers()
    .filter((one) => !mine || (saysWhen(one) && mine.some(({ provider }) => provider === one.id)))
    .map(({ id, name, brand }) => ({ id, name, brand, last: id === last }))
}

function newcomerView({ newcomer, stranger }: Attempt): NewcomerView {
  const { firstName, lastName, displayName } = stranger ?? {}
  // Many know a name in one piece alone: a guess at its parts is less to type, and can be changed.
  const [, first, last] = /^(.+?)(?: (\S+))?$/.exec(displayName ?? '') ?? []
  const guessed = !firstName && !lastName
  return {
    provider: stranger && (federation.provider(stranger.provider)?.name ?? ''),
    email: newcomer?.email ?? stranger?.email ?? null,
    proven: newcomer !== null,
    firstName: (guessed ? first : firstName) ?? null,
    lastName: (guessed ? last : lastName) ?? null,
  }
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
