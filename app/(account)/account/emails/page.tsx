import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { requests, security, sessions, users } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { ConfirmEmail } from '../../../../components/account/confirm-email'
import { EmailItem } from '../../../../components/account/email-item'
import { FormInput } from '../../../../components/account/form-field'
import { answerIcons } from '../../../../components/account/icons'
import { RefusalNotice } from '../../../../components/login/words'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Rows } from '../../../../components/ui/rows'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { draftsOf, reauthHref, signedIn } from '../../../_lib/guard'
import type { Query } from '../../../_lib/login'
import { addEmail, makePrimary, removeEmail, resendCode, verifyEmail } from './actions'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.emails'))('title') }
}

const PATH = '/account/emails'

export default async function Emails({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const [t, ui, emails, outcome, draft] = await Promise.all([
    getTranslations('account.emails'),
    getTranslations('ui'),
    users.emails.list(user.id),
    lastOutcome(),
    draftsOf(session, PATH),
  ])
  const fresh = sessions.isFresh(session)
  /** Where a question is asked; whoever proved themselves a while ago does so again first. */
  const ask = (what: string, id: string) => {
    const href = `${PATH}?${what}=${id}`
    return fresh ? href : reauthHref(href)
  }
  const verified = emails.filter(({ verifiedAt }) => verifiedAt)
  const confirming = emails.find(({ id, verifiedAt }) => id === query.verify && !verifiedAt)
  const primary = emails.find(({ isPrimary }) => isPrimary)
  const promoting = verified.find(({ id, isPrimary }) => id === query.primary && !isPrimary)
  const removing = emails.find(({ id, isPrimary }) => id === query.remove && !isPrimary)
  const candidate =
    outcome?.kind === 'verified' && verified.find(({ id, isPrimary }) => id === outcome.id && !isPrimary)

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome?.kind === 'refused' && confirming ? <RefusalNotice refusal={outcome} /> : null}
        {outcome && outcome.kind !== 'refused' ? (
          <Notice kind="success">
            <p className="wrap-anywhere">
              {t(`done_${outcome.kind}`, { address: outcome.address })}{' '}
              {candidate ? (
                <a href={ask('primary', candidate.id)} className="link">
                  {t('done_make_primary')}
                </a>
              ) : null}
            </p>
          </Notice>
        ) : null}

        {confirming ? (
          <ConfirmEmail
            email={confirming}
            pending={await security.emails.pending(session, confirming.address)}
            now={requests.nowMs()}
            verify={verifyEmail}
            resend={resendCode}
            closeHref={PATH}
            mailboxHref={
              requests.settings().mailbox ? `/dev/mailbox?to=${encodeURIComponent(confirming.address)}` : null
            }
          />
        ) : null}

        <Card id="addresses" title={t('list_title')} flush>
          <Rows label={t('list_title')}>
            {emails.map((email) => (
              <EmailItem
                key={email.id}
                email={email}
                confirmHref={email.id === confirming?.id ? null : `${PATH}?verify=${email.id}`}
                primaryHref={ask('primary', email.id)}
                removeHref={ask('remove', email.id)}
              />
            ))}
          </Rows>
        </Card>

        <Card id="add" title={t('add_title')} lead={t('add_text')}>
          {emails.length >= users.MAX_ADDRESSES ? (
            <p className="text-ink-2">{t('full', { max: users.MAX_ADDRESSES })}</p>
          ) : fresh ? (
            <ActionForm action={addEmail} icons={answerIcons} draft={draft('add')} className="grid gap-5">
              <FormInput
                id="email"
                name="email"
                type="email"
                label={t('add_label')}
                autoComplete="email"
                autoCapitalize="none"
                spellCheck={false}
                maxLength={254}
                required
              />
              <div>
                <SubmitButton workingLabel={ui('working')}>{t('add_submit')}</SubmitButton>
              </div>
            </ActionForm>
          ) : (
            <div className="grid gap-4">
              <p className="text-ink-2">{t('fresh_text')}</p>
              <div>
                <LinkButton href={reauthHref(PATH)}>{t('fresh_link')}</LinkButton>
              </div>
            </div>
          )}
        </Card>
      </div>

      {promoting ? (
        <ConfirmChange
          title={t('primary_title', { address: promoting.address })}
          effects={[
            t('primary_effect', { address: promoting.address }),
            primary
              ? t('primary_undo', { old: primary.address, hours: security.emailChange.UNDO_HOURS })
              : null,
          ]}
          action={makePrimary}
          hidden={{ id: promoting.id }}
          submit={t('primary_submit')}
          closeHref={PATH}
        />
      ) : removing ? (
        <ConfirmChange
          title={t('remove_title', { address: removing.address })}
          effects={[t(removing.verifiedAt ? 'remove_confirmed' : 'remove_unconfirmed')]}
          action={removeEmail}
          hidden={{ id: removing.id }}
          submit={t('remove_submit')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
