import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { oidc, requests, sessions, users } from '@/lib'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { answerIcons } from '../../../../components/account/icons'
import { MakeToken } from '../../../../components/account/make-token'
import { scopeWords } from '../../../../components/scope-words'
import { Badge } from '../../../../components/ui/badge'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { EmptyState } from '../../../../components/ui/empty-state'
import { Icon } from '../../../../components/ui/icon'
import { check, copy, keyRound } from '../../../../components/ui/icons'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Facts, Row, Rows } from '../../../../components/ui/rows'
import { longDate, RelativeTime } from '../../../../components/ui/time'
import { draftsOf, reauthHref, signedIn } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import { endToken, makeToken } from './actions'
import { tokensOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.tokens'))('title') }
}

const PATH = '/account/tokens'
const DAYS = [7, 30, 90, 180, 365]
const PREFERRED_DAYS = 30

/** Tokens that a person made for scripts of their own, and a new one. */
export default async function AccessTokens({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const { maxDays, scopes } = oidc.personalTokens.options()
  if (maxDays === 0) notFound()
  const { productName: product } = requests.settings()
  const [t, ui, profile, tokens, outcome, words, drafts] = await Promise.all([
    getTranslations('account.tokens'),
    getTranslations('ui'),
    users.profile.get(user.id),
    oidc.personalTokens.list(user.id),
    tokensOutcome.last(),
    scopeWords(product),
    draftsOf(session, PATH),
  ])
  const times = { timeZone: profile?.timezone ?? 'UTC', now: requests.nowMs() }
  const asked = tokens.find(({ id, over }) => id === one(query.end) && !over)
  const days = [...DAYS.filter((count) => count < maxDays), maxDays]
  const titleOf = (scope: string) => (words(scope).shape === keyRound ? scope : words(scope).title)
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead', { product })} />
      <div className="grid gap-5">
        {outcome ? (
          <Notice kind={outcome.kind === 'ended' ? 'success' : 'info'} live="status">
            <span className="wrap-anywhere">{t(outcome.kind, { name: outcome.name })}</span>
          </Notice>
        ) : null}

        <Card id="tokens" title={t('list_title')} flush>
          {tokens.length === 0 ? (
            <EmptyState icon={keyRound} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('list_title')}>
              {
                await Promise.all(
                  tokens.map(async ({ id, name, hint, over, ...token }) => (
                    <Row
                      key={id}
                      className="roomy"
                      start={<Icon of={keyRound} className="mt-0.5 text-ink-3" />}
                      title={
                        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                          <span className="wrap-anywhere">{name}</span>
                          <code className="text-sm font-normal text-ink-3">gtp_…{hint}</code>
                          {over ? <Badge>{t('over')}</Badge> : null}
                        </span>
                      }
                      end={
                        over ? null : (
                          <LinkButton
                            href={`${PATH}?end=${id}`}
                            look="secondary"
                            size="sm"
                            aria-label={t('end_named', { name })}
                          >
                            {t('end')}
                          </LinkButton>
                        )
                      }
                    >
                      <p className="wrap-anywhere">{token.scopes.map(titleOf).join(' · ')}</p>
                      <Facts
                        items={[
                          {
                            term: t('last_used'),
                            value: token.lastUsedAt ? (
                              <RelativeTime at={token.lastUsedAt} {...times} />
                            ) : (
                              t('never')
                            ),
                          },
                          { term: t('ends'), value: await longDate(token.expiresAt, times.timeZone) },
                          { term: t('since'), value: <RelativeTime at={token.createdAt} {...times} /> },
                        ]}
                      />
                    </Row>
                  )),
                )
              }
            </Rows>
          )}
        </Card>

        {sessions.isFresh(session) ? (
          <MakeToken
            action={makeToken}
            doneHref={PATH}
            maxName={oidc.personalTokens.MAX_NAME}
            draft={drafts('make')}
            scopes={scopes.map((name) => {
              const known = words(name)
              return known.shape === keyRound
                ? { name, title: name, text: '' }
                : { name, title: known.title, text: known.text }
            })}
            days={days.map((count) => ({ value: count, label: t('days', { count }) }))}
            preferred={Math.min(PREFERRED_DAYS, maxDays)}
            text={{
              title: t('make_title'),
              lead: t('make_text'),
              name: t('name'),
              nameHint: t('name_hint'),
              ends: t('ends_after'),
              sees: t('sees'),
              seesAlways: t('sees_always'),
              submit: t('submit'),
              working: ui('working'),
              newTitle: t('new_title'),
              newLead: t('new_text'),
              value: t('value'),
              copy: t('copy'),
              copied: t('copied'),
              done: t('done'),
            }}
            icons={{
              bad: answerIcons.bad,
              note: answerIcons.note,
              copy: <Icon of={copy} />,
              copied: <Icon of={check} />,
            }}
          />
        ) : (
          <Card id="make" title={t('make_title')} lead={t('make_text')}>
            <div className="grid gap-4">
              <p className="text-ink-2">{t('fresh_text')}</p>
              <div>
                <LinkButton href={reauthHref(PATH)}>{t('fresh_link')}</LinkButton>
              </div>
            </div>
          </Card>
        )}
      </div>

      {asked ? (
        <ConfirmChange
          title={t('end_title', { name: asked.name })}
          effects={[t('end_text')]}
          action={endToken}
          hidden={{ id: asked.id }}
          submit={t('end')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
