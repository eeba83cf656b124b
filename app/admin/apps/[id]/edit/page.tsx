import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { oidc } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import {
  AnswerError,
  FormCheckbox,
  FormInput,
  FormSelect,
  FormTextarea,
} from '../../../../../components/account/form-field'
import { answerIcons } from '../../../../../components/account/icons'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { PageHeader } from '../../../../../components/ui/page-header'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { adminIn } from '../../../../_lib/admin'
import { draftsOf } from '../../../../_lib/guard'
import { saveApp } from '../../actions'
import { decoded } from '../../decoded'

interface Props {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  await adminIn()
  const client = await oidc.clients.get(decoded((await params).id))
  if (!client) notFound()
  return { title: (await getTranslations('admin.form'))('edit_title', { app: client.name }) }
}

/** What an app is registered with, to be changed. */
export default async function EditApp({ params }: Props) {
  const { session } = await adminIn()
  const client = await oidc.clients.get(decoded((await params).id))
  if (!client) notFound()
  const page = adminAppHref(client.clientId)
  const [t, ui, drafts] = await Promise.all([
    getTranslations('admin.form'),
    getTranslations('ui'),
    draftsOf(session, `${page}/edit`),
  ])
  const has = (grant: string) => client.grants.includes(grant)
  const address = (name: string, label: string, value: string | null, hint?: string) => (
    <FormInput
      id={name}
      name={name}
      type="url"
      label={label}
      note={ui('optional')}
      hint={hint}
      defaultValue={value ?? ''}
    />
  )
  const minutes = (name: string, label: string, value: number | null) => (
    <FormInput
      id={name}
      name={name}
      label={label}
      hint={t('limit_hint')}
      inputMode="numeric"
      pattern="[0-9]*"
      maxLength={7}
      defaultValue={value ?? ''}
    />
  )
  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href={page} className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader title={<span className="wrap-anywhere">{t('edit_title', { app: client.name })}</span>} />
      <Card id="edit">
        <ActionForm
          action={saveApp}
          icons={answerIcons}
          className="grid gap-8"
          draft={drafts('edit', { app: client.clientId })}
        >
          <input type="hidden" name="app" value={client.clientId} />
          <Part title={t('section_addresses')}>
            <FormTextarea
              id="redirectUris"
              name="redirectUris"
              label={t('uris')}
              hint={t('uris_hint')}
              defaultValue={client.redirectUris.join('\n')}
              spellCheck={false}
            />
            <FormTextarea
              id="postLogoutRedirectUris"
              name="postLogoutRedirectUris"
              label={t('logout_uris')}
              note={ui('optional')}
              hint={t('logout_uris_hint')}
              defaultValue={client.postLogoutRedirectUris.join('\n')}
              rows={2}
              spellCheck={false}
            />
            {address(
              'backchannelLogoutUri',
              t('backchannel'),
              client.backchannelLogoutUri,
              t('backchannel_hint'),
            )}
            {address(
              'frontchannelLogoutUri',
              t('frontchannel'),
              client.frontchannelLogoutUri,
              t('frontchannel_hint'),
            )}
          </Part>
          <Part title={t('section_rules')}>
            <fieldset className="grid gap-2.5">
              <legend className="mb-2 text-[0.9375rem] font-medium">{t('grants')}</legend>
              <FormCheckbox
                name="authorizationCode"
                label={t('grant_code')}
                defaultChecked={has('authorization_code')}
              />
              <FormCheckbox
                name="refreshToken"
                label={t('grant_refresh')}
                defaultChecked={has('refresh_token')}
              />
              <FormCheckbox
                name="clientCredentials"
                label={t('grant_client')}
                defaultChecked={has('client_credentials')}
              />
              <AnswerError name="grants" />
            </fieldset>
            <FormCheckbox name="pkce" label={t('pkce')} hint={t('pkce_hint')} defaultChecked={client.pkce} />
            <FormSelect id="acr" name="acr" label={t('acr')} defaultValue={client.acr}>
              <option value="aal1">{t('acr_aal1')}</option>
              <option value="aal2">{t('acr_aal2')}</option>
            </FormSelect>
            <div className="grid gap-5 sm:grid-cols-2">
              {minutes('sessionIdleMinutes', t('idle'), client.sessionIdleMinutes)}
              {minutes('sessionMaxMinutes', t('max'), client.sessionMaxMinutes)}
            </div>
          </Part>
          <Part title={t('section_people')}>
            <FormInput
              id="name"
              name="name"
              label={t('name')}
              hint={t('name_hint')}
              defaultValue={client.name}
              maxLength={80}
              required
            />
            <FormCheckbox name="firstParty" label={t('first_party')} defaultChecked={client.firstParty} />
            {address('logoUri', t('logo'), client.logoUri)}
            {address('clientUri', t('website'), client.clientUri)}
            {address('policyUri', t('policy'), client.policyUri)}
            {address('tosUri', t('terms'), client.tosUri)}
          </Part>
          <div className="flex flex-wrap gap-3">
            <SubmitButton workingLabel={ui('working')}>{t('save')}</SubmitButton>
            <LinkButton href={page} look="secondary">
              {ui('cancel')}
            </LinkButton>
          </div>
        </ActionForm>
      </Card>
    </>
  )
}

function Part({ title, children }: { title: string; children: ReactNode }) {
  return (
    <section className="grid gap-5">
      <h2 className="text-[1.0625rem] font-semibold">{title}</h2>
      {children}
    </section>
  )
}
