/** The part of the configuration that says whether apps may register themselves. Read by env.ts; other rooms take its types alone. */
import { z } from 'zod'
import { count, flag } from './env-values'

export const registrationShape = {
  CLIENT_REGISTRATION: z
    .enum(['off', 'token', 'open'], { message: 'must be off, token or open' })
    .default('off'),
  CLIENT_DOCUMENTS: flag.default(false),
  LIMIT_REGISTRATIONS_PER_IP_DAY: count(20, 1, 1_000_000),
  UNUSED_CLIENTS_MAX: count(1000, 1, 1_000_000),
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
