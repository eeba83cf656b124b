import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { NewPasswordForm } from '@/components/login/new-password-form'
import { Problem } from '@/components/login/problem'
import { recovery, requests } from '@/lib'
import { resetOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  const title = (await getTranslations('recovery.reset'))('title')
  // The address holds a token: whatever the page loads learns our origin at most.
  return { title, robots: { index: false }, referrer: 'strict-origin' }
}

/** Where the mail's link leads: says what will happen. Opening it changes nothing. */
export default async function ResetPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const [t, found, outcome] = await Promise.all([
    getTranslations('recovery.reset'),
    recovery.resetView(token),
    resetOutcome.last(),
  ])
  if (!found) {
    return (
      <Problem
        title={t('over_title')}
        text={t('over_text')}
        primary={{ href: '/forgot', label: t('over_again') }}
      />
    )
  }
  const { email } = found
  return (
    <NewPasswordForm
      title={t('title')}
      lead={t.rich('lead', {
        email,
        b: (chunks) => <strong className="font-semibold text-ink">{chunks}</strong>,
      })}
      email={email}
      label={t('password')}
      minLength={requests.settings().passwordMinLength}
      effects={[t('one'), t('two'), t('three'), t('four')]}
      action="/reset/submit"
      hidden={{ token }}
      notice={outcome && 'refused' in outcome ? outcome.refused : null}
      submit={t('submit')}
    />
  )
}
