/**
 * One mobile number and nothing else, in E.164: the only form of a number that the house keeps, compares
 * or sends to. Judged by libphonenumber's metadata of mobile numbers, so landlines, premium rates and
 * service numbers (which cost whoever calls them) are none.
 */
import { type CountryCode, isSupportedCountry, parsePhoneNumberFromString } from 'libphonenumber-js/mobile'
import { ok, type Result, refuse } from '../base/refusals'
import { sms } from '../notify'

/** Fifteen digits, and generous blanks, brackets and hyphens between them. */
const MAX_TYPED = 40

const asCountry = (country: unknown): CountryCode | undefined =>
  typeof country === 'string' && isSupportedCountry(country) ? country : undefined

/**
 * The one stored form of a mobile number.
 * @param input as typed; international with a leading +, else as within `country`
 * @param country ISO 3166, for numbers without a country of their own
 * @returns refusals `invalid_phone`; `phone_country` where text messages are not sent to that country
 */
export function normalizePhone(input: unknown, country?: unknown): Result<string> {
  const no = refuse('invalid_phone', { field: 'number' })
  if (typeof input !== 'string' || input.length > MAX_TYPED || /[\p{L}\p{Cc},;]/u.test(input)) return no
  const found = parsePhoneNumberFromString(input, { defaultCountry: asCountry(country), extract: false })
  if (!found?.country || found.ext || !found.isValid()) return no
  if (!sms.reaches(found.number)) return refuse('phone_country', { field: 'number' })
  return ok(found.number)
}

/** A number as people read it: "+49 1512 3456789". */
export const readable = (number: string): string =>
  parsePhoneNumberFromString(number)?.formatInternational() ?? number

/** ISO 3166 country of a stored number, or null. */
export const countryOf = (number: string): string | null =>
  parsePhoneNumberFromString(number)?.country ?? null
