import { getLocale, getTranslations } from 'next-intl/server'
import { dateLocale } from '../ui/date-locale'

interface Place {
  country: string | null
  city: string | null
  timezone?: string | null
}

const namesOf = new Map<string, Intl.DisplayNames>()

function names(locale: string): Intl.DisplayNames {
  const tag = dateLocale(locale)
  const known = namesOf.get(tag) ?? new Intl.DisplayNames(tag, { type: 'region', fallback: 'none' })
  namesOf.set(tag, known)
  return known
}

/** "London, United Kingdom", as much of it as is known; "Unknown" when nothing is. */
export async function placeName({ city, country }: Place): Promise<string> {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('account.devices')])
  const named = country && (names(locale).of(country) ?? country)
  return [city, named].filter(Boolean).join(', ') || t('place_unknown')
}

/** Codes of the countries whose name in the reader's language holds `text`. */
export async function countriesNamed(text: string): Promise<string[]> {
  const locale = await getLocale()
  const wanted = text.toLocaleLowerCase(locale)
  return CODES.filter((code) => names(locale).of(code)?.toLocaleLowerCase(locale).includes(wanted))
}

const LETTERS = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ']
/** All that could be codes; most have no name, and those never match. */
const CODES = LETTERS.flatMap((first) => LETTERS.map((second) => first + second))
