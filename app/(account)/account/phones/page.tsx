import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getLocale, getTranslations } from 'next-intl/server'
import { notify, requests, security, sessions, users } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { ConfirmPhone } from '../../../../components/account/confirm-phone'
import { answerIcons } from '../../../../components/account/icons'
import { PhoneField } from '../../../../components/account/phone-field'
import { PhoneItem } from '../../../../components/account/phone-item'
import { RefusalNotice } from '../../../../components/login/words'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { countryOptions } from '../../../../components/ui/country-options'
import { EmptyState } from '../../../../components/ui/empty-state'
import { smartphone } from '../../../../components/ui/icons'
import { Checkbox } from '../../../../components/ui/input'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Rows } from '../../../../components/ui/rows'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { draftsOf, reauthHref, signedIn } from '../../../_lib/guard'
import { homeCountry, type Query } from '../../../_lib/login'
import { addPhone, chooseTexts, makePrimary, removePhone, resendCode, verifyPhone } from './actions'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.phones'))('title') }
}

const PATH = '/account/phones'
const EMAILS = '/account/emails'

export default async function Phones({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { session, user } = await signedIn(PATH)
  const phones = await users.phones.list(user.id)
  // Where no text messages are sent there are no phones; those from before can still be removed.
  const off = !notify.sms.enabled()
  if (off && phones.length === 0) notFound()
  const [t, ui, locale, outcome, troubled, ways, draft, texts] = await Promise.all([
    getTranslations('account.phones'),
    getTranslations('ui'),
    getLocale(),
    lastOutcome(),
    notify.sms.troubled(),
    users.waysBack(null, user.id),
    draftsOf(session, PATH),
    users.phones.wantsTexts(user.id),
  ])
  const fresh = sessions.isFresh(session)
  /** Where a question is asked; whoever proved themselves a while ago does so again first. */
  const ask = (what: string, id: string) => {
    const href = `${PATH}?${what}=${id}`
    return fresh ? href : reauthHref(href)
  }
  const confirming = off ? undefined : phones.find(({ id, verifiedAt }) => id === query.verify && !verifiedAt)
  const promoting = phones.find(
    ({ id, isPrimary, verifiedAt }) => id === query.primary && verifiedAt && !isPrimary,
  )
  const removing = phones.find(({ id }) => id === query.remove)
  const last = removing?.verifiedAt && ways.emails === 0 && ways.phones === 1
  const options = countryOptions(notify.sms.countries(), locale)
  const [latest] = phones
  const country = (latest && users.countryOf(latest.number)) ?? (await homeCountry())

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome?.kind === 'refused' ? <RefusalNotice refusal={outcome} /> : null}
        {outcome && outcome.kind !== 'refused' ? (
          <Notice kind="success">{t(`done_${outcome.kind}`, { number: outcome.number })}</Notice>
        ) : null}
        {off ? <Notice kind="info">{t('off')}</Notice> : null}

        {confirming ? (
          <ConfirmPhone
            phone={confirming}
            pending={await security.phones.pending(session, confirming.number)}
            now={requests.nowMs()}
            troubled={troubled}
            verify={verifyPhone}
            resend={resendCode}
            closeHref={PATH}
            emailsHref={EMAILS}
            mailboxHref={
              notify.sms.inMailbox() ? `/dev/mailbox?to=${encodeURIComponent(confirming.number)}` : null
            }
          />
        ) : null}

        <Card id="numbers" title={t('list_title')} flush>
          {phones.length === 0 ? (
            <EmptyState icon={smartphone} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('list_title')}>
              {phones.map((phone) => (
                <PhoneItem
                  key={phone.id}
                  phone={phone}
                  confirmHref={off || phone === confirming ? null : `${PATH}?verify=${phone.id}`}
                  primaryHref={ask('primary', phone.id)}
                  removeHref={ask('remove', phone.id)}
                />
              ))}
            </Rows>
          )}
        </Card>

        {off || !phones.some(({ verifiedAt }) => verifiedAt) ? null : (
          <Card id="texts" title={t('texts_title')} lead={t('texts_text')}>
            <ActionForm action={chooseTexts} icons={answerIcons} className="grid gap-4">
              <Checkbox name="texts" value="on" defaultChecked={texts} key={String(texts)}>
                {t('texts_label')}
              </Checkbox>
              <div>
                <SubmitButton workingLabel={ui('working')}>{t('texts_submit')}</SubmitButton>
              </div>
            </ActionForm>
          </Card>
        )}

        {off ? null : (
          <Card id="add" title={t('add_title')} lead={t('add_text')}>
            {phones.length >= users.MAX_PHONES ? (
              <p className="text-ink-2">{t('full', { max: users.MAX_PHONES })}</p>
            ) : fresh ? (
              <ActionForm action={addPhone} icons={answerIcons} draft={draft('add')} className="grid gap-5">
                {troubled && !confirming ? <Notice kind="warning">{t('down_text')}</Notice> : null}
                <PhoneField
                  options={options}
                  country={options.find(({ code }) => code === country)?.code}
                  labels={{ country: t('add_country'), number: t('add_number'), hint: t('add_hint') }}
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
        )}
      </div>

      {promoting ? (
        <ConfirmChange
          title={t('primary_title', { number: promoting.readable })}
          effects={[t('primary_effect')]}
          action={makePrimary}
          hidden={{ id: promoting.id }}
          submit={t('primary_submit')}
          closeHref={PATH}
        />
      ) : removing ? (
        <ConfirmChange
          title={t('remove_title', { number: removing.readable })}
          effects={[
            t(last ? 'remove_last' : removing.verifiedAt ? 'remove_confirmed' : 'remove_unconfirmed'),
          ]}
          action={removePhone}
          hidden={{ id: removing.id }}
          submit={t('remove_submit')}
          danger
          closeHref={PATH}
        />
      ) : null}
    </>
  )
}
