/** How far a person could get with what they have set up, before anybody is asked for it. */
import { policy } from './gate'
import { standingOf } from './look'
import { canReachAal2 } from './steps'

/**
 * True when what this person has set up amounts to two kinds of factor (NIST SP 800-63B-4): a passkey is
 * both, an authenticator app or a security key is one beside a password. A code sent by mail is none.
 */
export async function couldReachAal2(userId: string): Promise<boolean> {
  const seen = await standingOf(userId)
  return seen !== null && canReachAal2(seen.person, policy())
}
