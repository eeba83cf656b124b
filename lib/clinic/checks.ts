/** What an app is put through, in this order: what it has to do, how much that weighs, and where that is written. Pure. */

export type Outcome = 'accepted' | 'refused' | 'unclear' | 'skipped'
/** `must`: the standard leaves no choice, or people could be signed in as others. `should`: it leaves one. */
export type Weight = 'must' | 'should'

interface Section {
  name: string
  url: string
}

const core = (section: string, anchor: string): Section => ({
  name: `OpenID Connect Core 1.0 §${section}`,
  url: `https://openid.net/specs/openid-connect-core-1_0.html#${anchor}`,
})
const rfc = (number: number, section: string): Section => ({
  name: `RFC ${number} §${section}`,
  url: `https://www.rfc-editor.org/rfc/rfc${number}#section-${section}`,
})
const backchannel: Section = {
  name: 'Back-Channel Logout 1.0 §2.6',
  url: 'https://openid.net/specs/openid-connect-backchannel-1_0.html#Validation',
}
const frontchannel: Section = {
  name: 'Front-Channel Logout 1.0 §2',
  url: 'https://openid.net/specs/openid-connect-frontchannel-1_0.html#RPLogout',
}
const idToken = core('3.1.3.7', 'IDTokenValidation')

export const GROUPS = [
  'sign_in',
  'response',
  'id_token',
  'userinfo',
  'backchannel',
  'frontchannel',
  'keys',
] as const
export type Group = (typeof GROUPS)[number]

interface Spec {
  group: Group
  /** What a careful app does with it. */
  expects: 'accepted' | 'refused'
  weight: Weight
  section: Section
}

const bad = (group: Group, section: Section, weight: Weight = 'must'): Spec => ({
  group,
  expects: 'refused',
  weight,
  section,
})
const good = (group: Group, section: Section): Spec => ({
  group,
  expects: 'accepted',
  weight: 'must',
  section,
})

export const CHECKS = {
  good_sign_in: good('sign_in', core('3.1', 'CodeFlowAuth')),

  iss_response_wrong: bad('response', rfc(9207, '2.4')),
  iss_response_missing: bad('response', rfc(9207, '2.4')),
  state_missing: bad('response', rfc(6749, '10.12')),
  state_unknown: bad('response', rfc(6749, '10.12')),
  state_of_another_browser: bad('response', rfc(9700, '4.7')),
  state_reused: bad('response', rfc(9700, '4.7')),
  callback_replayed: bad('response', rfc(6749, '4.1.2')),
  code_injected: bad('response', rfc(9700, '4.5')),
  error_with_code: bad('response', rfc(6749, '4.1.2.1')),

  id_missing: bad('id_token', core('3.1.3.3', 'TokenResponse')),
  id_iss: bad('id_token', idToken),
  id_aud: bad('id_token', idToken),
  id_aud_more: bad('id_token', idToken),
  id_nonce_wrong: bad('id_token', idToken),
  id_nonce_missing: bad('id_token', idToken),
  id_sub_missing: bad('id_token', core('2', 'IDToken')),
  id_expired: bad('id_token', idToken),
  id_iat_far: bad('id_token', idToken, 'should'),
  id_alg_none: bad('id_token', core('2', 'IDToken')),
  id_hs256_public_key: bad('id_token', rfc(8725, '2.1')),
  id_hs256_secret: bad('id_token', rfc(8725, '3.1'), 'should'),
  // Core lets TLS to the token endpoint stand in for the signature.
  id_key_unknown: bad('id_token', idToken, 'should'),
  id_key_embedded: bad('id_token', rfc(8725, '3.10'), 'should'),
  id_tampered: bad('id_token', idToken, 'should'),
  id_at_hash: bad('id_token', core('3.1.3.8', 'CodeFlowTokenValidation'), 'should'),

  userinfo_sub: bad('userinfo', core('5.3.2', 'UserInfoResponse')),

  logout_good: good('backchannel', backchannel),
  logout_iss: bad('backchannel', backchannel),
  logout_aud: bad('backchannel', backchannel),
  logout_nonce: bad('backchannel', backchannel),
  logout_events: bad('backchannel', backchannel),
  logout_subject: bad('backchannel', backchannel),
  logout_alg_none: bad('backchannel', backchannel),
  logout_hs256_public_key: bad('backchannel', rfc(8725, '2.1')),
  logout_key_unknown: bad('backchannel', backchannel),
  logout_expired: bad('backchannel', backchannel),
  logout_id_token: bad('backchannel', backchannel),
  logout_of_another: bad('backchannel', backchannel),
  logout_replayed: bad('backchannel', backchannel, 'should'),

  front_good: good('frontchannel', frontchannel),
  front_iss: bad('frontchannel', frontchannel, 'should'),
  front_sid: bad('frontchannel', frontchannel, 'should'),

  // Last: afterwards an app may have keys that it takes for new.
  key_rotated: good('keys', core('10.1.1', 'RotateSigKeys')),
} as const satisfies Record<string, Spec>

export type CheckId = keyof typeof CHECKS
export const CHECK_IDS = Object.keys(CHECKS) as CheckId[]

/** Why an outcome is none, or what was seen beside it. */
export const NOTES = [
  'app_not_reached',
  'page_unknown',
  'person_not_shown',
  'code_not_redeemed',
  'no_state',
  'no_secret',
  'no_userinfo',
  'userinfo_not_seen',
  'no_backchannel',
  'no_frontchannel',
  'deaf_to_logout',
  'yes_but_nothing',
  'no_but_done',
  'stayed_signed_in',
  'after_waiting',
] as const
export type Note = (typeof NOTES)[number]

export interface Finding {
  outcome: Outcome
  note?: Note
  /** HTTP status of the app's answer, where that says something. */
  status?: number
}

export interface Result extends Finding {
  check: CheckId
}

export type Verdict = 'right' | 'wrong' | 'unclear' | 'skipped'

export function verdict({ check, outcome }: Result): Verdict {
  if (outcome === 'unclear' || outcome === 'skipped') return outcome
  return outcome === CHECKS[check].expects ? 'right' : 'wrong'
}

export interface Report {
  /** ISO 8601. */
  at: string
  clientId: string
  /** When the app was registered: an id may be given again. */
  clientSince: string
  startUrl: string
  results: Result[]
}

/** How many came out how; `wrongMust` of those that are wrong leave no choice. */
export function sum(results: readonly Result[]): Record<Verdict, number> & { wrongMust: number } {
  const all = { right: 0, wrong: 0, unclear: 0, skipped: 0, wrongMust: 0 }
  for (const result of results) {
    const came = verdict(result)
    all[came]++
    if (came === 'wrong' && CHECKS[result.check].weight === 'must') all.wrongMust++
  }
  return all
}
