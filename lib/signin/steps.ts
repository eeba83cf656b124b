/**
 * The one dispatcher of the login: from proven facts and the operator's policy to what is still missing. Pure: no
 * clock, no I/O. Every way in comes through here, so none of them skips a factor.
 */
import {
  SECOND_METHODS,
  type SecondFactorSettings,
  type SecondMethod,
  type SignInMethod,
  STRONG_METHODS,
  type StrongMethod,
} from '../base/env-factors'
import type { Enrolled } from '../factors'
import { acrOf, type Proof } from '../sessions'
import type { UnusualReason } from './unusual'

export type Step =
  /** Who is it, and a first proof: the sign-in or the sign-up page. */
  | 'identify'
  /** A code sent to the address must come back. */
  | 'verify_email'
  /** A new person: what is missing of a name, and of an address where no provider vouches for one. */
  | 'details'
  /** Known by a first proof; one of another kind is asked for. */
  | 'second'
  /** New backup codes wait to be written down. */
  | 'backup_codes'
  /** A second factor or a passkey is to be set up, or offered. */
  | 'enroll'
  | 'done'

/** What is known of the proven person, as of the last look. */
export interface Standing {
  /** Of a locked account the password does not count. */
  enrolled: Enrolled
  roles: readonly string[]
  /** The password was chosen by a link in a mail, and proves no more than that mailbox does. */
  passwordByMail: boolean
  /** Where a code could be sent, proven by its owner. */
  reach: { email: string | null; phone: string | null }
  /** This browser may skip the second step for this person, and nothing in the attempt forbids it. */
  trusted: boolean
  /** Nobody yet: an anonymous user. */
  guest: boolean
  /** What is unlike the sign-ins before it; absent in attempts from before there were such reasons. */
  unusual?: readonly UnusualReason[]
}

/** What else is asked of this attempt, beside who it is. */
export interface Wants {
  /** A relying app asks for this level. */
  level: 'aal2' | null
  /** The app takes no less: somebody who cannot reach the level sets up what is missing. */
  essential: boolean
  /** Somebody signed in proves again who they are: nobody is offered anything, and no browser is trusted. */
  reauth: boolean
  /** A passkey was chosen at sign-up, or may be offered in this browser. */
  passkey: 'sign_up' | 'offer' | null
  /** The person put off what may be put off. */
  postponed: boolean
  /** Backup codes were made and not yet written down. */
  codesToSave: boolean
}

/** What the steps are decided from. */
export interface Facts {
  proofs: readonly Proof[]
  /** A code is on its way that is a proof by itself: for the person, or for a new one. */
  codeSent: boolean
  /** A new account is waiting for its address to be proven. */
  signingUp: boolean
  /** The proven user's status; null while nobody is proven or the account is yet to be made. */
  status: 'active' | 'pending' | null
  /** Null until somebody active is proven. */
  person: Standing | null
  wants: Wants
}

export interface Policy {
  secondFactor: SecondFactorSettings
  signInMethods: readonly SignInMethod[]
  /** Now, in milliseconds since the epoch. */
  at: number
}

/**
 * What is missing. Every page of the login asks this, so a stale tab, Back or a link that skips ahead
 * lands where the facts say.
 */
export function nextStep(facts: Facts, policy: Policy): Step {
  const proven = (method: string) => facts.proofs.some((proof) => proof.method === method)
  if (facts.signingUp) return 'verify_email'
  if (!facts.proofs.some((proof) => PRIMARY.includes(proof.method)))
    return facts.codeSent ? 'verify_email' : 'identify'
  if (!facts.status) return proven('email_code') || proven('oauth') ? 'details' : 'identify'
  if (facts.status === 'pending' && !proven('address') && !proven('email_code')) return 'verify_email'
  // Proofs of somebody who was not looked at yet prove too little to go on.
  if (!facts.person) return 'identify'
  if (facts.person.guest || proven('guest')) return guestStep(facts)
  if (secondAsked(facts, policy)) return 'second'
  if (facts.wants.codesToSave) return 'backup_codes'
  return enrollmentAsked(facts, policy) ? 'enroll' : 'done'
}

/** Proofs that say who someone is. `address` is none of them: it only says that a mailbox is read. */
const PRIMARY = ['password', 'email_code', 'sms_code', 'passkey', 'oauth', 'guest']

