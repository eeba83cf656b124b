import type { Metadata } from 'next'
import { getFormatter, getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { LinkAction, LinkOver } from '@/components/login/link-action'
import { refreshCw } from '@/components/ui/icons'
import { security } from '@/lib'
import { undoOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('login.undo'))('title'), robots: { index: false } }
}

/** Where the old address's link leads: says what taking the change back does. Opening it changes nothing. */
export default async function UndoPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const [t, f, format, change, outcome] = await Promise.all([
    getTranslations('login.undo'),
    getTranslations('factors.methods'),
    getFormatter(),
    security.emailChange.peek(token),
    undoOutcome.last(),
  ])
  if (!change) return <LinkOver />
  const { from, to } = change
  const goes = [
    ...change.addresses,
    ...change.numbers,
    ...change.factors.map(({ kind, name }) => t('factor', { name: name || f(kind) })),
  ]
  return (
    <LinkAction
      icon={refreshCw}
      title={t('title')}
      lead={t('lead', { from, to })}
      effects={[
        t('one', { from }),
        ...(goes.length > 0 ? [t('two', { list: format.list(goes) })] : []),
        t('three'),
        t('four', { from }),
        t('five'),
      ]}
      action="/undo/submit"
      token={token}
      submit={t('submit')}
      note={t('note')}
      notice={outcome && 'refused' in outcome ? { code: outcome.refused } : null}
    />
  )
}
