import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { longDate } from '@/components/ui/time'
import { closedOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.closed'))('title') }
}

/** Where somebody lands who has just closed their account. */
export default async function ClosedPage() {
  const [t, outcome] = await Promise.all([getTranslations('login.closed'), closedOutcome.last()])
  if (!outcome) redirect('/account')
  const { eraseAt, canBeKept } = outcome
  return (
    <LinkDone
      title={t('title')}
      text={t('text')}
      next={canBeKept ? t('kept_until', { date: await longDate(eraseAt, 'UTC') }) : t('erased')}
      primary={{ href: '/signin/start', label: t('sign_in') }}
    />
  )
}
