import { getTranslations } from 'next-intl/server'
import { described, Field } from '../ui/field'
import { Input } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { RefusalNotice, type RefusalView } from './words'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `firstName`, `lastName`. */
  action: string
  email: string
  notice?: RefusalView | null
}

/** A new account whose address is proven already: only the name is missing. */
export async function DetailsForm({ flow, action, email, notice }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login'), getTranslations('ui')])
  return (
    <AuthCard title={t('details.title')} lead={t('details.lead', { email })}>
      {notice ? <RefusalNotice refusal={notice} /> : null}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <div className="grid gap-5 sm:grid-cols-2 sm:gap-4">
          <Field id="first-name" label={t('sign_up.first_name')}>
            <Input
              {...described('first-name', {})}
              name="firstName"
              autoComplete="given-name"
              maxLength={100}
              required
              autoFocus
            />
          </Field>
          <Field id="last-name" label={t('sign_up.last_name')} note={ui('optional')}>
            <Input
              {...described('last-name', {})}
              name="lastName"
              autoComplete="family-name"
              maxLength={100}
            />
          </Field>
        </div>
        <SubmitButton wide workingLabel={ui('working')}>
          {t('details.submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
