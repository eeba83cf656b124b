/** The part of the configuration that says whether apps may register themselves. Read by env.ts; other rooms take its types alone. */
import { z } from 'zod'

const count = (fallback: number, max: number) =>
  z.coerce
    .number({ message: 'must be a whole number' })
    .int('must be a whole number')
    .min(1, 'must be at least 1')
    .max(max, `must be at most ${max}`)
    .default(fallback)

export const registrationShape = {
  CLIENT_REGISTRATION: z
    .enum(['off', 'token', 'open'], { message: 'must be off, token or open' })
    .default('off'),
  CLIENT_DOCUMENTS: z
    .enum(['on', 'off', 'true', 'false', '1', '0'], { message: 'must be on or off' })
    .transform((value) => value === 'on' || value === 'true' || value === '1')
    .default(false),
  LIMIT_REGISTRATIONS_PER_IP_DAY: count(20, 1_000_000),
  UNUSED_CLIENTS_MAX: count(1000, 1_000_000),
}

export interface RegistrationSettings {
  /** `token`: with an initial access token alone; `open`: anybody. */
  mode: 'off' | 'token' | 'open'
  /** Whether an address of https may be a client id that describes its app. */
  documents: boolean
  /** How many apps one client network may register in a day. */
  perIpDay: number
  /** How many apps that registered themselves, and that nobody let in yet, there may be. */
  unusedMax: number
}

type Raw = z.infer<z.ZodObject<typeof registrationShape>>

export const readRegistration = (raw: Raw): RegistrationSettings => ({
  mode: raw.CLIENT_REGISTRATION,
  documents: raw.CLIENT_DOCUMENTS,
  perIpDay: raw.LIMIT_REGISTRATIONS_PER_IP_DAY,
  unusedMax: raw.UNUSED_CLIENTS_MAX,
})
