import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { recovery, users } from '@/lib'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { Badge } from '../../../../components/ui/badge'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { EmptyState } from '../../../../components/ui/empty-state'
import { usersRound } from '../../../../components/ui/icons'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Row, Rows } from '../../../../components/ui/rows'
import { relativeTime } from '../../../../components/ui/time'
import { signedIn } from '../../../_lib/guard'
import type { Query } from '../../../_lib/login'
import { stepDown } from './actions'
import { vouchOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.vouch'))('title') }
}

const PATH = '/account/vouch'

/** The people who named this person as a trusted contact. */
export default async function Vouch({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { user } = await signedIn(PATH)
  const [t, profile, people, outcome] = await Promise.all([
    getTranslations('recovery.vouch'),
    users.profile.get(user.id),
    recovery.contacts.proteges(user.id),
    vouchOutcome.last(),
  ])
  const timeZone = profile?.timezone ?? 'UTC'
  const now = Date.now()
  const leaving = people.find(({ id }) => id === query.leave)
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome ? (
          <Notice kind="success">
            {outcome.kind === 'accepted' ? t('accepted', { name: outcome.name }) : t('left')}
          </Notice>
        ) : null}
        <Card id="people" flush>
          {people.length === 0 ? (
            <EmptyState icon={usersRound} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('title')}>
              {
                await Promise.all(
                  people.map(async ({ id, name, since, requestId }) => (
                    <Row
                      key={id}
                      title={
                        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                          <span className="wrap-anywhere">{name}</span>
                          {requestId ? <Badge kind="warning">{t('waiting')}</Badge> : null}
                        </span>
                      }
                      end={
                        <>
                          {requestId ? (
                            <LinkButton
                              href={`${PATH}/${requestId}`}
                              size="sm"
                              aria-label={t('help_named', { name })}
                            >
                              {t('help')}
                            </LinkButton>
                          ) : null}
                          <LinkButton
                            href={`${PATH}?leave=${id}`}
                            look="quiet"
                            size="sm"
                            aria-label={t('leave_named', { name })}
                          >
                            {t('leave')}
                          </LinkButton>
                        </>
                      }
                    >
                      <p>{t('since', { when: await relativeTime(since, timeZone, now) })}</p>
                    </Row>
                  )),
                )
              }
            </Rows>
          )}
        </Card>
      </div>
      {leaving ? (
        <ConfirmChange
          title={t('leave_named', { name: leaving.name })}
          effects={[]}
          action={stepDown}
          hidden={{ id: leaving.id }}
          submit={t('leave')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
