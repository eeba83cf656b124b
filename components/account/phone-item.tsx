import { getTranslations } from 'next-intl/server'
import type { PhoneView } from '@/lib/users'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Row } from '../ui/rows'

interface Props {
  phone: PhoneView
  /** Where each question is asked; null for the number whose code is being asked for above. */
  confirmHref: string | null
  primaryHref: string
  removeHref: string
}

/** One number: what it is good for, and what can be done with it. */
export async function PhoneItem({ phone, confirmHref, primaryHref, removeHref }: Props) {
  const t = await getTranslations('account.phones')
  const { readable: number, isPrimary, verifiedAt } = phone
  const kind = isPrimary ? 'primary_text' : verifiedAt ? 'confirmed_text' : 'unconfirmed_text'
  return (
    <Row
      className="roomy"
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <span className="tabular-nums">{number}</span>
          {isPrimary ? <Badge kind="brand">{t('primary')}</Badge> : null}
          {verifiedAt ? null : <Badge kind="warning">{t('unconfirmed')}</Badge>}
        </span>
      }
      end={
        <>
          {isPrimary ? null : verifiedAt ? (
            <LinkButton
              href={primaryHref}
              look="secondary"
              size="sm"
              aria-label={t('make_primary_named', { number })}
            >
              {t('make_primary')}
            </LinkButton>
          ) : confirmHref ? (
            <LinkButton href={confirmHref} size="sm" aria-label={t('confirm_named', { number })}>
              {t('confirm')}
            </LinkButton>
          ) : null}
          <LinkButton href={removeHref} look="quiet" size="sm" aria-label={t('remove_named', { number })}>
            {t('remove')}
          </LinkButton>
        </>
      }
    >
      <p>{t(kind)}</p>
    </Row>
  )
}
