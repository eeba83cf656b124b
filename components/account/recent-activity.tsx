import { getTranslations } from 'next-intl/server'
import type { EventView } from '@/lib/audit'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { EmptyState } from '../ui/empty-state'
import { rotateCcwClock } from '../ui/icons'
import { Rows } from '../ui/rows'
import { EventItem } from './event-item'
import type { EventWriter } from './event-words'

interface Props {
  events: readonly EventView[]
  words: EventWriter
  here: { device: string | null; sid: string }
  timeZone: string
  now: number
}

/** The last things that happened, also those that failed. */
export async function RecentActivity({ events, ...common }: Props) {
  const t = await getTranslations('account.overview')
  return (
    <Card
      id="recent"
      title={t('recent_title')}
      lead={events.length ? t('recent_hint') : null}
      aside={
        <LinkButton href="/account/activity" look="secondary" size="sm">
          {t('recent_all')}
        </LinkButton>
      }
      flush
    >
      {events.length === 0 ? (
        <EmptyState icon={rotateCcwClock} title={t('recent_empty_title')}>
          {t('recent_empty')}
        </EmptyState>
      ) : (
        <Rows>
          {events.map((event) => (
            <EventItem key={event.id} event={event} {...common} />
          ))}
        </Rows>
      )}
    </Card>
  )
}
