/** What a person's events are about, for those who look for one. */
import { EVENT_TYPES, type EventType } from './types'

export const EVENT_KINDS = ['sign_in', 'factors', 'addresses', 'apps', 'recovery', 'account'] as const
export type EventKind = (typeof EVENT_KINDS)[number]

/** By the noun before the dot. */
const OF_NOUN: Record<string, EventKind> = {
  session: 'sign_in',
  signin: 'sign_in',
  otp: 'sign_in',
  device: 'sign_in',
  backup_code: 'sign_in',
  password: 'factors',
  passkey: 'factors',
  totp: 'factors',
  backup_codes: 'factors',
  factors: 'factors',
  link: 'factors',
  account: 'factors',
  email: 'addresses',
  phone: 'addresses',
  claims: 'apps',
  consent: 'apps',
  entry: 'apps',
  grant: 'apps',
  token: 'apps',
  personal_token: 'apps',
  logout: 'apps',
  recovery: 'recovery',
  contact: 'recovery',
}

/** A factor that was used is part of a sign-in. */
const OF_TYPE: Partial<Record<EventType, EventKind>> = {
  'passkey.used': 'sign_in',
  'passkey.refused': 'sign_in',
  'passkey.cloned': 'sign_in',
  'totp.used': 'sign_in',
  'totp.failed': 'sign_in',
}

export const kindOf = (type: EventType): EventKind =>
  OF_TYPE[type] ?? OF_NOUN[type.slice(0, type.indexOf('.'))] ?? 'account'

/** What the person reads, by kind. */
export const typesOf = (kind: EventKind): EventType[] => PERSONAL.filter((type) => kindOf(type) === kind)

/** Events that people read in their own history. */
export const PERSONAL = (Object.keys(EVENT_TYPES) as EventType[]).filter(
  (type) => EVENT_TYPES[type].audience === 'user',
)
