/** Levels of assurance by which apps ask for a sign-in, after NIST SP 800-63B-4. Pure. */

/** Lowest first: whoever reached one reached those before it. */
export const LEVELS = ['aal1', 'aal2'] as const
export type Level = (typeof LEVELS)[number]

export const isLevel = (value: unknown): value is Level => LEVELS.some((level) => level === value)

/** True when a sign-in of level `has` is one of level `wanted` too; a level we do not know is reached by none. */
export const reaches = (has: string, wanted: string): boolean =>
  isLevel(has) && isLevel(wanted) && LEVELS.indexOf(has) >= LEVELS.indexOf(wanted)
