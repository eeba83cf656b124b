import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { FormCheckbox, FormInput, FormSelect, FormTextarea } from '../../../components/account/form-field'
import { KINDS } from '../../../components/admin/kinds'
import { SecretForm } from '../../../components/admin/secret-form'
import { secretIcons, secretWords } from '../../../components/admin/secret-words'
import { Card } from '../../../components/ui/card'
import { PageHeader } from '../../../components/ui/page-header'
import { SubmitButton } from '../../../components/ui/submit-button'
import { adminIn } from '../../_lib/admin'
import { draftsOf } from '../../_lib/guard'
import { registerApp } from '../apps/actions'

export async function generateMetadata(): Promise<Metadata> {
  await adminIn()
  return { title: (await getTranslations('admin.register'))('title') }
}

const PATH = '/admin/register'

/** A new app: its kind sets what is safe for it. */
export default async function Register() {
  const { session } = await adminIn()
  const [t, labels, fieldHints, kinds, hints, ui, words, drafts] = await Promise.all([
    getTranslations('admin.register'),
    getTranslations('admin.labels'),
    getTranslations('admin.hints'),
    getTranslations('admin.kinds'),
    getTranslations('admin.kind_hints'),
    getTranslations('ui'),
    secretWords(),
    draftsOf(session, PATH),
  ])
  const all = Object.keys(KINDS) as (keyof typeof KINDS)[]
  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href="/admin/apps" className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader title={t('title')} lead={t('lead')} />
      <Card id="register">
        <SecretForm
          action={registerApp}
          icons={secretIcons}
          words={words}
          className="grid gap-5"
          draft={drafts('register')}
        >
          <FormInput
            id="name"
            name="name"
            label={labels('name')}
            hint={fieldHints('name')}
            maxLength={80}
            required
            autoComplete="off"
          />
          <FormSelect
            id="kind"
            name="kind"
            label={t('kind')}
            defaultValue="web"
            hint={
              <span className="grid gap-1">
                {all.map((kind) => (
                  <span key={kind}>
                    <b className="font-medium">{kinds(kind)}</b>: {hints(kind)}
                  </span>
                ))}
              </span>
            }
          >
            {all.map((kind) => (
              <option key={kind} value={kind}>
                {kinds(kind)}
              </option>
            ))}
          </FormSelect>
          <FormTextarea
            id="redirectUris"
            name="redirectUris"
            label={labels('redirectUris')}
            hint={`${fieldHints('redirectUris')} ${t('uris_hint_machine')}`}
            placeholder="https://app.example.com/callback"
            spellCheck={false}
          />
          <FormCheckbox name="firstParty" label={labels('firstParty')} />
          <FormCheckbox name="pairwise" label={t('pairwise')} hint={t('pairwise_hint')} />
          <FormInput
            id="clientId"
            name="clientId"
            label={t('clientId')}
            note={ui('optional')}
            hint={t('clientId_hint')}
            maxLength={100}
            autoComplete="off"
            autoCapitalize="none"
            spellCheck={false}
          />
          <div>
            <SubmitButton workingLabel={ui('working')}>{t('submit')}</SubmitButton>
          </div>
        </SecretForm>
      </Card>
    </>
  )
}
