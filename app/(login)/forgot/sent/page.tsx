import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { at, one, type Query } from '@/app/_lib/login'
import { AuthCard } from '@/components/login/auth-shell'
import { Icon } from '@/components/ui/icon'
import { mailCheck } from '@/components/ui/icons'
import { Notice } from '@/components/ui/notice'
import { requests } from '@/lib'
import { forgotOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.sent'))('title') }
}

const LINK_MINUTES = 30

export default async function SentPage({ searchParams }: { searchParams: Query }) {
  const flow = one((await searchParams).flow)
  const [t, login, forgot, outcome] = await Promise.all([
    getTranslations('recovery.sent'),
    getTranslations('login.verify'),
    getTranslations('recovery.forgot'),
    forgotOutcome.last(),
  ])
  const email = outcome && 'sentTo' in outcome ? outcome.sentTo : null
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
          <Icon of={mailCheck} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={
        email
          ? t.rich('text', {
              email,
              b: (chunks) => <strong className="font-semibold wrap-anywhere text-ink">{chunks}</strong>,
            })
          : t('text_plain')
      }
      bottom={
        <div className="grid gap-1">
          <p>{t('nothing')}</p>
          <p>
            <a href={flow ? at('/forgot', flow) : '/forgot'} className="link">
              {t('again')}
            </a>
          </p>
        </div>
      }
    >
      <p className="text-[0.9375rem] text-ink-2">{t('life', { minutes: LINK_MINUTES })}</p>
      {requests.settings().mailbox ? (
        <Notice kind="info">
          {login('mailbox')}{' '}
          <a
            href={`/dev/mailbox${email ? `?to=${encodeURIComponent(email)}` : ''}`}
            className="link"
            target="_blank"
            rel="noopener"
          >
            {login('open_mailbox')}
          </a>
        </Notice>
      ) : null}
      <p>
        <a href={flow ? at('/signin', flow) : '/signin/start'} className="link">
          {forgot('back')}
        </a>
      </p>
    </AuthCard>
  )
}
