import { getTranslations } from 'next-intl/server'
import type { SessionRow } from '@/lib/sessions'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { DeviceIcon } from '../ui/device-icon'
import { Facts, Row } from '../ui/rows'
import { RelativeTime, relativeTime } from '../ui/time'
import { deviceName, methodName } from './words'

interface Props {
  row: SessionRow
  /** The session that asks. */
  current?: boolean
  /** Asks before ending it. */
  confirmHref?: string
  timeZone: string
  now: number
}

/** One session: what it runs on, where, since when, how it was entered, and the way to end it. */
export async function SessionItem({ row, current = false, confirmHref, timeZone, now }: Props) {
  const t = await getTranslations('account.devices')
  const device = await deviceName(row)
  const place = [row.city, row.country].filter(Boolean).join(', ')
  const active = now - row.lastActiveAt.getTime() < 120_000
  return (
    <Row
      className="roomy"
      start={<DeviceIcon kind={row.kind} current={current} />}
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <span className="wrap-anywhere">{device}</span>
          {current ? <Badge kind="brand">{t('this')}</Badge> : null}
        </span>
      }
      end={
        confirmHref ? (
          <LinkButton
            href={confirmHref}
            look="secondary"
            size="sm"
            aria-label={t('sign_out_named', {
              device,
              when: await relativeTime(row.lastActiveAt, timeZone, now),
            })}
          >
            {t('sign_out')}
          </LinkButton>
        ) : null
      }
    >
      <Facts
        items={[
          {
            term: t('last_active'),
            value:
              current || active ? (
                t('active_now')
              ) : (
                <RelativeTime at={row.lastActiveAt} timeZone={timeZone} now={now} />
              ),
          },
          { term: t('signed_in'), value: <RelativeTime at={row.authAt} timeZone={timeZone} now={now} /> },
          { term: t('ip'), value: row.ip ?? t('place_unknown') },
          { term: t('with'), value: await methodName(row.method) },
          ...(place ? [{ term: t('place'), value: place }] : []),
        ]}
      />
    </Row>
  )
}
