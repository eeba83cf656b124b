/**
 * The part of the configuration that says how people may sign in, and when one factor is not enough. Read by
 * env.ts; other rooms take its types alone.
 */
import { z } from 'zod'

/** What may stand as a second proof. */
export const SECOND_METHODS = [
  'totp',
  'passkey',
  'security_key',
  'backup_code',
  'email_code',
  'sms_code',
] as const
export type SecondMethod = (typeof SECOND_METHODS)[number]

/** Those that switch the two-step sign-in on; the others only stand in for one of them. */
export const STRONG_METHODS = ['totp', 'passkey', 'security_key'] as const satisfies readonly SecondMethod[]
export type StrongMethod = (typeof STRONG_METHODS)[number]

/** What may be a first proof. */
export const SIGN_IN_METHODS = ['password', 'email_code', 'sms_code', 'passkey'] as const
export type SignInMethod = (typeof SIGN_IN_METHODS)[number]

const listOf = <const Names extends readonly string[]>(all: Names, fallback: string) =>
  z
    .string()
    .default(fallback)
    .refine((value) => split(value).every((name) => all.includes(name)), {
      message: `must be a list with commas of ${all.join(', ')}`,
    })

const split = (value: string): string[] =>
  value
    .split(',')
    .map((name) => name.trim())
    .filter(Boolean)

export const factorsShape = {
  SECOND_FACTOR: z
    .enum(['optional', 'encouraged', 'required'], { message: 'must be optional, encouraged or required' })
    .default('optional'),
  SECOND_FACTOR_ROLES: z.string().default(''),
  SECOND_FACTOR_FROM: z
    .string()
    .refine((value) => /^\d{4}-\d{2}-\d{2}/.test(value) && !Number.isNaN(Date.parse(value)), {
      message: 'must be a date such as 2027-03-01',
    })
    .optional(),
  SECOND_FACTOR_METHODS: listOf(SECOND_METHODS, 'totp,passkey,security_key,backup_code'),
  SIGN_IN_METHODS: listOf(SIGN_IN_METHODS, 'password,email_code,sms_code,passkey'),
  TRUSTED_DEVICE_DAYS: z.coerce
    .number({ message: 'must be a whole number' })
    .int('must be a whole number')
    .min(0, 'must be at least 0')
    .max(365, 'must be at most 365')
    .default(30),
  UNUSUAL_SIGN_IN: z
    .enum(['notice', 'second_factor'], { message: 'must be notice or second_factor' })
    .default('notice'),
}

const shape = z.object(factorsShape)

export interface SecondFactorSettings {
  /** Whether everybody needs a second factor, is asked for one, or may have one. */
  policy: 'optional' | 'encouraged' | 'required'
  /** Roles whose people need one whatever the policy says. */
  roles: string[]
  /** Milliseconds since the epoch: before it a missing one may be put off. */
  from: number | null
  methods: SecondMethod[]
  /** For how long a browser may skip the second step; 0: never. */
  trustedDays: number
  /** Whether somebody who signs in unusually is told, or also asked for more. */
  unusual: 'notice' | 'second_factor'
}

/** The settings; what contradicts itself is told to `wrong`, in one sentence each. */
export function readFactors(
  raw: z.infer<typeof shape>,
  wrong: (sentence: string) => void,
): { secondFactor: SecondFactorSettings; signInMethods: SignInMethod[] } {
  const methods = SECOND_METHODS.filter((name) => split(raw.SECOND_FACTOR_METHODS).includes(name))
  const signInMethods = SIGN_IN_METHODS.filter((name) => split(raw.SIGN_IN_METHODS).includes(name))
  const roles = split(raw.SECOND_FACTOR_ROLES)
  const asked = raw.SECOND_FACTOR !== 'optional' || roles.length > 0
  if (asked && !STRONG_METHODS.some((name) => methods.includes(name))) {
    wrong(
      'SECOND_FACTOR_METHODS must name totp, passkey or security_key where SECOND_FACTOR or SECOND_FACTOR_ROLES ask for one.',
    )
  }
  if (signInMethods.every((name) => name === 'sms_code')) {
    wrong('SIGN_IN_METHODS must name password, email_code or passkey: text messages reach only some people.')
  }
  const onlyPasskeys = signInMethods.every((name) => name === 'passkey')
  if (onlyPasskeys && signInMethods.length > 0 && !methods.includes('passkey')) {
    wrong('SECOND_FACTOR_METHODS must name passkey where SIGN_IN_METHODS allows nothing else.')
  }
  const from = raw.SECOND_FACTOR_FROM === undefined ? null : Date.parse(raw.SECOND_FACTOR_FROM)
  return {
    secondFactor: {
      policy: raw.SECOND_FACTOR,
      roles,
      from,
      methods,
      trustedDays: raw.TRUSTED_DEVICE_DAYS,
      unusual: raw.UNUSUAL_SIGN_IN,
    },
    signInMethods,
  }
}
