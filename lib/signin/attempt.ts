/** A running login attempt: what was proven so far and where it returns to. Not a session. */
import type { Refusal } from '../base/refusals'
import type { AccountOwner, Identity } from '../federation'
import type { Proof, Versions } from '../sessions'
import type { Standing } from './steps'

/** A refusal as it is shown on the next page; the wait is kept as a moment, so that a reload stays honest. */
export interface Notice {
  code: Refusal['code']
  field?: string
  values?: Record<string, string | number>
  /** Milliseconds since the epoch. */
  retryAt?: number
}

/** What a person typed, to fill the form again; never a password. */
export interface Typed {
  email?: string
  firstName?: string
  lastName?: string
}

/** An account that is made once its address is proven. Nothing of it is in Postgres before. */
export interface SignUp {
  userId: string
  email: string
  firstName: string | null
  lastName: string | null
  locale: string
  /** Null for an account that begins with a passkey, or with a provider's word. */
  passwordHash: string | null
}

/** Somebody new of whom nothing but a name is missing: their address is proven, by a code or by a provider's word. */
export interface Newcomer {
  userId: string
  email: string
}

/** What a provider said that is to be linked to an account there is, once its owner proved it is theirs. */
export interface Linking {
  /** Whose the provider's verified address is. */
  userId: string
  email: string
  identity: Identity
}

/** The code that is on its way. */
export interface Verification {
  /** What it proves: an address, or (with the two others) who the person is. */
  purpose: 'email_verification' | 'email_sign_in' | 'phone_sign_in'
  /** The user's id, or the one a new user would get. */
  key: string
  to: string
  /** The address belongs to somebody: no code will ever match, and nobody can tell. */
  decoy: boolean
  /** Of a browser that the account knows, which has limits of its own; from `sessions.knownDevice`. */
  device?: string | null
  /** Another one was asked for and sent. */
  resent: boolean
  resendAt: number
  expiresAt: number
}

/** A code that is on its way for the second step. */
export interface SecondSent {
  method: 'email_code' | 'sms_code'
  to: string
  resendAt: number
  expiresAt: number
}

/** What is known of the person who gave the first proof, sealed with the rest. */
export interface Person extends Standing {
  /** Names of their authenticators. */
  totps: string[]
}

export interface Attempt {
  /** SHA-256 of the cookie of the browser that began it. */
  browserHash: string
  createdAt: number
  expiresAt: number
  /** A path of ours. */
  returnTo: string
  /** The relying app's request that is waiting, if one is. */
  request: string | null
  /** The session this browser had when it began, if any. */
  session: string | null
  /** The address of the session's owner, who proves again who they are; null for any sign-in. */
  reauth: string | null
  /** Their id. */
  reauthUserId: string | null
  /** An app asks for a proof of now: providers that can say when are told so. */
  proveAnew?: boolean
  /** The guest this browser was when it began, who becomes a person in place; null for nobody or somebody. */
  guest: string | null
  /** The app that waits takes guests, and asks for nothing that a guest could not give. */
  mayGuest: boolean
  /** The id of the guest that this attempt is about to make. */
  newGuest: string | null
  /** A relying app asks for this level, and takes no less where it is essential. */
  level: 'aal2' | null
  essential: boolean
  /** The browser can do WebAuthn; null while it has not said so (script is off, perhaps). */
  canPasskey: boolean | null
  /** A passkey may be offered at the end. */
  offer: boolean
  /** What may be put off is: in this attempt, or in this browser before. */
  postponed: 'now' | 'before' | null
  userId: string | null
  status: 'active' | 'pending' | null
  proofs: Proof[]
  /** As of the last look; the session is judged by a fresh one. */
  person: Person | null
  /** The user's as they were when the first proof was judged: whatever changed since makes the attempt worthless. */
  versions: Versions | null
  /** After the second step this browser is to be trusted. */
  trust: boolean
  secondSent: SecondSent | null
  /** Made during the attempt, until the person says that they are written down. */
  backupCodes: string[] | null
  /** The account was made without a password, for a passkey. */
  passkeyWanted: boolean
  signUp: SignUp | null
  /** An address proven by a sign-in code that belongs to nobody yet, and the id its owner would get. */
  newcomer: Newcomer | null
  /** Somebody whom nobody here knows, as a provider told of them: becomes a person of ours, or nothing. */
  stranger: Identity | null
  /** Somebody known, as the provider told of them now, and whose linked account it is. */
  linked: { account: AccountOwner; identity: Identity } | null
  /** Outlives what is tried for it: the person may begin to prove themselves by one way and go on by another. */
  linking: Linking | null
  verification: Verification | null
  typed: Typed
  notice: Notice | null
}

/** Nobody is proven: what a first proof begins with, and what is left when an attempt begins anew. */
export function startOver(attempt: Attempt): void {
  attempt.userId = null
  attempt.status = null
  attempt.proofs = []
  attempt.person = null
  attempt.versions = null
  attempt.trust = false
  attempt.secondSent = null
  attempt.backupCodes = null
  attempt.passkeyWanted = false
  attempt.signUp = null
  attempt.newcomer = null
  attempt.stranger = null
  attempt.linked = null
  attempt.verification = null
  attempt.notice = null
}

/** What is left of an attempt once it succeeded, so that Back and reload land well. */
export interface Finished {
  finished: true
  browserHash: string
  returnTo: string
  request: string | null
}
