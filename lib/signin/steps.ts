/** The one dispatcher of the login: from proven facts to what is still missing. Pure: no clock, no I/O. */
import type { Proof } from '../sessions'

export type Step =
  /** Who is it, and a first proof: the sign-in or the sign-up page. */
  | 'identify'
  /** A code sent to the address must come back. */
  | 'verify_email'
  /** A new person whose address is proven: what should we call them? */
  | 'details'
  | 'done'

/** What the steps are decided from. */
export interface Facts {
  proofs: readonly Proof[]
  /** A code is on its way that is a proof by itself: for the person, or for a new one. */
  codeSent: boolean
  /** A new account is waiting for its address to be proven. */
  signingUp: boolean
  /** The proven user's status; null while nobody is proven or the account is yet to be made. */
  status: 'active' | 'pending' | null
}

/**
 * What is missing. Every page of the login asks this, so a stale tab, Back or a link that skips ahead
 * lands where the facts say.
 */
export function nextStep(facts: Facts): Step {
  const proven = (method: string) => facts.proofs.some((proof) => proof.method === method)
  if (facts.signingUp) return proven('address') ? 'done' : 'verify_email'
  if (!facts.proofs.some((proof) => PRIMARY.includes(proof.method)))
    return facts.codeSent ? 'verify_email' : 'identify'
  if (!facts.status) return proven('email_code') ? 'details' : 'identify'
  if (facts.status === 'pending' && !proven('address') && !proven('email_code')) return 'verify_email'
  return 'done'
}

/** Proofs that say who someone is. `address` is none of them: it only says that a mailbox is read. */
const PRIMARY = ['password', 'email_code', 'sms_code']