/**
 * A guest has no factor, so none is asked for; but whoever asks for a level, or for a proof of who it is, asks for more
 * than a guest. And it is one only while nobody made an account of it.
 */
const guestStep = ({ person, proofs, wants }: Facts): 'identify' | 'done' =>
  person?.guest && proofs.every(({ method }) => method === 'guest') && !wants.level && !wants.reauth
    ? 'done'
    : 'identify'

// ── the second step ──────────────────────────────────────────────────────────

/** What may be offered at the second step: the password too, where it is not what came first. */
export type Offer = SecondMethod | 'password'

/** Best first: what cannot be phished, then what is at hand, then what is kept for bad days. */
const BEST_FIRST: readonly Offer[] = [
  'passkey',
  'security_key',
  'totp',
  'password',
  'sms_code',
  'email_code',
  'backup_code',
]

/** RFC 8176 names that each would bring. */
const AMR: Record<Offer, string[]> = {
  // A passkey that verifies its user is two factors in itself; whether it does shows only when it is used.
  passkey: ['swk', 'user', 'mfa'],
  security_key: ['hwk', 'user'],
  totp: ['otp'],
  backup_code: ['otp'],
  password: ['pwd'],
  sms_code: ['sms'],
  email_code: ['email'],
}

export interface SecondAsked {
  /** Best first; never empty. */
  offers: Offer[]
  why: 'enrolled' | 'policy' | 'app' | 'unusual'
  /** Only a passkey that verifies its user helps: the first proof was a key that did not. */
  verifiedOnly: boolean
}

/** What the second step asks for; null when it asks nothing (any more). */
export function secondAsked(facts: Facts, policy: Policy): SecondAsked | null {
  const { person, proofs, wants } = facts
  if (!person) return null
  const verifiedOnly = proofs[0]?.method === 'passkey'
  const best = (offers: readonly Offer[]) => BEST_FIRST.filter((offer) => offers.includes(offer))
  const alarmed = alarming(person, facts, policy)
  const sparing = spared(person, facts, policy)
  if (twoStepOn(person, policy) && !twoProven(proofs, policy) && (alarmed || !sparing)) {
    const usual = wants.level ? 'app' : requiredOf(person, policy) ? 'policy' : 'enrolled'
    return {
      offers: best(secondsOf(person, proofs, policy)),
      why: sparing ? 'unusual' : usual,
      verifiedOnly,
    }
  }
  const rising = wants.level === 'aal2' && acrOf(proofs) !== 'aal2' ? raising(person, proofs, policy) : []
  if (rising.length > 0) return { offers: best(rising), why: 'app', verifiedOnly }
  const more = alarmed ? besides(person, proofs, policy) : []
  return more.length > 0 ? { offers: best(more), why: 'unusual', verifiedOnly } : null
}

/** The operator asks for more when a sign-in is unusual. Whoever proves again who they are is asked for all anyway. */
const alarming = ({ unusual = [] }: Standing, { wants }: Facts, { secondFactor }: Policy): boolean =>
  secondFactor.unusual === 'second_factor' && unusual.length > 0 && !wants.reauth

/**
 * What somebody without a second factor is asked for when a sign-in is unusual: any other thing they have, and a code to
 * their mailbox also where it counts for nothing else. Nothing when two things were shown, or there is no other.
 */
function besides(person: Standing, proofs: readonly Proof[], policy: Policy): Offer[] {
  const given = proofs.filter(({ method }) => method !== 'address')
  // A code by mail counts here beside a provider's word: it is asked for, so it must be enough.
  const things = new Set(given.map((proof) => (proof.method === 'oauth' ? 'oauth' : thingOf(proof))))
  const shown = things.size >= 2 || given.some(({ amr }) => amr.includes('mfa'))
  if (shown || twoStepOn(person, policy)) return []
  const all: Offer[] = SECOND_METHODS.filter((method) => has(person, method, policy))
  if (person.reach.email !== null) all.push('email_code')
  if (passwordOf(person, policy)) all.push('password')
  return all.filter((offer) => offer !== given[0]?.method)
}

/**
 * A trusted browser spares the second step. Not before something is set up, since a new factor is as good as those
 * that were never shown; and not where passkeys are the only way in, or a code by mail would be another.
 */
