/** Levels of assurance by which apps ask for a sign-in, after NIST SP 800-63B-4. Pure. */

/** Lowest first: whoever reached one reached those before it. */
export const LEVELS = ['aal1', 'aal2'] as const
export type Level = (typeof LEVELS)[number]

export const isLevel = (value: unknown): value is Level => LEVELS.some((level) => level === value)

/** True when a sign-in of level `has` is one of level `wanted` too; a level we do not know is reached by none. */
export const reaches = (has: string, wanted: string): boolean =>
  isLevel(has) && isLevel(wanted) && LEVELS.indexOf(has) >= LEVELS.indexOf(wanted)

/**
 * How strictly an app speaks the protocol; each asks for all that those before it ask for. `par`: requests are pushed
 * (RFC 9126), with PKCE; `dpop`: tokens are bound to a key of the app (RFC 9449); `fapi2`: FAPI 2.0 Security Profile.
 */
export const SECURITY = ['standard', 'par', 'dpop', 'fapi2'] as const
export type Security = (typeof SECURITY)[number]

/** True when an app of level `has` is held to what `wanted` asks for. */
export const demands = (has: Security | undefined, wanted: Security): boolean =>
  SECURITY.indexOf(has ?? 'standard') >= SECURITY.indexOf(wanted)
