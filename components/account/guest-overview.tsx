import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { Icon } from '../ui/icon'
import { check } from '../ui/icons'
import { PageHeader } from '../ui/page-header'

interface Props {
  /** Where an account is made; null while nobody can. */
  keepHref: string | null
  /** Where somebody who has an account signs in to it. */
  signInHref: string
}

/** All that the console has for a guest: how to become a person. */
export async function GuestOverview({ keepHref, signInHref }: Props) {
  const t = await getTranslations('account.guest')
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <Card id="keep" title={t(keepHref ? 'keep_title' : 'closed_title')}>
        {keepHref ? (
          <ul className="grid gap-2 text-ink-2">
            {(['keep_one', 'keep_two', 'keep_three'] as const).map((point) => (
              <li key={point} className="flex gap-2.5">
                <Icon of={check} className="mt-0.5 size-5 text-success" />
                <span>{t(point)}</span>
              </li>
            ))}
          </ul>
        ) : (
          <p className="text-ink-2">{t('closed')}</p>
        )}
        <div className="mt-5 flex flex-wrap gap-3">
          {keepHref ? <LinkButton href={keepHref}>{t('keep')}</LinkButton> : null}
          <LinkButton href={signInHref} look="secondary">
            {t('have_one')}
          </LinkButton>
        </div>
        <p className="mt-4 text-sm text-ink-3">{t('no_merge')}</p>
      </Card>
    </>
  )
}
