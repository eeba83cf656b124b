/** Where text messages go: which countries the operator pays for, and how numbers are told apart in limits and logs. */
import {
  type CountryCode,
  getCountries,
  getCountryCallingCode,
  parsePhoneNumberFromString,
} from 'libphonenumber-js/mobile'
import { env } from '../base/env'
import { enabled as mailboxEnabled } from './mailbox'

/** Whether text messages leave at all: through the driver, or into the development mailbox. */
export const enabled = (): boolean => env().sms !== null || mailboxEnabled()

/** Whether they go into the development mailbox. */
export const inMailbox = (): boolean => env().sms === null && mailboxEnabled()

export interface SmsCountry {
  /** ISO 3166. */
  code: string
  /** Without the plus: "49". */
  callingCode: string
}

/** The countries that text messages are sent to, by code; none while they are off. */
export function countries(): SmsCountry[] {
  if (!enabled()) return []
  const allowed = env().sms?.countries
  return getCountries()
    .filter((code) => !allowed || allowed.includes(code))
    .map((code: CountryCode) => ({ code, callingCode: getCountryCallingCode(code) }))
    .sort((a, b) => (a.code < b.code ? -1 : 1))
}

/**
 * Whether text messages are sent to this number. Asked when a number is added and again before each
 * message: judged by the country, not the calling code, since +1 alone spans two dozen of them.
 */
export function reaches(number: string): boolean {
  const found = parsePhoneNumberFromString(number)
  if (!enabled() || !found?.country || found.number !== number || !found.isValid()) return false
  const allowed = env().sms?.countries
  return !allowed || allowed.includes(found.country)
}

/**
 * The block of numbers around one: all but its last four digits. Pumped numbers come in rows, bought
 * by the thousand from one carrier.
 */
export const block = (number: string): string => number.slice(0, -4)

/** A number as operators may see it: the country and the last two digits. */
export function maskedNumber(number: string): string {
  const code = parsePhoneNumberFromString(number)?.countryCallingCode ?? number.slice(1, 3)
  return `+${code}…${number.slice(-2)}`
}
