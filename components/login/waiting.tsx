import { getLocale, getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { Countdown } from '../ui/countdown'
import { Icon } from '../ui/icon'
import { hourglass } from '../ui/icons'
import { LocalTime } from '../ui/local-time'
import { AuthCard } from './auth-shell'
import { inDuration, utcTime } from './words'

interface Props {
  /** Seconds until the same request passes. */
  retryAfterSeconds: number
  /** The server's present moment, milliseconds since the epoch. */
  now: number
  againHref: string
}

/** A limit was reached: says when to come back, by the clock and counting down. */
export async function Waiting({ retryAfterSeconds, now, againHref }: Props) {
  const [t, locale] = await Promise.all([getTranslations('login.waiting'), getLocale()])
  const until = now + retryAfterSeconds * 1000
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-warning-soft text-warning">
          <Icon of={hourglass} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={t('text')}
    >
      <div className="flex items-center justify-between gap-4 rounded-control border border-line bg-sunken px-4 py-3">
        <p className="font-medium">
          {t.rich('back_at', {
            when: await inDuration(retryAfterSeconds),
            time: await utcTime(until),
            t: (chunks) => (
              <LocalTime at={until} locale={locale}>
                {String(chunks)}
              </LocalTime>
            ),
          })}
        </p>
        <span className="needs-script text-xl font-semibold text-ink-2">
          <Countdown until={until} serverNow={now}>
            {t('ready')}
          </Countdown>
        </span>
      </div>
      <LinkButton href={againHref} look="secondary">
        {t('again')}
      </LinkButton>
    </AuthCard>
  )
}
