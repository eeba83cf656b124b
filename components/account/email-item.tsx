import { getTranslations } from 'next-intl/server'
import type { EmailView } from '@/lib/users'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Row } from '../ui/rows'

interface Props {
  email: EmailView
  /** Where each question is asked; null while its code is asked for already. */
  confirmHref: string | null
  primaryHref: string
  removeHref: string
}

/** One address: what it is good for, and what can be done with it. */
export async function EmailItem({ email, confirmHref, primaryHref, removeHref }: Props) {
  const t = await getTranslations('account.emails')
  const { address, isPrimary, verifiedAt } = email
  const kind = isPrimary ? 'primary_text' : verifiedAt ? 'confirmed_text' : 'unconfirmed_text'
  return (
    <Row
      className="roomy"
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <span className="wrap-anywhere">{address}</span>
          {isPrimary ? <Badge kind="brand">{t('primary')}</Badge> : null}
          {verifiedAt ? null : <Badge kind="warning">{t('unconfirmed')}</Badge>}
        </span>
      }
      end={
        isPrimary ? null : (
          <>
            {verifiedAt ? (
              <LinkButton
                href={primaryHref}
                look="secondary"
                size="sm"
                aria-label={t('make_primary_named', { address })}
              >
                {t('make_primary')}
              </LinkButton>
            ) : confirmHref ? (
              <LinkButton href={confirmHref} size="sm" aria-label={t('confirm_named', { address })}>
                {t('confirm')}
              </LinkButton>
            ) : null}
            <LinkButton href={removeHref} look="quiet" size="sm" aria-label={t('remove_named', { address })}>
              {t('remove')}
            </LinkButton>
          </>
        )
      }
    >
      <p>{t(kind)}</p>
    </Row>
  )
}
