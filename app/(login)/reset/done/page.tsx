import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { resetOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.reset'))('done_title') }
}

export default async function ResetDonePage() {
  const [t, outcome] = await Promise.all([getTranslations('recovery.reset'), resetOutcome.last()])
  if (!outcome || !('done' in outcome)) redirect('/account')
  return (
    <LinkDone
      title={t('done_title')}
      text={t('done_text')}
      next={t('done_next')}
      primary={{ href: '/signin/start?to=/account', label: t('sign_in') }}
    />
  )
}
