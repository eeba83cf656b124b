import { getTranslations } from 'next-intl/server'
import type { EventView } from '@/lib/audit'
import { Badge } from '../ui/badge'
import { Card } from '../ui/card'
import { EmptyState } from '../ui/empty-state'
import { Icon } from '../ui/icon'
import { check, logIn, x } from '../ui/icons'
import { Row, Rows } from '../ui/rows'
import { RelativeTime } from '../ui/time'
import { methodName } from './words'

interface Props {
  events: readonly Pick<EventView, 'id' | 'at' | 'outcome' | 'ip' | 'data'>[]
  timeZone: string
  now: number
}

/** The last sign-ins, also those that failed. */
export async function RecentSignIns({ events, timeZone, now }: Props) {
  const t = await getTranslations('account.overview')
  return (
    <Card id="recent" title={t('recent_title')} lead={events.length ? t('recent_hint') : null} flush>
      {events.length === 0 ? (
        <EmptyState icon={logIn} title={t('recent_empty_title')}>
          {t('recent_empty')}
        </EmptyState>
      ) : (
        <Rows>
          {
            await Promise.all(
              events.map(async ({ id, at, outcome, ip, data }) => {
                const failed = outcome === 'failure'
                return (
                  <Row
                    key={id}
                    start={
                      <Icon
                        of={failed ? x : check}
                        className={failed ? 'mt-0.5 size-5 text-danger' : 'mt-0.5 size-5 text-success'}
                      />
                    }
                    title={failed ? t('recent_failed') : t('recent_ok')}
                    end={
                      typeof data.method === 'string' ? <Badge>{await methodName(data.method)}</Badge> : null
                    }
                  >
                    <RelativeTime at={at} timeZone={timeZone} now={now} />
                    {ip ? <span className="text-ink-3"> · {ip}</span> : null}
                  </Row>
                )
              }),
            )
          }
        </Rows>
      )}
    </Card>
  )
}
