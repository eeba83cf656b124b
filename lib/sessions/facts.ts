/** What is known of a live session, and when it stops being one. */
import { env, type SessionLimits } from '../base/env'

/** The truth about one signed-in browser, as every room may read it. Times in milliseconds since the epoch. */
export interface SessionFacts {
  sid: string
  /** Raised at every new proof in this browser; the cookie must carry the same. */
  generation: number
  userId: string
  sessionVersion: number
  /** How the person signed in: password, passkey, … */
  method: string
  /** RFC 8176 names of what was proven. */
  amr: string[]
  acr: string
  /**
   * Less was proven than the person has set up: by way of a trusted browser, or because a factor was added
   * elsewhere since. Or nobody knows when it was proven: a provider did not say. Such a session is good for
   * looking around and never fresh.
   */
  secondSkipped: boolean
  authAt: number
  /** `authAt` is when a provider's word came, and nothing else was proven: when the person did anything, nobody knows. */
  undated?: true
  createdAt: number
  expiresAt: number
  idleSeconds: number
  lastActiveAt: number
  /** Default role first. */
  roles: string[]
  defaultRole: string
  deviceId: string | null
  /** Nobody we know: an anonymous user, who has proven nothing and cannot prove anything. */
  guest: boolean
}

/** One thing that was proven in a login attempt. */
export interface Proof {
  /** password, email_code, passkey, oauth, … */
  method: string
  /** RFC 8176 names. */
  amr: string[]
  /** Milliseconds since the epoch. */
  at: number
  /**
   * Which of several: a passkey's, an authenticator's or a linked account's id. One thing is one factor, however often it
   * is shown.
   */
  credential?: string
  /** When it was proven is not known: a provider did not say, and `at` is when its word came. Never fresh by itself. */
  undated?: true
  /** Names the provider's own session that it came from (a hash): what ends there ends here. */
  upstream?: string
}

/** The strictest of what holds for these roles; what no role limits is left out. */
export function limitsOf(roles: readonly string[]): SessionLimits {
  const all = roles.flatMap((role) => env().sessionRoleLimits.get(role) ?? [])
  const strictest = (values: (number | undefined)[]) => Math.min(...values.map((value) => value ?? Infinity))
  const limits: SessionLimits = {}
  for (const name of ['idleSeconds', 'maxSeconds', 'count'] as const) {
    const least = strictest(all.map((one) => one[name]))
    if (least < Infinity) limits[name] = least
  }
  return limits
}

/** The facts with a life that is no longer than the user's roles allow. */
export function withinRoles(facts: SessionFacts): SessionFacts {
  if (env().sessionRoleLimits.size === 0) return facts
  const { idleSeconds = Infinity, maxSeconds = Infinity } = limitsOf(facts.roles)
  return {
    ...facts,
    idleSeconds: Math.min(facts.idleSeconds, idleSeconds),
    expiresAt: Math.min(facts.expiresAt, facts.authAt + maxSeconds * 1000),
  }
}

/** Sensitive changes ask for a proof no older than this (ASVS 7.5.1). */
export const FRESH_MS = 10 * 60_000

/**
 * True while all that the person has set up was proven in this browser, recently enough for a sensitive change. A guest
 * has nothing that could be proven.
 */
export const isFresh = (facts: SessionFacts, nowMs: number): boolean =>
  !facts.secondSkipped && !facts.guest && nowMs - facts.authAt < FRESH_MS

/** True until the absolute or the idle end (ASVS 7.3.1, 7.3.2). Judged at use, never by a clean-up. */
export const notExpired = (facts: SessionFacts, nowMs: number): boolean =>
  nowMs < facts.expiresAt && !idleExpired(facts, nowMs)

export const idleExpired = (facts: SessionFacts, nowMs: number): boolean =>
  nowMs >= facts.lastActiveAt + facts.idleSeconds * 1000

/**
 * The authenticator assurance level of a set of proofs (NIST SP 800-63B-4): `aal2` for two distinct
 * kinds of factor, or one user-verified passkey; else `aal1`. A guest has proven nothing: `0`, the value that OpenID
 * Connect Core section 2 keeps for that.
 */
export function acrOf(proofs: readonly Proof[]): '0' | 'aal1' | 'aal2' {
  if (proofs.length > 0 && proofs.every((proof) => proof.method === 'guest')) return '0'
  return amrOf(proofs).includes('mfa') ? 'aal2' : 'aal1'
}

const KNOWLEDGE = ['pwd', 'pin', 'kba']
const POSSESSION = ['otp', 'hwk', 'swk', 'sms']

/**
 * RFC 8176 names of all proofs, `mfa` added where they are of two kinds. A code sent by mail proves an
 * address, not a second factor, and so carries none of the possession names.
 */
export function amrOf(proofs: readonly Proof[]): string[] {
  const names = new Set(proofs.flatMap((proof) => proof.amr))
  const known = KNOWLEDGE.some((name) => names.has(name))
  const held = POSSESSION.some((name) => names.has(name))
  if (known && held) names.add('mfa')
  return [...names]
}
