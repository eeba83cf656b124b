/**
 * The part of the configuration that says how text messages leave: one driver, chosen by SMS_DRIVER,
 * and the variables that driver needs. Read by env.ts; nobody else imports it.
 */
import { z } from 'zod'

const url = (message: string) =>
  z.string().refine((value) => {
    const parsed = URL.canParse(value) ? new URL(value) : null
    if (!parsed || parsed.username || parsed.hash) return false
    // Plain http only to this machine: codes travel in it.
    const own = ['localhost', '127.0.0.1', '[::1]'].includes(parsed.hostname)
    return parsed.protocol === 'https:' || (parsed.protocol === 'http:' && own)
  }, message)

export const smsShape = {
  SMS_DRIVER: z
    .enum(['twilio', 'twilio_verify', 'vonage', 'webhook'], {
      message: 'must be twilio, twilio_verify, vonage or webhook',
    })
    .optional(),
  SMS_COUNTRIES: z
    .string()
    .regex(
      /^\s*(all|[A-Z]{2}(\s*,\s*[A-Z]{2})*)\s*$/,
      'must be a list of ISO 3166 countries such as DE,AT,CH, or all',
    )
    .optional(),
  SMS_FROM: z
    .string()
    .regex(
      /^(\+[1-9]\d{5,14}|[A-Za-z0-9 ]{1,11}|MG[0-9a-fA-F]{32})$/,
      'must be a number such as +15550100, a name of up to 11 letters and digits, or a Twilio Messaging Service (MG…)',
    )
    .optional(),
  SMS_API_URL: url('must be an https URL').optional(),
  TWILIO_ACCOUNT_SID: z
    .string()
    .regex(/^AC[0-9a-fA-F]{32}$/, 'must be AC and 32 hexadecimal digits')
    .optional(),
  TWILIO_AUTH_TOKEN: z.string().min(8).optional(),
  TWILIO_VERIFY_SERVICE_SID: z
    .string()
    .regex(/^VA[0-9a-fA-F]{32}$/, 'must be VA and 32 hexadecimal digits')
    .optional(),
  VONAGE_API_KEY: z.string().min(4).optional(),
  VONAGE_API_SECRET: z.string().min(8).optional(),
  SMS_WEBHOOK_URL: url('must be an https URL (http only to this machine)').optional(),
  SMS_WEBHOOK_SECRET: z.string().optional(),
}

const names = z.object(smsShape)
type Raw = z.infer<typeof names>

interface Common {
  /** ISO 3166 countries that messages may go to; null: all. */
  countries: readonly string[] | null
  /** Sender: a number, a name or a Messaging Service. */
  from: string | null
  /** Base URL of the provider's API, without a slash at the end. */
  apiUrl: string
}

interface Twilio extends Common {
  accountSid: string
  authToken: string
}

/** How text messages leave. */
export type SmsSettings =
  | (Twilio & { driver: 'twilio'; from: string })
  | (Twilio & { driver: 'twilio_verify'; serviceSid: string; messagesUrl: string })
  | (Common & { driver: 'vonage'; from: string; apiKey: string; apiSecret: string })
  | (Common & { driver: 'webhook'; secrets: readonly string[] })

const trimmed = (value: string): string => value.replace(/\/+$/, '')

const list = (value: string | undefined): string[] =>
  (value ?? '')
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

/**
 * The driver's settings, or null without SMS_DRIVER.
 * @param complain is told a sentence for everything that is missing
 */
export function readSms(raw: Raw, complain: (sentence: string) => void): SmsSettings | null {
  const driver = raw.SMS_DRIVER
  if (!driver) return null
  const need = (name: Exclude<keyof Raw, 'SMS_DRIVER'>): string => {
    if (!raw[name]) complain(`${name} is not set, but SMS_DRIVER is ${driver} and needs it.`)
    return raw[name] ?? ''
  }
  if (!raw.SMS_COUNTRIES) {
    complain(
      'SMS_COUNTRIES is not set: name the countries your users have numbers in, such as DE,AT,CH. Each more is one that strangers can make you pay for (or say all, and watch the bill).',
    )
  }
  const countries = raw.SMS_COUNTRIES?.trim() === 'all' ? null : list(raw.SMS_COUNTRIES)
  const base = (fallback: string) => trimmed(raw.SMS_API_URL ?? fallback)
  const from = raw.SMS_FROM ?? null
  switch (driver) {
    case 'twilio':
      return {
        driver,
        countries,
        from: need('SMS_FROM'),
        apiUrl: base('https://api.twilio.com'),
        accountSid: need('TWILIO_ACCOUNT_SID'),
        authToken: need('TWILIO_AUTH_TOKEN'),
      }
    case 'twilio_verify':
      return {
        driver,
        countries,
        from,
        apiUrl: base('https://verify.twilio.com'),
        messagesUrl: base('https://api.twilio.com'),
        accountSid: need('TWILIO_ACCOUNT_SID'),
        authToken: need('TWILIO_AUTH_TOKEN'),
        serviceSid: need('TWILIO_VERIFY_SERVICE_SID'),
      }
    case 'vonage':
      return {
        driver,
        countries,
        from: need('SMS_FROM'),
        apiUrl: base('https://api.nexmo.com'),
        apiKey: need('VONAGE_API_KEY'),
        apiSecret: need('VONAGE_API_SECRET'),
      }
    case 'webhook': {
      const secrets = list(need('SMS_WEBHOOK_SECRET'))
      if (secrets.some((secret) => secret.length < 32)) {
        complain(
          'SMS_WEBHOOK_SECRET must have at least 32 characters (make one with: openssl rand -base64 32).',
        )
      }
      return { driver, countries, from, apiUrl: need('SMS_WEBHOOK_URL'), secrets }
    }
  }
}
