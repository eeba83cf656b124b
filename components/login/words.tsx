import { getLocale, getTranslations } from 'next-intl/server'
import type { Refusal } from '@/lib/base/refusals'
import { dateLocale } from '../ui/date-locale'
import { Notice, type NoticeKind } from '../ui/notice'

/** What a page shows of a refusal. */
export type RefusalView = Pick<Refusal, 'code'> & Partial<Refusal>

/** "in 3 minutes", for a number of seconds. */
export async function inDuration(seconds: number): Promise<string> {
  const t = await getTranslations('ui')
  if (seconds < 5) return t('soon')
  return t('in_duration', { duration: await duration(seconds) })
}

/** "45 seconds", "3 minutes", "2 hours": rounded up, so that it is true at the end. */
export async function duration(seconds: number): Promise<string> {
  const t = await getTranslations('ui')
  if (seconds <= 90) return t('seconds', { count: Math.ceil(seconds) })
  if (seconds <= 90 * 60) return t('minutes', { count: Math.ceil(seconds / 60) })
  return t('hours', { count: Math.ceil(seconds / 3600) })
}

/** The sentence for a refusal, saying what to do next. */
export async function refusalText(refusal: RefusalView): Promise<string> {
  const t = await getTranslations('refusals')
  const when = await inDuration(refusal.retryAfterSeconds ?? 60)
  return t(refusal.code, {
    min: 10,
    max: refusal.code === 'image_too_large' ? 5 : 128,
    when,
    ...refusal.values,
  })
}

const KINDS: Partial<Record<Refusal['code'], NoticeKind>> = {
  rate_limited: 'warning',
  busy: 'warning',
  code_expired: 'warning',
  flow_expired: 'info',
  session_required: 'info',
}

/** A refusal as a notice at the top of a form; announced at once. */
export async function RefusalNotice({ refusal, className }: { refusal: RefusalView; className?: string }) {
  return (
    <Notice kind={KINDS[refusal.code] ?? 'error'} live="alert" className={className}>
      <p>{await refusalText(refusal)}</p>
    </Notice>
  )
}

/** A time of day in UTC, for pages where nobody is signed in. */
export async function utcTime(at: number): Promise<string> {
  const locale = await getLocale()
  const time = new Intl.DateTimeFormat(dateLocale(locale), {
    timeZone: 'UTC',
    hour: '2-digit',
    minute: '2-digit',
  })
  return `${time.format(at)} UTC`
}
