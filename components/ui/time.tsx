import { getLocale, getTranslations } from 'next-intl/server'
import { dateFormat } from './date-format'
import { dateLocale } from './date-locale'

interface Props {
  at: Date | number | string
  /** IANA timezone of the reader. */
  timeZone: string
  /** The present moment, for "today" and "yesterday". */
  now: Date | number
}

/** A past moment in words, in the reader's timezone; the whole date on hover and for machines. */
export async function RelativeTime({ at, timeZone, now }: Props) {
  const date = new Date(at)
  return (
    <time dateTime={date.toISOString()} title={await fullTime(date, timeZone)} className="whitespace-nowrap">
      {await relativeTime(date, timeZone, now)}
    </time>
  )
}

/** "Today, 14:32", "Yesterday, 09:10" or "12 Nov 2026, 14:32". */
export async function relativeTime(
  at: Date | number | string,
  timeZone: string,
  now: Date | number,
): Promise<string> {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('ui')])
  const date = new Date(at)
  const day = (moment: Date | number) => dateFormat('en-CA', { timeZone }).format(moment)
  const time = dateFormat(dateLocale(locale), {
    timeZone,
    hour: '2-digit',
    minute: '2-digit',
  }).format(date)
  if (day(date) === day(now)) return t('today_at', { time })
  if (day(date) === day(Number(now) - 86_400_000)) return t('yesterday_at', { time })
  return dateFormat(dateLocale(locale), {
    timeZone,
    dateStyle: 'medium',
    timeStyle: 'short',
  }).format(date)
}

/** "20 November 2026 at 14:32": a moment, past or to come, in the reader's timezone. */
export const longTime = async (at: Date | number, timeZone: string): Promise<string> =>
  dateFormat(dateLocale(await getLocale()), { timeZone, dateStyle: 'long', timeStyle: 'short' }).format(at)

/** "20 November 2026": a day in the reader's timezone. */
export const longDate = async (at: Date | number, timeZone: string): Promise<string> =>
  dateFormat(dateLocale(await getLocale()), { timeZone, dateStyle: 'long' }).format(at)

const fullTime = async (at: Date, timeZone: string): Promise<string> =>
  dateFormat(dateLocale(await getLocale()), {
    timeZone,
    dateStyle: 'full',
    timeStyle: 'long',
  }).format(at)
