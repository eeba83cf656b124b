/** From what a provider said to what the house believes of it. Pure but for the seal of the tokens. */
import { decodeJwt } from 'jose'
import { firstSpoken } from '../base/caller'
import { nowMs } from '../base/clock'
import type { Mapped } from '../base/env'
import { ok, type Result, refuse } from '../base/refusals'
import { MAX_NAME, normalizeEmail, plainLine } from '../users'
import { appleName } from './apple'
import { type Confirmed, ProviderFailed } from './core'
import type { Claims, Good } from './registry'
import { sealTokens } from './sealing'
import { claimAt } from './shapes'
import type { Identity } from './types'

/** Where each fact is, unless the operator says otherwise. */
const CLAIMS: Record<Mapped, string[]> = {
  subject: ['sub', 'id'],
  email: ['email'],
  emailVerified: ['email_verified'],
  firstName: ['given_name'],
  lastName: ['family_name'],
  displayName: ['name', 'display_name', 'login', 'username'],
  locale: ['locale'],
  picture: ['picture', 'avatar_url'],
}

const text = (value: unknown): string | null => (typeof value === 'string' && value ? value : null)

/** A name as the house writes names; what is left of a longer one. */
function name(value: unknown): string | null {
  const line = plainLine((text(value) ?? '').slice(0, 4000))
  return [...line].slice(0, MAX_NAME).join('').trim() || null
}

function subjectOf(value: unknown): string | null {
  const subject = typeof value === 'number' && Number.isSafeInteger(value) ? String(value) : text(value)
  return subject && subject.length <= 255 ? subject : null
}

const GMAIL = ['gmail.com', 'googlemail.com']

/**
 * Whether the provider vouches for the address. Each kind has its own word for it, and nothing but that word counts:
 * missing, `"true"` or 1 where `true` belongs are no (LNK2, Nhost CVE-2026-41574).
 */
function vouches(type: string, claims: Claims, email: string, mapped: unknown): boolean {
  switch (type) {
    case 'google':
      // Of other addresses Google only knows that they were somebody's once; `hd` says that a domain is theirs to speak for.
      return (
        claims.email_verified === true &&
        (text(claims.hd) !== null || GMAIL.includes(email.slice(email.lastIndexOf('@') + 1)))
      )
    case 'microsoft':
      // `email` is whatever a tenant's administrator wrote ("nOAuth"); `xms_edov` says that the domain's owner was asked.
      return claims.xms_edov === true || claims.xms_edov === 1 || claims.xms_edov === '1'
    case 'apple':
      // Apple documents both.
      return claims.email_verified === true || claims.email_verified === 'true'
    default:
      return mapped === true
  }
}

/**
 * Whether the provider's word is about this address. It is about its own `email`: what the operator took from another
 * claim (a user name at Microsoft, which a tenant's administrator writes) is not vouched for by it, unless they also name
 * the claim that does.
 */
function isAbout({ settings: { type, map } }: Good, claims: Claims, email: string): boolean {
  if (!map.email || (map.emailVerified && !OWN_WORD.includes(type))) return true
  const own = normalizeEmail(claims.email)
  return own.ok && own.value.toLowerCase() === email.toLowerCase()
}

/** Those whose word for a verified address is none that could be mapped. */
const OWN_WORD = ['google', 'microsoft', 'apple']

function rolesOf({ settings }: Good, claims: Claims): string[] | null {
  if (!settings.roles) return null
  const { claim, values } = settings.roles
  const given = [claimAt(claims, claim)].flat().filter((one) => typeof one === 'string')
  return [...new Set(given.flatMap((one) => (Object.hasOwn(values, one) ? [values[one] ?? ''] : [])))]
}

function pictureOf(value: unknown): string | null {
  const url = text(value)
  return url && url.length <= 2000 && URL.canParse(url) && new URL(url).protocol === 'https:' ? url : null
}

/**
 * The identity, or the refusal `provider_not_allowed` of the operator's lists of domains and tenants.
 * @param more.origin whose word it is where no ID token says so
 * @param more.posted what came beside the code (Apple's name)
 * @throws ProviderFailed when it names nobody
 */
export function identify(
  provider: Good,
  { account, claims: given }: Confirmed,
  more: { origin: string; posted?: string | undefined },
): Result<Identity> {
  const { settings, view } = provider
  const { type } = settings
  const claims = type === 'apple' ? { ...given, ...appleName(more.posted) } : given
  const read = (fact: Mapped): unknown => {
    const mapped = settings.map[fact]
    if (mapped) return claimAt(claims, mapped)
    return CLAIMS[fact]
      .map((one) => claimAt(claims, one))
      .find((value) => value !== undefined && value !== null)
  }
  const generic = type === 'oauth' || settings.map.subject
  const subject = subjectOf(generic ? read('subject') : account.providerAccountId)
  if (!subject) throw new ProviderFailed('the answer names nobody')
  const signed: Claims = view.kind === 'oidc' && account.id_token ? decodeJwt(account.id_token) : {}
  const normal = normalizeEmail(read('email'))
  const email = normal.ok ? normal.value : null
  // Where no ID token vouches, only the operator can say which claim does.
  const asked = view.kind === 'oidc' || type === 'github' || settings.map.emailVerified
  const verified =
    email !== null &&
    (settings.trustEmail ||
      (isAbout(provider, claims, email) &&
        vouches(type, claims, email, asked ? read('emailVerified') : false)))
  const domain = email?.slice(email.lastIndexOf('@') + 1) ?? ''
  if (settings.domains && !(verified && settings.domains.includes(domain))) return notAllowed(provider)
  if (settings.tenants) {
    const tenant = text(type === 'google' ? claims.hd : signed.tid)?.toLowerCase()
    if (!tenant || !settings.tenants.includes(tenant)) return notAllowed(provider)
  }
  const issuer = text(signed.iss) ?? more.origin
  const locale = text(read('locale'))
  const authAt = typeof signed.auth_time === 'number' ? signed.auth_time * 1000 : null
  const known = { provider: view.id, issuer, subject }
  return ok({
    ...known,
    email,
    emailVerified: verified,
    firstName: name(read('firstName')),
    lastName: name(read('lastName')),
    displayName: name(read('displayName')),
    locale: locale ? firstSpoken([locale.replace('_', '-')]) : null,
    picture: pictureOf(read('picture')),
    roles: rolesOf(provider, claims),
    authAt: authAt !== null && authAt <= nowMs() + 60_000 ? authAt : null,
    sessionId: text(signed.sid)?.slice(0, 255) ?? null,
    tokens: settings.keepTokens ? sealTokens(known, account) : null,
  })
}

const notAllowed = ({ view }: Good) => refuse('provider_not_allowed', { values: { provider: view.name } })
