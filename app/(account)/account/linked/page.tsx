import type { Metadata } from 'next'
import { redirect } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { factors, requests, security, sessions, users } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { answerIcons } from '../../../../components/account/icons'
import { RefusalNotice } from '../../../../components/login/words'
import { ProviderMark } from '../../../../components/providers/marks'
import { Badge } from '../../../../components/ui/badge'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Facts, Row, Rows } from '../../../../components/ui/rows'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { RelativeTime } from '../../../../components/ui/time'
import { reauthHref, signedIn } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import { linkAccount, unlinkAccount } from './actions'
import { linkedOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.linked'))('title') }
}

const PATH = '/account/linked'

/** Accounts elsewhere that a person can sign in with: those that are linked, and those that could be. */
export default async function LinkedAccounts({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const { accounts, others } = await security.linked.list(user.id)
  if (accounts.length === 0 && others.length === 0) redirect('/account/security')
  const [t, ui, profile, outcome, enrolled] = await Promise.all([
    getTranslations('account.linked'),
    getTranslations('ui'),
    users.profile.get(user.id),
    linkedOutcome.last(),
    factors.enrolled(user.id),
  ])
  const fresh = sessions.isFresh(session)
  const times = { timeZone: profile?.timezone ?? 'UTC', now: requests.nowMs() }
  const unlinking = fresh ? accounts.find(({ id }) => id === one(query.unlink)) : undefined
  const unlinkHref = (id: string) => {
    const href = `${PATH}?unlink=${id}`
    return fresh ? href : reauthHref(href)
  }
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome?.kind === 'refused' ? (
          <RefusalNotice refusal={outcome} />
        ) : outcome ? (
          <Notice kind="success">
            <p className="wrap-anywhere">{t(`done_${outcome.kind}`, { name: outcome.name })}</p>
          </Notice>
        ) : null}

        {fresh ? null : (
          <Notice kind="info">
            {t('fresh_text')}{' '}
            <a href={reauthHref(PATH)} className="link">
              {t('fresh_link')}
            </a>
          </Notice>
        )}

        <Card id="linked" title={t('linked_title')} lead={t('linked_text')} flush>
          {accounts.length > 0 ? (
            <Rows label={t('linked_title')}>
              {accounts.map(({ id, brand, providerName, email, displayName, linkedAt, lastUsedAt, on }) => (
                <Row
                  key={id}
                  className="roomy"
                  start={<ProviderMark brand={brand} className="mt-0.5 size-5 shrink-0" />}
                  title={
                    <span className="wrap-anywhere">
                      {providerName} {on ? null : <Badge>{t('off')}</Badge>}
                    </span>
                  }
                  end={
                    <LinkButton
                      href={unlinkHref(id)}
                      look="quiet"
                      size="sm"
                      aria-label={t('unlink_named', { name: providerName })}
                    >
                      {t('unlink')}
                    </LinkButton>
                  }
                >
                  <p className="wrap-anywhere">{email ?? displayName ?? t('unnamed')}</p>
                  <Facts
                    items={[
                      { term: t('since'), value: <RelativeTime at={linkedAt} {...times} /> },
                      {
                        term: t('last_used'),
                        value: lastUsedAt ? <RelativeTime at={lastUsedAt} {...times} /> : t('never'),
                      },
                    ]}
                  />
                </Row>
              ))}
            </Rows>
          ) : (
            <p className="px-5 pb-5 text-[0.9375rem] text-ink-3 sm:px-6">{t('empty')}</p>
          )}
        </Card>

        {fresh && others.length > 0 ? (
          <Card id="others" title={t('others_title')} lead={t('others_text')}>
            <ActionForm action={linkAccount} icons={answerIcons} className="grid gap-4">
              <div className="flex flex-wrap gap-3">
                {others.map(({ id, name, brand }) => (
                  <SubmitButton
                    key={id}
                    look="secondary"
                    name="provider"
                    value={id}
                    workingLabel={ui('working')}
                  >
                    <ProviderMark brand={brand} />
                    <span className="wrap-anywhere">{t('link', { name })}</span>
                  </SubmitButton>
                ))}
              </div>
            </ActionForm>
          </Card>
        ) : null}
      </div>

      {unlinking ? (
        <ConfirmChange
          title={t('unlink_title', { name: unlinking.providerName })}
          effects={[
            t('unlink_text', { name: unlinking.providerName, whose: unlinking.email ?? t('unnamed') }),
            ...(enrolled.password ? [] : [t('unlink_no_password')]),
            t('unlink_told'),
          ]}
          action={unlinkAccount}
          hidden={{ id: unlinking.id }}
          submit={t('unlink')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
