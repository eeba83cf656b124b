/**
 * The part of the configuration that says whether anonymous people may use apps, and how long they are kept. Read by
 * env.ts; other rooms take its types alone.
 */
import type { z } from 'zod'
import { count, flag } from './env-values'

export const guestsShape = {
  GUESTS: flag.default(false),
  GUEST_DAYS: count(30, 1, 3650),
  LIMIT_GUESTS_PER_IP_DAY: count(20, 1, 1_000_000),
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
