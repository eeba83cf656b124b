/** A running login attempt: what was proven so far and where it returns to. Not a session. */
import type { Refusal } from '../base/refusals'
import type { Proof } from '../sessions'

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
  passwordHash: string
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
  /** Another one was asked for and sent. */
  resent: boolean
  resendAt: number
  expiresAt: number
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
  userId: string | null
  status: 'active' | 'pending' | null
  proofs: Proof[]
  signUp: SignUp | null
  /** An address proven by a sign-in code that belongs to nobody yet, and the id its owner would get. */
  newcomer: { userId: string; email: string } | null
  verification: Verification | null
  typed: Typed
  notice: Notice | null
}

/** What is left of an attempt once it succeeded, so that Back and reload land well. */
export interface Finished {
  finished: true
  browserHash: string
  returnTo: string
  request: string | null
}
