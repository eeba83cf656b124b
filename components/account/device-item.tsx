import { getTranslations } from 'next-intl/server'
import type { SessionApp } from '@/lib/oidc'
import type { DeviceView } from '@/lib/sessions'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { DeviceIcon } from '../ui/device-icon'
import { Facts, Row } from '../ui/rows'
import { RelativeTime, relativeTime } from '../ui/time'
import { appNames, isActive } from './apps'
import { placeName } from './places'
import { deviceName, provenWith } from './words'

interface Props {
  device: DeviceView
  /** Apps that its newest sessions are signed in to. */
  apps: readonly SessionApp[]
  /** The one that asks. */
  current?: boolean
  /** Asks before it is signed out; absent where there is nothing to sign out. */
  confirmHref?: string | undefined
  timeZone: string
  now: number
}

/** One device: what it is, where and when it was last, how it was entered, and the way to sign it out. */
export async function DeviceItem({ device, apps, current = false, confirmHref, timeZone, now }: Props) {
  const t = await getTranslations('account.devices')
  const name = await deviceName({ ...device, deviceName: device.name })
  const common = { timeZone, now }
  const active = device.live > 0 && (current || isActive(device.lastSeenAt, now))
  return (
    <Row
      className="roomy"
      start={<DeviceIcon kind={device.kind} current={current} />}
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <a href={`/account/devices/${device.id}`} className="link wrap-anywhere">
            {name}
          </a>
          {current ? <Badge kind="brand">{t('this_device')}</Badge> : null}
          {device.trustedUntil ? <Badge kind="success">{t('trusted')}</Badge> : null}
          {device.live === 0 ? <Badge>{t('signed_out')}</Badge> : null}
          {device.live > 1 ? (
            <Badge>{t('live', { count: Math.min(device.live, 99), more: String(device.live > 99) })}</Badge>
          ) : null}
        </span>
      }
      end={
        confirmHref ? (
          <LinkButton
            href={confirmHref}
            look="secondary"
            size="sm"
            aria-label={t('sign_out_named', {
              device: name,
              when: await relativeTime(device.lastSeenAt, timeZone, now),
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
            value: active ? t('active_now') : <RelativeTime at={device.lastSeenAt} {...common} />,
          },
          { term: t('place'), value: await placeName(device) },
          { term: t('ip'), value: device.ip ?? t('place_unknown') },
          { term: t('first_seen'), value: <RelativeTime at={device.createdAt} {...common} /> },
          ...(device.method
            ? [{ term: t('with'), value: await provenWith(device.method, device.methods ?? []) }]
            : []),
          ...(apps.length ? [{ term: t('apps'), value: await appNames(apps) }] : []),
        ]}
      />
    </Row>
  )
}
