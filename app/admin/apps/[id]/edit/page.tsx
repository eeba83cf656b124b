import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { federation, oidc, users } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { FormHidden } from '../../../../../components/account/form-field'
import { answerIcons } from '../../../../../components/account/icons'
import { valuesOf } from '../../../../../components/admin/client-fields'
import { ClientForm } from '../../../../../components/admin/client-form'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { LinkButton } from '../../../../../components/ui/button'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { draftsOf } from '../../../../_lib/guard'
import { saveApp } from '../../actions'
import { appAsked } from '../../asked'

interface Props {
  params: Promise<{ id: string }>
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { client } = await appAsked(params)
  return { title: (await getTranslations('admin.form'))('edit_title', { app: client.name }) }
}

/** Everything that an app is registered with and that can be changed. */
export default async function EditApp({ params }: Props) {
  const { session, client } = await appAsked(params)
  const page = adminAppHref(client.clientId)
  const [t, ui, drafts, apis, roles] = await Promise.all([
    getTranslations('admin.form'),
    getTranslations('ui'),
    draftsOf(session, `${page}/edit`),
    oidc.resources.list(),
    users.roleNames(),
  ])
  // The portal's own is given at the command line alone.
  const given = apis.filter(({ id }) => id !== oidc.managementId())
  const there = given.map(({ id, scopes }) => [id, ...scopes.map((scope) => scope.name)].join(' '))
  const providers = federation.providers().map(({ id }) => id)
  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href={page} className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader title={<span className="wrap-anywhere">{t('edit_title', { app: client.name })}</span>} />
      <ActionForm
        action={saveApp}
        icons={answerIcons}
        className="grid gap-5"
        draft={drafts('edit', { app: client.clientId })}
      >
        <input type="hidden" name="app" value={client.clientId} />
        <FormHidden name="version" value={client.version} />
        {client.registered === 'document' ? <Notice kind="info">{t('documented')}</Notice> : null}
        <ClientForm
          can={(name) => oidc.clients.canChange(client, name)}
          values={valuesOf(client)}
          hints={{
            entryRoles: t('roles_there', { list: roles.join(', ') }),
            resources: there.length > 0 ? t('apis_there', { list: there.join(' · ') }) : t('apis_none'),
            providerTokens:
              providers.length > 0
                ? t('providers_there', { list: providers.join(', ') })
                : t('providers_none'),
          }}
        />
        <div className="flex flex-wrap gap-3">
          <SubmitButton workingLabel={ui('working')}>{t('save')}</SubmitButton>
          <LinkButton href={page} look="secondary">
            {ui('cancel')}
          </LinkButton>
        </div>
      </ActionForm>
    </>
  )
}
