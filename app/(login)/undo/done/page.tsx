import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { LinkDone } from '@/components/login/link-action'
import { undoOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.undo'))('done_title') }
}

export default async function UndoDonePage() {
  const [t, lock, outcome] = await Promise.all([
    getTranslations('login.undo'),
    getTranslations('login.lockdown'),
    undoOutcome.last(),
  ])
  if (!outcome || !('address' in outcome)) redirect('/account')
  return (
    <LinkDone
      title={t('done_title')}
      text={t('done_text', { address: outcome.address })}
      next={t('done_next')}
      primary={{ href: '/forgot', label: lock('done_reset') }}
    />
  )
}
