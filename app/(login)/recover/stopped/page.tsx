import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { recoverOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.stop'))('stopped_title') }
}

export default async function StoppedPage() {
  const [t, outcome] = await Promise.all([getTranslations('recovery.stop'), recoverOutcome.last()])
  if (!outcome || !('stopped' in outcome)) redirect('/account')
  return (
    <LinkDone
      title={t('stopped_title')}
      text={t('stopped_text')}
      next={t('stopped_next')}
      primary={{ href: '/account', label: t('account') }}
    />
  )
}
