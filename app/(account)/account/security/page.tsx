import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { factors, requests, sessions } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { answerIcons } from '../../../../components/account/icons'
import { FormNewPassword, FormPassword } from '../../../../components/account/new-password-field'
import { newPasswordParts, passwordParts } from '../../../../components/login/password-props'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { Checkbox } from '../../../../components/ui/input'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { reauthHref, signedIn } from '../../../_lib/guard'
import { changePassword } from './actions'
import { securityOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.security'))('title') }
}

const PATH = '/account/security'

export default async function Security() {
  const { session, user } = await signedIn(PATH)
  const [t, ui, enrolled, parts, fresh, outcome] = await Promise.all([
    getTranslations('recovery.security'),
    getTranslations('ui'),
    factors.enrolled(user.id),
    passwordParts(),
    newPasswordParts(requests.settings().passwordMinLength),
    securityOutcome.last(),
  ])
  const proven = sessions.isFresh(session)
  const has = enrolled.password
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        {outcome ? <Notice kind="success">{t('changed', { count: outcome.ended })}</Notice> : null}

        <Card id="password" title={t('password_title')} lead={has ? null : t('password_none')}>
          {has || proven ? (
            <ActionForm action={changePassword} icons={answerIcons} className="grid max-w-md gap-5">
              <input
                type="email"
                name="email"
                value={user.email ?? ''}
                autoComplete="username"
                readOnly
                hidden
              />
              {proven ? (
                has ? (
                  <p className="text-[0.9375rem] text-ink-2">{t('fresh')}</p>
                ) : null
              ) : (
                <div className="grid gap-1.5">
                  <FormPassword id="current" label={t('current')} {...parts} />
                  <a href={reauthHref(PATH)} className="link justify-self-start text-sm">
                    {t('current_forgot')}
                  </a>
                </div>
              )}
              <FormNewPassword id="new-password" label={t('new')} hint={fresh.hint} {...fresh.parts} />
              <div>
                <Checkbox name="others" value="1" defaultChecked>
                  {t('others')}
                </Checkbox>
                <p className="mt-1 text-sm text-ink-3">{t('others_hint')}</p>
              </div>
              <div>
                <SubmitButton workingLabel={ui('working')}>{t(has ? 'submit' : 'submit_set')}</SubmitButton>
              </div>
            </ActionForm>
          ) : (
            <div className="grid gap-4">
              <p className="text-ink-2">{t('stale_none')}</p>
              <div>
                <LinkButton href={reauthHref(PATH)}>{t('confirm_link')}</LinkButton>
              </div>
            </div>
          )}
        </Card>

        <Card id="recovery" title={t('recovery_title')}>
          <div className="flex flex-wrap items-center justify-between gap-4">
            <p className="max-w-prose text-ink-2">{t('recovery_text')}</p>
            <LinkButton href={`${PATH}/recovery`} look="secondary" size="sm">
              {t('recovery_link')}
            </LinkButton>
          </div>
        </Card>
      </div>
    </>
  )
}
