import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { factors, security, sessions } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { CodeField } from '../../../../../components/account/code-field'
import { FormInput } from '../../../../../components/account/form-field'
import { answerIcons } from '../../../../../components/account/icons'
import { TotpKey } from '../../../../../components/factors/totp-key'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { PageHeader } from '../../../../../components/ui/page-header'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { reauthHref, signedIn } from '../../../../_lib/guard'
import { beginAuthenticator, confirmAuthenticator } from './actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('security.authenticator'))('title') }
}

const PATH = '/account/security/authenticator'
const SECURITY = '/account/security'

/** Sets an authenticator app up: its key, and the first code it shows. Opening the page makes no key. */
export default async function Authenticator() {
  const { session, user } = await signedIn(PATH)
  const [t, f, ui, pending, apps] = await Promise.all([
    getTranslations('security.authenticator'),
    getTranslations('security.factor'),
    getTranslations('ui'),
    security.authenticators.pending(session),
    factors.totp.list(user.id),
  ])
  const fresh = sessions.isFresh(session)
  const standing = security.standing(session, await factors.enrolled(user.id))
  const full = apps.length >= factors.totp.MAX_TOTPS
  const names = new Set(apps.map(({ name }) => name))
  const free = [...Array(apps.length + 1).keys()]
    .map((n) => (n === 0 ? t('name_default') : `${t('name_default')} ${n + 1}`))
    .find((name) => !names.has(name))
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        <LinkButton href={SECURITY} look="secondary" size="sm">
          {t('back')}
        </LinkButton>
      </PageHeader>
      {!standing.may.totp ? (
        <Card>
          <p className="text-ink-2">{t('off')}</p>
        </Card>
      ) : full ? (
        <Card>
          <p className="text-ink-2">{f('full', { max: factors.totp.MAX_TOTPS })}</p>
        </Card>
      ) : !fresh ? (
        <Card>
          <div className="grid gap-4">
            <p className="text-ink-2">{f('fresh_text')}</p>
            <div>
              <LinkButton href={reauthHref(PATH)}>{f('fresh_link')}</LinkButton>
            </div>
          </div>
        </Card>
      ) : pending ? (
        <div className="grid gap-5">
          <Card id="scan" title={t('scan_title')} lead={t('scan_text')}>
            <div className="mx-auto max-w-md">
              <TotpKey {...pending} />
            </div>
          </Card>
          <Card id="confirm" title={t('code_title')}>
            <ActionForm action={confirmAuthenticator} icons={answerIcons} className="grid max-w-md gap-5">
              <CodeField label={t('code')} hint={t('code_hint')} autoFocus={false} />
              <FormInput
                id="app-name"
                name="name"
                label={t('name')}
                hint={t('name_hint')}
                defaultValue={free}
                maxLength={factors.totp.MAX_NAME}
                autoComplete="off"
                required
              />
              <div>
                <SubmitButton workingLabel={ui('working')}>{t('submit')}</SubmitButton>
              </div>
              <p className="text-sm text-ink-3">{t('expires')}</p>
            </ActionForm>
          </Card>
        </div>
      ) : (
        <Card id="start" title={t('start_title')} lead={t('start_text')}>
          <ActionForm action={beginAuthenticator} icons={answerIcons} className="grid gap-5">
            <div>
              <SubmitButton workingLabel={ui('working')}>{t('start')}</SubmitButton>
            </div>
          </ActionForm>
        </Card>
      )}
    </>
  )
}
