import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { oidc } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { FormInput, FormTextarea } from '../../../../../components/account/form-field'
import { answerIcons } from '../../../../../components/account/icons'
import { AppHead } from '../../../../../components/admin/app-head'
import { adminAppHref } from '../../../../../components/admin/kinds'
import { PreviewForm } from '../../../../../components/admin/preview-form'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { Notice } from '../../../../../components/ui/notice'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { draftsOf } from '../../../../_lib/guard'
import { one, type Query } from '../../../../_lib/login'
import { previewClaims, saveClaims } from '../../actions'
import { appAsked } from '../../asked'
import { lastOutcome } from '../../outcome'

interface Props {
  params: Promise<{ id: string }>
  searchParams: Query
}

export async function generateMetadata({ params }: Props): Promise<Metadata> {
  const { client } = await appAsked(params)
  return { title: (await getTranslations('admin.claims'))('page_title', { app: client.name }) }
}

/** Claims of the operator's own in what an app gets, and what it would get of somebody. */
export default async function Claims({ params, searchParams }: Props) {
  const { session, client } = await appAsked(params)
  const path = `${adminAppHref(client.clientId)}/claims`
  const [t, ui, drafts, outcome, query] = await Promise.all([
    getTranslations('admin.claims'),
    getTranslations('ui'),
    draftsOf(session, path),
    lastOutcome(),
    searchParams,
  ])
  const mapping = one(query.template) === 'hasura' ? oidc.CLAIM_TEMPLATES.hasura : client.claims
  const about = { app: client.clientId }
  return (
    <>
      <AppHead client={client} />
      <div className="grid gap-5">
        {outcome?.kind === 'claims' ? <Notice kind="success">{t('saved')}</Notice> : null}
        <Card
          id="mapping"
          title={t('title')}
          lead={t('lead')}
          aside={
            <LinkButton href={`${path}?template=hasura`} look="secondary" size="sm">
              {t('template')}
            </LinkButton>
          }
        >
          <ActionForm
            action={saveClaims}
            icons={answerIcons}
            className="grid gap-5"
            draft={drafts('mapping', about)}
          >
            <input type="hidden" name="app" value={client.clientId} />
            <FormTextarea
              id="claims"
              name="claims"
              label={t('mapping')}
              hint={t('mapping_hint')}
              placeholder={
                '[{ "name": "plan", "scope": "profile", "value": "{{metadata.plan | default:free}}" }]'
              }
              defaultValue={mapping.length > 0 ? JSON.stringify(mapping, null, 2) : ''}
              rows={12}
              className="font-mono text-sm"
              spellCheck={false}
              autoComplete="off"
            />
            <div>
              <SubmitButton workingLabel={ui('working')}>{t('save')}</SubmitButton>
            </div>
          </ActionForm>
        </Card>
        <Card id="preview" title={t('preview')} lead={t('preview_lead')}>
          <PreviewForm
            action={previewClaims}
            icons={answerIcons}
            className="grid gap-5"
            draft={drafts('preview', about)}
            againHref={`${path}#preview`}
            words={{
              scope: t('with_scope'),
              claim: t('claim'),
              idToken: t('id_token'),
              userinfo: t('userinfo'),
              value: t('value'),
              nothing: t('nothing'),
              again: t('again'),
            }}
          >
            <input type="hidden" name="app" value={client.clientId} />
            <FormInput
              id="person"
              name="person"
              label={t('person')}
              hint={t('person_hint')}
              autoComplete="off"
              required
            />
            <div>
              <SubmitButton look="secondary" workingLabel={ui('working')}>
                {t('show')}
              </SubmitButton>
            </div>
          </PreviewForm>
        </Card>
      </div>
    </>
  )
}
