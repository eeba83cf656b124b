import type { Metadata } from 'next'
import { getFormatter, getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { LinkAction, LinkOver } from '@/components/login/link-action'
import { lockKeyhole } from '@/components/ui/icons'
import { security } from '@/lib'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.lockdown'))('title'), robots: { index: false } }
}

/** "This wasn't me": says what locking does. Opening it changes nothing. */
export default async function LockdownPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const [t, f, format, found] = await Promise.all([
    getTranslations('login.lockdown'),
    getTranslations('factors.methods'),
    getFormatter(),
    security.lockdown.peek(token),
  ])
  if (!found) return <LinkOver />
  const goes = [
    ...found.addresses,
    ...found.numbers,
    ...found.factors.map(({ kind, name }) => t('factor', { name: name || f(kind) })),
  ]
  return (
    <LinkAction
      icon={lockKeyhole}
      title={t('title')}
      lead={t('lead')}
      effects={[
        t('one'),
        t('two'),
        t('three'),
        ...(goes.length > 0 ? [t('four', { list: format.list(goes) })] : []),
        t('six'),
        t('five'),
      ]}
      action="/lockdown/submit"
      token={token}
      submit={t('submit')}
      danger
      note={t('note')}
    />
  )
}
