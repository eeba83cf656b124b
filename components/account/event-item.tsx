import { getTranslations } from 'next-intl/server'
import type { EventView } from '@/lib/audit'
import { Badge } from '../ui/badge'
import { cx } from '../ui/cx'
import { Icon } from '../ui/icon'
import { check, type IconShape, info, triangleExclamationPoint, x } from '../ui/icons'
import { Row } from '../ui/rows'
import { RelativeTime } from '../ui/time'
import type { EventWriter } from './event-words'

interface Props {
  event: EventView
  words: EventWriter
  /** The reader's own browser and session. */
  here: { device: string | null; sid: string }
  /** Shows only what came from this event's browser. */
  deviceHref?: string | null
  timeZone: string
  now: number
}

const LOOKS: Record<string, { icon: IconShape; className: string }> = {
  success: { icon: check, className: 'text-success' },
  failure: { icon: x, className: 'text-danger' },
  info: { icon: info, className: 'text-ink-3' },
}
const UNUSUAL = { icon: triangleExclamationPoint, className: 'text-warning' }

/** One thing that happened: what, when, on which device, where, and who if not the person. */
export async function EventItem({ event, words, here, deviceHref, timeZone, now }: Props) {
  const t = await getTranslations('activity')
  const { icon, className } = (event.type === 'signin.unusual' ? UNUSUAL : LOOKS[event.outcome]) ?? UNUSUAL
  const [why, device, place, by] = [
    words.why(event),
    words.device(event),
    words.place(event.place),
    words.by(event),
  ]
  const mine =
    event.sessionId === here.sid ? 'this_session' : event.device === here.device ? 'this_device' : null
  const outcome = event.outcome === 'failure' ? t('outcomes.failure') : null
  const whence = [
    device &&
      (deviceHref ? (
        <a
          key="device"
          href={deviceHref}
          className="underline decoration-dotted underline-offset-2 hover:text-ink"
          aria-label={t('only_device', { device })}
        >
          {device}
        </a>
      ) : (
        <span key="device">{device}</span>
      )),
    place && <span key="place">{place}</span>,
    event.ip && (
      <span key="ip" className="wrap-anywhere">
        {event.ip}
      </span>
    ),
  ].filter(Boolean)
  return (
    <Row
      start={<Icon of={icon} className={cx('mt-0.5 size-5', className)} />}
      title={<span className="wrap-anywhere">{words.what(event)}</span>}
      end={mine && event.device ? <Badge kind="brand">{t(mine)}</Badge> : null}
    >
      {why ? <p className="text-ink-2">{why}</p> : null}
      <p className="text-[0.9375rem] text-ink-2">
        {outcome ? <span className="sr-only">{outcome}. </span> : null}
        <RelativeTime at={event.at} timeZone={timeZone} now={now} />
        {by ? <span> · {`${t('by')} ${by}`}</span> : null}
      </p>
      {whence.length > 0 ? (
        <p className="flex flex-wrap gap-x-1.5 text-sm text-ink-3">
          {whence.flatMap((part, index) =>
            index === 0
              ? [part]
              : [
                  // biome-ignore lint/suspicious/noArrayIndexKey: parts stand in a fixed order
                  <span key={`dot${index}`} aria-hidden="true">
                    ·
                  </span>,
                  part,
                ],
          )}
        </p>
      ) : null}
    </Row>
  )
}
