import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { lockdownOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.lockdown'))('done_title') }
}

export default async function LockdownDonePage() {
  const [t, outcome] = await Promise.all([getTranslations('login.lockdown'), lockdownOutcome.last()])
  if (!outcome) redirect('/account')
  return (
    <LinkDone
      title={t('done_title')}
      text={t('done_text')}
      next={t('done_next')}
      primary={{ href: '/forgot', label: t('done_reset') }}
    />
  )
}