const spared = (person: Standing, facts: Facts, policy: Policy): boolean =>
  person.trusted && !onlyPasskeys(policy) && enrollmentDue(person, facts, policy) === null

/** Two-step sign-in is on as soon as the person has a strong factor that the operator allows. */
export const twoStepOn = (person: Standing, policy: Policy): boolean =>
  STRONG_METHODS.some((method) => countOf(person, method) > 0 && allowed(method, policy))

/**
 * Whether two factors were proven: a key that verified its user, or two different things of which one is no
 * mere way in. One mailbox, one phone, one key is one thing however often it is proven.
 */
export function twoProven(proofs: readonly Proof[], policy: Policy): boolean {
  if (proofs.some((proof) => proof.amr.includes('mfa'))) return true
  const given = proofs.filter((proof) => proof.method !== 'address')
  const second = ({ method }: Proof) =>
    (STRONG_METHODS as readonly string[]).includes(method) ||
    (policy.secondFactor.methods as readonly string[]).includes(method)
  return new Set(given.map(thingOf)).size >= 2 && given.some(second)
}

/** An account elsewhere is often the mailbox itself, or opened by it: beside a code sent there it is no second thing. */
const thingOf = ({ method, credential }: Proof): string => {
  if (method === 'oauth') return 'email_code'
  return method === 'passkey' || method === 'security_key' ? `key:${credential}` : method
}

function countOf({ enrolled }: Standing, method: StrongMethod): number {
  if (method === 'totp') return enrolled.totp
  return method === 'passkey' ? enrolled.passkeys : enrolled.securityKeys
}

/** A passkey with which people may begin to sign in is also good for the second step. */
const allowed = (method: SecondMethod, { secondFactor, signInMethods }: Policy): boolean =>
  secondFactor.methods.includes(method) || (method === 'passkey' && signInMethods.includes('passkey'))

/** What the person has and the operator allows beside the first proof. */
function has(person: Standing, method: SecondMethod, policy: Policy): boolean {
  if (!allowed(method, policy)) return false
  if (method === 'email_code') return person.reach.email !== null
  if (method === 'sms_code') return person.reach.phone !== null
  return method === 'backup_code' ? person.enrolled.backupCodes > 0 : countOf(person, method) > 0
}

/** What would be a second factor beside what is proven. */
function secondsOf(person: Standing, proofs: readonly Proof[], policy: Policy): Offer[] {
  const first = proofs[0]?.method
  const mine = SECOND_METHODS.filter((method) => has(person, method, policy))
  // After a key that did not verify its user: something known, something else held, or one that does.
  if (first === 'passkey') {
    const others = mine.filter((method) => ['passkey', 'totp', 'backup_code'].includes(method))
    return passwordOf(person, policy) ? [...others, 'password'] : others
  }
  // Where passkeys are the only way in, a code by mail takes nobody past the one they have.
  if (onlyPasskeys(policy) && person.enrolled.passkeys > 0)
    return mine.filter((method) => method === 'passkey' || method === 'backup_code')
  return mine.filter(
    (method) => method !== first && !(method === 'email_code' && mailboxShown(person, first)),
  )
}

/**
 * Two proofs of one mailbox are one factor, also where the first went by way of a new password (REC4), or of a provider
 * whose account may be no more than that mailbox.
 */
const mailboxShown = (person: Standing, first: string | undefined): boolean =>
  first === 'oauth' || (first === 'password' && person.passwordByMail)

const passwordOf = (person: Standing, policy: Policy): boolean =>
  person.enrolled.password && policy.signInMethods.includes('password')

/** What still brings the attempt to aal2; [] when it is there, or nothing the person has would do. */
function raising(person: Standing, proofs: readonly Proof[], policy: Policy): Offer[] {
  const keyShown = proofs.some((proof) => proof.method === 'passkey')
  const left: Offer[] = [
    ...SECOND_METHODS.filter((method) => has(person, method, policy)),
    ...(passwordOf(person, policy) ? (['password'] as const) : []),
  ].filter((offer) => !proofs.some((proof) => proof.method === offer) && !(offer === 'passkey' && keyShown))
  const levelWith = (offers: readonly Offer[]) =>
    acrOf([...proofs, ...offers.map((method) => ({ method, amr: AMR[method], at: 0 }))])
  if (levelWith(left) !== 'aal2') return []
  const atOnce = left.filter((offer) => levelWith([offer]) === 'aal2')
  return atOnce.length > 0 ? atOnce : left.filter((offer) => offer !== 'email_code')
}

