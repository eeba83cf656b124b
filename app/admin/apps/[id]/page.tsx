import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { oidc, users } from '@/lib'
import type { ClientView } from '@/lib/oidc'
import { ActionForm } from '../../../../components/account/action-form'
import { ConfirmChange } from '../../../../components/account/confirm-change'
import { FormInput, FormSelect } from '../../../../components/account/form-field'
import { answerIcons } from '../../../../components/account/icons'
import { AppHead } from '../../../../components/admin/app-head'
import { adminAppHref } from '../../../../components/admin/kinds'
import { LogCard } from '../../../../components/admin/log-card'
import { RegistrationCard } from '../../../../components/admin/registration-card'
import { SecretForm } from '../../../../components/admin/secret-form'
import { secretIcons, secretWords } from '../../../../components/admin/secret-words'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { Dialog } from '../../../../components/ui/dialog'
import { Notice } from '../../../../components/ui/notice'
import { Row, Rows } from '../../../../components/ui/rows'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { RelativeTime } from '../../../../components/ui/time'
import { draftsOf } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import { removeApp, rotateSecret, switchApp } from '../actions'
import { appAsked } from '../asked'
import { lastOutcome } from '../outcome'

interface Props {
  params: Promise<{ id: string }>
  searchParams: Query
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  return { title: (await appAsked(params)).client.name }
}

interface Times {
  timeZone: string
  now: number
}

/** One app: what it is registered with, its secrets, what was refused, and what can be done about it. */
export default async function App({ params, searchParams }: Props) {
  const { session, user, client } = await appAsked(params)
  const path = adminAppHref(client.clientId)
  const [t, form, clinic, profile, entries, outcome, drafts, query] = await Promise.all([
    getTranslations('admin.app'),
    getTranslations('admin.form'),
    getTranslations('clinic.page'),
    users.profile.get(user.id),
    oidc.clients.log(client.clientId, 20),
    lastOutcome(),
    draftsOf(session, path),
    searchParams,
  ])
  const times = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  const { name } = client
  const ask = one(query.ask)
  const off = client.disabledAt !== null
  return (
    <>
      <AppHead client={client}>
        <div className="flex flex-wrap gap-3">
          <LinkButton href={`${path}/edit`}>{form('edit')}</LinkButton>
          <LinkButton href={`${path}/clinic`} look="secondary">
            {clinic('open')}
          </LinkButton>
          <LinkButton href={`${path}?ask=${off ? 'on' : 'off'}`} look="secondary">
            {t(off ? 'enable' : 'disable')}
          </LinkButton>
          <LinkButton href={`${path}?ask=remove`} look="secondary">
            {t('remove')}
          </LinkButton>
        </div>
      </AppHead>
      <div className="grid gap-5">
        {outcome && outcome.kind !== 'removed' && outcome.kind !== 'claims' ? (
          <Notice kind="success">{t(outcome.kind)}</Notice>
        ) : null}
        {off ? <Notice kind="warning">{t('off_text')}</Notice> : null}
        <RegistrationCard client={client} {...times} />
        <Secrets client={client} path={path} {...times} />
        <LogCard entries={entries} {...times} />
      </div>

      {ask === 'off' || ask === 'on' ? (
        <ConfirmChange
          title={t(ask === 'off' ? 'disable_title' : 'enable_title', { app: name })}
          effects={[t(ask === 'off' ? 'disable_text' : 'enable_text')]}
          action={switchApp}
          hidden={{ app: client.clientId, to: ask }}
          submit={t(ask === 'off' ? 'disable' : 'enable')}
          danger={ask === 'off'}
          closeHref={path}
        />
      ) : null}
      {ask === 'remove' ? (
        <Question title={t('remove_title', { app: name })} text={t('remove_text')} path={path}>
          <ActionForm
            action={removeApp}
            icons={answerIcons}
            className="mt-5 grid gap-5"
            draft={drafts('remove', { app: client.clientId })}
          >
            <input type="hidden" name="app" value={client.clientId} />
            <FormInput
              id="remove-name"
              name="name"
              label={<span className="wrap-anywhere">{t('remove_name', { app: name })}</span>}
              autoComplete="off"
              required
            />
            <Submit path={path} danger>
              {t('remove')}
            </Submit>
          </ActionForm>
        </Question>
      ) : null}
      {ask === 'rotate' ? (
        <Question title={t('rotate_title', { app: name })} text={t('rotate_text')} path={path}>
          <SecretForm
            action={rotateSecret}
            icons={secretIcons}
            words={await secretWords()}
            className="mt-5 grid gap-5"
            draft={drafts('rotate', { app: client.clientId })}
          >
            <input type="hidden" name="app" value={client.clientId} />
            <FormSelect id="hours" name="hours" label={t('overlap')} defaultValue="24">
              <option value="0">{t('overlap_now')}</option>
              <option value="1">{t('overlap_hour')}</option>
              <option value="24">{t('overlap_day')}</option>
              <option value="168">{t('overlap_week')}</option>
            </FormSelect>
            <Submit path={path}>{t('rotate')}</Submit>
          </SecretForm>
        </Question>
      ) : null}
    </>
  )
}

