/** Why a session ended, as far as a page that was open in it can say. */
export const REASONS = [
  'user',
  'signed_out',
  'operator',
  'secured',
  'too_many',
  'over',
  'another',
  'closed',
] as const
export type Reason = (typeof REASONS)[number]
