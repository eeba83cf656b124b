import { getTranslations } from 'next-intl/server'
import type { SessionApp } from '@/lib/oidc'
import type { SessionView } from '@/lib/sessions'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { logIn } from '../ui/icons'
import { Facts, Row } from '../ui/rows'
import { RelativeTime, relativeTime } from '../ui/time'
import { appNames, isActive } from './apps'
import { placeName } from './places'
import { provenWith } from './words'

interface Props {
  row: SessionView
  apps: readonly SessionApp[]
  /** The session that asks. */
  current?: boolean
  /** Asks before ending it. */
  confirmHref: string
  timeZone: string
  now: number
}

/** One session of a device: since when, where from, how it was entered, what it is used for, and the way to end it. */
export async function SessionItem({ row, apps, current = false, confirmHref, timeZone, now }: Props) {
  const t = await getTranslations('account.devices')
  const common = { timeZone, now }
  const since = await relativeTime(row.authAt, timeZone, now)
  return (
    <Row
      className="roomy"
      start={<Icon of={logIn} className="mt-0.5 text-ink-3" />}
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <span>{t('since', { when: since })}</span>
          {current ? <Badge kind="brand">{t('this')}</Badge> : null}
        </span>
      }
      end={
        <LinkButton
          href={confirmHref}
          look="secondary"
          size="sm"
          aria-label={t('sign_out_since', { when: since })}
        >
          {t('sign_out')}
        </LinkButton>
      }
    >
      <Facts
        items={[
          {
            term: t('last_active'),
            value:
              current || isActive(row.lastActiveAt, now) ? (
                t('active_now')
              ) : (
                <RelativeTime at={row.lastActiveAt} {...common} />
              ),
          },
          { term: t('with'), value: await provenWith(row.method, row.methods) },
          { term: t('place'), value: await placeName(row) },
          ...(row.timezone ? [{ term: t('timezone'), value: row.timezone }] : []),
          { term: t('ip'), value: row.ip ?? t('place_unknown') },
          ...(row.secondSkipped ? [{ term: t('second'), value: t('second_skipped') }] : []),
          { term: t('ends'), value: <RelativeTime at={row.expiresAt} {...common} /> },
          ...(apps.length ? [{ term: t('apps'), value: await appNames(apps) }] : []),
        ]}
      />
    </Row>
  )
}