function Question({
  title,
  text,
  path,
  children,
}: {
  title: string
  text: string
  path: string
  children: ReactNode
}) {
  return (
    <Dialog id="question" title={<span className="wrap-anywhere">{title}</span>} closeHref={path}>
      <p className="mt-2 text-ink-2">{text}</p>
      {children}
    </Dialog>
  )
}

async function Submit({ path, danger, children }: { path: string; danger?: boolean; children: ReactNode }) {
  const ui = await getTranslations('ui')
  return (
    <div className="flex flex-wrap justify-end gap-3">
      <LinkButton href={path} look="secondary">
        {ui('cancel')}
      </LinkButton>
      <SubmitButton look={danger ? 'danger' : 'primary'} workingLabel={ui('working')}>
        {children}
      </SubmitButton>
    </div>
  )
}

/** The secrets there are, by their last characters. */
async function Secrets({ client, path, ...times }: { client: ClientView; path: string } & Times) {
  const t = await getTranslations('admin.app')
  if (!client.authMethod.startsWith('client_secret_'))
    return (
      <Card id="secrets" title={t('secrets')}>
        <p className="text-ink-2">{t(client.authMethod === 'none' ? 'secrets_none' : 'secrets_key')}</p>
      </Card>
    )
  return (
    <Card
      id="secrets"
      title={t('secrets')}
      aside={
        <LinkButton href={`${path}?ask=rotate`} look="secondary" size="sm">
          {t('rotate')}
        </LinkButton>
      }
      flush
    >
      {client.secrets.length === 0 ? (
        <p className="px-5 pb-5 text-ink-2 sm:px-6">{t('secrets_missing')}</p>
      ) : (
        <Rows label={t('secrets')}>
          {client.secrets.map((secret) => (
            <Row key={secret.id} title={<span className="font-mono">gts_…{secret.hint}</span>}>
              <p className="text-[0.9375rem] text-ink-2">
                {t('secret_made')}: <RelativeTime at={secret.createdAt} {...times} />
                {' · '}
                {secret.lastUsedAt ? (
                  <>
                    {t('secret_used')}: <RelativeTime at={secret.lastUsedAt} {...times} />
                  </>
                ) : (
                  t('secret_unused')
                )}
                {secret.expiresAt ? (
                  <>
                    {' · '}
                    {t(secret.expiresAt.getTime() > times.now ? 'secret_ends' : 'secret_ended')}
                    {': '}
                    <RelativeTime at={secret.expiresAt} {...times} />
                  </>
                ) : null}
              </p>
            </Row>
          ))}
        </Rows>
      )}
    </Card>
  )
}
