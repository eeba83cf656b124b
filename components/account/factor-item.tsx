import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import type { IconShape } from '../ui/icons'
import { Facts, Row } from '../ui/rows'
import { RelativeTime } from '../ui/time'

interface Props {
  icon: IconShape
  name: string
  /** Who made it or keeps it, as far as it says so. */
  about?: ReactNode
  createdAt: Date
  lastUsedAt: Date | null
  renameHref: string
  removeHref: string
  timeZone: string
  now: number
}

/** One passkey, security key or authenticator app: since when, when last, and what can be done with it. */
export async function FactorItem(props: Props) {
  const { icon, name, about, createdAt, lastUsedAt, timeZone, now } = props
  const t = await getTranslations('security.factor')
  return (
    <Row
      className="roomy"
      start={<Icon of={icon} className="mt-0.5 text-ink-3" />}
      title={<span className="wrap-anywhere">{name}</span>}
      end={
        <>
          <LinkButton
            href={props.renameHref}
            look="secondary"
            size="sm"
            aria-label={t('rename_named', { name })}
          >
            {t('rename')}
          </LinkButton>
          <LinkButton href={props.removeHref} look="quiet" size="sm" aria-label={t('remove_named', { name })}>
            {t('remove')}
          </LinkButton>
        </>
      }
    >
      {about ? <p className="wrap-anywhere">{about}</p> : null}
      <Facts
        items={[
          { term: t('added'), value: <RelativeTime at={createdAt} timeZone={timeZone} now={now} /> },
          {
            term: t('last_used'),
            value: lastUsedAt ? <RelativeTime at={lastUsedAt} timeZone={timeZone} now={now} /> : t('never'),
          },
        ]}
      />
    </Row>
  )
}
