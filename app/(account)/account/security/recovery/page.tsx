import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { notify, recovery, sessions, users } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { CodeField } from '../../../../../components/account/code-field'
import { ConfirmChange } from '../../../../../components/account/confirm-change'
import { ContactsCard } from '../../../../../components/account/contacts-card'
import { answerIcons } from '../../../../../components/account/icons'
import { LossItem } from '../../../../../components/account/loss-item'
import { RefusalNotice } from '../../../../../components/login/words'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { Icon } from '../../../../../components/ui/icon'
import { mail, smartphone } from '../../../../../components/ui/icons'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { Row, Rows } from '../../../../../components/ui/rows'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { relativeTime } from '../../../../../components/ui/time'
import { draftsOf, reauthHref, signedIn } from '../../../../_lib/guard'
import type { Query } from '../../../../_lib/login'
import { confirmRehearsal, inviteContact, rehearse, removeContact, withdrawInvitation } from './actions'
import { recoveryOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.outlook'))('title') }
}

const PATH = '/account/security/recovery'

/** "Could you get back in?": what each loss would do, a rehearsal, and the people who could help. */
export default async function RecoveryOutlook({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const [t, c, ui, login, phones, profile, seen, contacts, pending, proteges, outcome, draft] =
    await Promise.all([
      getTranslations('recovery.outlook'),
      getTranslations('recovery.contacts'),
      getTranslations('ui'),
      getTranslations('login.verify'),
      getTranslations('account.phones'),
      users.profile.get(user.id),
      recovery.outlook(user.id),
      recovery.contacts.list(user.id),
      recovery.contacts.pending(user.id),
      recovery.contacts.proteges(user.id),
      recoveryOutcome.last(),
      draftsOf(session, PATH),
    ])
  const timeZone = profile?.timezone ?? 'UTC'
  const now = Date.now()
  const fresh = sessions.isFresh(session)
  const rehearsing = seen.rehearsals.find(({ id }) => id === query.rehearse)
  const late = rehearsing?.kind === 'phone' && (await notify.sms.troubled())
  const removing = contacts.find(({ id }) => id === query.remove)
  const removeHref = (id: string) => (fresh ? `${PATH}?remove=${id}` : reauthHref(`${PATH}?remove=${id}`))

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        <LinkButton href="/account/security" look="secondary" size="sm">
          {t('back')}
        </LinkButton>
      </PageHeader>
      <div className="grid gap-5">
        {outcome?.kind === 'refused' ? <RefusalNotice refusal={outcome} /> : null}
        {outcome?.kind === 'arrived' && !rehearsing ? <Notice kind="success">{t('arrived')}</Notice> : null}
        {outcome?.kind === 'invited' && !rehearsing ? (
          <Notice kind="success">
            <p className="wrap-anywhere">{c('done_invited', { address: outcome.address })}</p>
          </Notice>
        ) : null}
        {outcome?.kind === 'withdrawn' || outcome?.kind === 'removed' ? (
          <Notice kind="success">{c(`done_${outcome.kind}`)}</Notice>
        ) : null}

        {rehearsing ? (
          <Card
            id="code-card"
            title={<span className="wrap-anywhere">{t('code_title', { label: rehearsing.label })}</span>}
            lead={t('code_text')}
          >
            {late ? <Notice kind="warning">{phones('down_text')}</Notice> : null}
            <ActionForm action={confirmRehearsal} icons={answerIcons} className="grid gap-5">
              <input type="hidden" name="kind" value={rehearsing.kind} />
              <input type="hidden" name="id" value={rehearsing.id} />
              <CodeField label={login('code')} />
              <div className="flex flex-wrap gap-3">
                <SubmitButton workingLabel={ui('working')}>{t('code_submit')}</SubmitButton>
                <LinkButton href={PATH} look="secondary">
                  {t('code_later')}
                </LinkButton>
              </div>
            </ActionForm>
          </Card>
        ) : null}

        <Card id="losses" title={t('losses_title')} lead={t('losses_text')} flush>
          <Rows label={t('losses_title')}>
            {seen.losses.map((loss) => (
              <LossItem
                key={'id' in loss.item ? loss.item.id : loss.item.kind}
                loss={loss}
                waitHours={seen.waitHours}
              />
            ))}
          </Rows>
        </Card>

        <Card id="rehearse" title={t('rehearse_title')} lead={t('rehearse_text')} flush>
          {seen.rehearsals.length ? (
            <Rows label={t('rehearse_title')}>
              {
                await Promise.all(
                  seen.rehearsals.map(async ({ kind, id, label, lastAt }) => (
                    <Row
                      key={id}
                      start={<Icon of={kind === 'email' ? mail : smartphone} className="mt-0.5 text-ink-3" />}
                      title={<span className="wrap-anywhere">{label}</span>}
                      end={
                        <ActionForm action={rehearse} icons={answerIcons}>
                          <input type="hidden" name="kind" value={kind} />
                          <input type="hidden" name="id" value={id} />
                          <SubmitButton
                            look="secondary"
                            size="sm"
                            workingLabel={ui('working')}
                            aria-label={t('rehearse_named', { label })}
                          >
                            {t('rehearse')}
                          </SubmitButton>
                        </ActionForm>
                      }
                    >
                      <p>
                        {lastAt ? t('last', { when: await relativeTime(lastAt, timeZone, now) }) : t('never')}
                      </p>
                    </Row>
                  )),
                )
              }
            </Rows>
          ) : (
            <p className="px-5 pb-5 text-ink-2 sm:px-6">{t('none')}</p>
          )}
        </Card>

        {seen.waitHours > 0 ? (
          <ContactsCard
            contacts={contacts}
            pending={pending}
            {...seen.contacts}
            waitHours={seen.waitHours}
            timeZone={timeZone}
            now={now}
            confirmHref={fresh ? null : reauthHref(PATH)}
            removeHref={removeHref}
            invite={inviteContact}
            draft={draft('contacts')}
            withdraw={withdrawInvitation}
          />
        ) : null}
        {proteges.length ? (
          <p>
            <a href="/account/vouch" className="link">
              {c('helped_link')}
            </a>
          </p>
        ) : null}
      </div>

      {removing ? (
        <ConfirmChange
          title={c('remove_named', { name: removing.name })}
          effects={[]}
          action={removeContact}
          hidden={{ id: removing.id }}
          submit={c('remove')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
