import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { recoverOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.recover'))('done_title') }
}

export default async function RecoverDonePage() {
  const [t, reset, outcome] = await Promise.all([
    getTranslations('recovery.recover'),
    getTranslations('recovery.reset'),
    recoverOutcome.last(),
  ])
  if (!outcome || !('finished' in outcome)) redirect('/account')
  return (
    <LinkDone
      title={t('done_title')}
      text={t('done_text', { email: outcome.finished })}
      next={t('done_next')}
      primary={{ href: '/signin/start?to=/account', label: reset('sign_in') }}
    />
  )
}