/** Whether all that a person has, taken together, would be two kinds of factor. */
export const canReachAal2 = (person: Standing, policy: Policy): boolean =>
  raising(person, [], policy).length > 0

// ── setting something up ─────────────────────────────────────────────────────

export interface EnrollmentAsked {
  /** It may not be left out for good. */
  required: boolean
  /** Until then it may be put off, milliseconds since the epoch; null: not at all where required. */
  until: number | null
  why: 'policy' | 'app' | 'offer' | 'sign_up'
  methods: StrongMethod[]
  /** What the page begins with. */
  wanted: 'passkey' | null
}

/** What is to be set up before the person goes on; null when nothing is. */
export function enrollmentAsked(facts: Facts, policy: Policy): EnrollmentAsked | null {
  const { person, wants } = facts
  if (!person) return null
  const due = enrollmentDue(person, facts, policy)
  if (due) return mayPutOff(due) && wants.postponed ? null : due
  if (wants.reauth || wants.postponed || person.enrolled.passkeys > 0) return null
  if (!policy.signInMethods.includes('passkey')) return null
  // In a trusted browser less was proven than there is: nothing is added on the strength of it.
  if (twoStepOn(person, policy) && !twoProven(facts.proofs, policy)) return null
  const offered =
    wants.passkey === 'sign_up' ||
    (wants.passkey === 'offer' && ['password', 'email_code'].includes(facts.proofs[0]?.method ?? ''))
  const why = wants.passkey === 'sign_up' ? 'sign_up' : 'offer'
  return offered ? { required: false, until: null, why, methods: ['passkey'], wanted: 'passkey' } : null
}

export const mayPutOff = ({ required, until }: EnrollmentAsked): boolean => !required || until !== null

function enrollmentDue(person: Standing, { proofs, wants }: Facts, policy: Policy): EnrollmentAsked | null {
  const { policy: rule, from } = policy.secondFactor
  const methods = STRONG_METHODS.filter((method) => allowed(method, policy))
  const wanted = wants.passkey === 'sign_up' ? 'passkey' : null
  if (onlyPasskeys(policy) && person.enrolled.passkeys === 0)
    return { required: true, until: null, why: 'policy', methods: ['passkey'], wanted: 'passkey' }
  // An app that takes no less than two kinds of factor has no date to wait for, and what does not lead there is
  // of no use: to somebody without a password an authenticator app is as much as a code by mail.
  const rising = wants.essential ? methods.filter((method) => risesBy(method, proofs, wants)) : []
  if (rising.length > 0) {
    const why = requiredOf(person, policy) && !twoStepOn(person, policy) ? 'policy' : 'app'
    return { required: true, until: null, why, methods: rising, wanted }
  }
  if (twoStepOn(person, policy)) return null
  if (requiredOf(person, policy)) {
    const until = from !== null && policy.at < from ? from : null
    return { required: true, until, why: 'policy', methods, wanted }
  }
  if (rule === 'encouraged' && !wants.reauth)
    return { required: false, until: null, why: 'policy', methods, wanted }
  return null
}

/** Whether the level asked for is not there yet and would be, were this set up and used now. */
const risesBy = (method: StrongMethod, proofs: readonly Proof[], { level }: Wants): boolean =>
  level === 'aal2' &&
  acrOf(proofs) !== level &&
  acrOf([...proofs, { method, amr: AMR[method], at: 0 }]) === level

/** Whether the operator asks this person for a second factor. */
export const requiredOf = ({ roles }: Standing, { secondFactor }: Policy): boolean =>
  secondFactor.policy === 'required' || roles.some((role) => secondFactor.roles.includes(role))

/** Nobody signs in by anything else, but for whoever has no passkey yet. */
export const onlyPasskeys = ({ signInMethods }: Pick<Policy, 'signInMethods'>): boolean =>
  signInMethods.every((method) => method === 'passkey')
