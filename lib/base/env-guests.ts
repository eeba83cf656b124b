/**
 * The part of the configuration that says whether anonymous people may use apps, and how long they are kept. Read by
 * env.ts; other rooms take its types alone.
 */
import { z } from 'zod'

const count = (fallback: number, max: number) =>
  z.coerce
    .number({ message: 'must be a whole number' })
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(max, `must be at most ${max}`)
    .default(fallback)

export const guestsShape = {
  GUESTS: z
    .enum(['on', 'off', 'true', 'false', '1', '0'], { message: 'must be on or off' })
    .transform((value) => value === 'on' || value === 'true' || value === '1')
    .default(false),
  GUEST_DAYS: count(30, 3650),
  LIMIT_GUESTS_PER_IP_DAY: count(20, 1_000_000),
}

export interface GuestSettings {
  /** Apps that allow it take people who have no account. */
  on: boolean
  /** How long a guest who is signed in nowhere is kept. */
  keptSeconds: number
  /** How many guests one client network may become in a day. */
  perIpDay: number
}

type Raw = z.infer<z.ZodObject<typeof guestsShape>>

export const readGuests = (raw: Raw): GuestSettings => ({
  on: raw.GUESTS,
  keptSeconds: raw.GUEST_DAYS * 86_400,
  perIpDay: raw.LIMIT_GUESTS_PER_IP_DAY,
})
