import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { one, type Query } from '@/app/_lib/login'
import { AuthCard } from '@/components/login/auth-shell'
import { NewPasswordForm } from '@/components/login/new-password-form'
import { Problem } from '@/components/login/problem'
import { CopyButton } from '@/components/ui/copy-button'
import { Icon } from '@/components/ui/icon'
import { check, copy, hourglass } from '@/components/ui/icons'
import { Checkbox } from '@/components/ui/input'
import { Notice } from '@/components/ui/notice'
import { recovery, requests } from '@/lib'
import type { DelayedView } from '@/lib/recovery'
import { utcMoment } from '../_when'
import { recoverOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  const title = (await getTranslations('recovery.recover'))('title')
  // The address holds a token: whatever the page loads learns our origin at most.
  return { title, robots: { index: false }, referrer: 'strict-origin' }
}

/** What the asker's link leads to: the wait, or the new password. Opening it changes nothing. */
export default async function FinishPage({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const view = await recovery.delayed.view(token)
  if (view.state === 'waiting') return <Waiting view={view} token={token} />
  if (view.state === 'ready') return <Ready view={view} token={token} />
  const t = await getTranslations('recovery.recover')
  return (
    <Problem
      title={t('over_title')}
      text={t('over_text')}
      primary={{ href: '/recover', label: t('over_again') }}
    />
  )
}

type Of<State extends DelayedView['state']> = { view: Extract<DelayedView, { state: State }>; token: string }

const strong = (chunks: React.ReactNode) => <strong className="font-semibold text-ink">{chunks}</strong>

async function Waiting({ view, token }: Of<'waiting'>) {
  const [t, ui] = await Promise.all([getTranslations('recovery.wait'), getTranslations('ui')])
  const url = `${requests.settings().url}/recover/finish?token=${token}`
  const digits = `${view.code.slice(0, 3)} ${view.code.slice(3)}`
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
          <Icon of={hourglass} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={t.rich('text', { time: await utcMoment(view.readyAt), b: strong })}
    >
      <Notice kind="warning" title={t('keep_title')}>
        {t('keep_text')}
      </Notice>
      <div className="grid gap-3 rounded-card border border-line bg-sunken p-4">
        <code className="font-mono text-sm break-all" data-testid="recovery-link">
          {url}
        </code>
        <div>
          <CopyButton
            text={url}
            label={t('copy')}
            copiedLabel={ui('copied')}
            icon={<Icon of={copy} className="size-4" />}
            copiedIcon={<Icon of={check} className="size-4" />}
          />
        </div>
      </div>
      <div className="grid gap-2">
        <h2 className="text-[0.9375rem] font-semibold">{t('code_title')}</h2>
        <p className="text-[0.9375rem] text-ink-2">{t('code_text', { count: view.contactsNeeded })}</p>
        <p
          className="font-mono text-2xl font-semibold tracking-[0.1em] tabular-nums"
          data-testid="vouch-code"
        >
          {digits}
        </p>
      </div>
      <p className="text-sm text-ink-3">{t('back')}</p>
    </AuthCard>
  )
}

async function Ready({ view, token }: Of<'ready'>) {
  const [t, reset, outcome] = await Promise.all([
    getTranslations('recovery.finish'),
    getTranslations('recovery.reset'),
    recoverOutcome.last(),
  ])
  const { totp, passkeys, securityKeys, backupCodes } = view.enrolled
  const parts = [
    totp ? t('apps', { count: totp }) : null,
    passkeys + securityKeys ? t('passkeys', { count: passkeys + securityKeys }) : null,
    backupCodes ? t('codes', { count: backupCodes }) : null,
  ].filter((part): part is string => part !== null)
  const list = parts.join(', ')
  return (
    <NewPasswordForm
      title={t('title')}
      lead={
        <>
          {t.rich('lead', { email: view.email, b: strong })}{' '}
          {t('until', { time: await utcMoment(view.expiresAt) })}
        </>
      }
      email={view.email}
      label={reset('password')}
      minLength={requests.settings().passwordMinLength}
      effects={[reset('one'), reset('three'), t('four'), t('five')]}
      action="/recover/finish/submit"
      hidden={{ token }}
      notice={outcome && 'refused' in outcome ? outcome.refused : null}
      submit={t('submit')}
    >
      {list ? (
        <div className="grid gap-2 text-[0.9375rem]">
          <p className="text-ink-2">{t('factors_keep', { list })}</p>
          <Checkbox name="removeFactors" value="1">
            {t('factors_lost', { list })}
          </Checkbox>
        </div>
      ) : null}
    </NewPasswordForm>
  )
}
