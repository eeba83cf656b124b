import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { keepOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.keep'))('done_title') }
}

export default async function KeptPage() {
  const [t, outcome] = await Promise.all([getTranslations('login.keep'), keepOutcome.last()])
  if (!outcome || !('kept' in outcome)) redirect('/account')
  return (
    <LinkDone
      title={t('done_title')}
      text={t('done_text')}
      next={t('done_next')}
      primary={{ href: '/signin/start', label: t('sign_in') }}
      secondary={{ href: '/forgot', label: t('new_password') }}
    />
  )
}
