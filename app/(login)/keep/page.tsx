import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { LinkAction, LinkOver } from '@/components/login/link-action'
import { refreshCw } from '@/components/ui/icons'
import { longDate } from '@/components/ui/time'
import { security } from '@/lib'
import { keepOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.keep'))('title'), robots: { index: false } }
}

/** Where the link of the mail about a closed account leads: says what keeping it does. Opening it changes nothing. */
export default async function KeepPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const [t, account, outcome] = await Promise.all([
    getTranslations('login.keep'),
    security.closing.peek(token),
    keepOutcome.last(),
  ])
  if (!account) return <LinkOver />
  return (
    <LinkAction
      icon={refreshCw}
      title={t('title')}
      lead={t('lead', { email: account.email ?? '', date: await longDate(account.eraseAt, 'UTC') })}
      effects={[t('one'), t('two'), t('three')]}
      action="/keep/submit"
      token={token}
      submit={t('submit')}
      note={t('note')}
      notice={outcome && 'refused' in outcome ? { code: outcome.refused } : null}
    />
  )
}
