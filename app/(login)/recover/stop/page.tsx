import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { LinkAction } from '@/components/login/link-action'
import { Problem } from '@/components/login/problem'
import { shieldCheck } from '@/components/ui/icons'
import { recovery } from '@/lib'
import { utcMoment } from '../_when'
import { recoverOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  const title = (await getTranslations('recovery.stop'))('title')
  return { title, robots: { index: false }, referrer: 'strict-origin' }
}

/** Where the link of a notice leads: says what would be stopped. Opening it changes nothing. */
export default async function StopPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const [t, view, outcome] = await Promise.all([
    getTranslations('recovery.stop'),
    recovery.vetoView(token),
    recoverOutcome.last(),
  ])
  const account = { href: '/account', label: t('account') }
  if (view.state !== 'running') {
    return <Problem title={t(`${view.state}_title`)} text={t(`${view.state}_text`)} primary={account} />
  }
  return (
    <LinkAction
      icon={shieldCheck}
      title={t('title')}
      lead={t('lead', { at: await utcMoment(view.createdAt), time: await utcMoment(view.readyAt) })}
      effects={[t('one'), t('two'), t('three')]}
      action="/recover/stop/submit"
      token={token}
      submit={t('submit')}
      note={t('note')}
      notice={outcome && 'refused' in outcome ? outcome.refused : null}
    />
  )
}
