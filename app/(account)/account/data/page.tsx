import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { oidc, security, sessions } from '@/lib'
import { ActionForm } from '../../../../components/account/action-form'
import { FormInput } from '../../../../components/account/form-field'
import { answerIcons } from '../../../../components/account/icons'
import { Effects } from '../../../../components/login/effects'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { PageHeader } from '../../../../components/ui/page-header'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { draftsOf, reauthHref, signedIn } from '../../../_lib/guard'
import { closeAccount } from './actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.data'))('title') }
}

const PATH = '/account/data'

export default async function Data() {
  const { session, user } = await signedIn(PATH)
  const [t, ui, reauth, ends, draft] = await Promise.all([
    getTranslations('account.data'),
    getTranslations('ui'),
    getTranslations('account.reauth'),
    oidc.grants.list(user.id),
    draftsOf(session, PATH),
  ])
  const days = security.closing.keptDays()
  const kept = draft('close')
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        <Card id="copy" title={t('copy_title')} lead={t('copy_text')}>
          <div className="flex flex-wrap gap-3">
            <LinkButton href="/account/data/export" look="secondary" download>
              {t('copy_account')}
            </LinkButton>
            <LinkButton href="/account/activity/export?format=json" look="secondary" download>
              {t('copy_history')}
            </LinkButton>
          </div>
        </Card>

        <Card id="close" title={t('close_title')} lead={t('close_text')}>
          <div className="grid gap-5">
            <Effects
              items={[
                t('close_signed_out'),
                t('close_apps', { count: ends.length }),
                t('close_free'),
                t('close_kept', { days }),
              ]}
            />
            {sessions.isFresh(session) ? (
              <ActionForm
                action={closeAccount}
                icons={answerIcons}
                className="grid gap-5"
                {...(kept && { draft: kept })}
              >
                {user.email ? (
                  <FormInput
                    id="close-address"
                    name="address"
                    type="email"
                    label={t('close_confirm', { email: user.email })}
                    required
                    autoComplete="off"
                    autoCapitalize="none"
                    spellCheck={false}
                    maxLength={254}
                  />
                ) : null}
                <div>
                  <SubmitButton look="danger" workingLabel={ui('working')}>
                    {t('close_submit')}
                  </SubmitButton>
                </div>
              </ActionForm>
            ) : (
              <div className="grid gap-3">
                <p className="text-[0.9375rem] text-ink-2">{reauth('text')}</p>
                <div>
                  <LinkButton href={reauthHref(`${PATH}#close`)} look="secondary">
                    {reauth('link')}
                  </LinkButton>
                </div>
              </div>
            )}
          </div>
        </Card>
      </div>
    </>
  )
}
