import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { described, Field } from '../ui/field'
import { Input } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { RefusalNotice, type RefusalView, refusalText } from './words'

interface Props {
  title: ReactNode
  lead: ReactNode
  /** Where the form posts: `email`, and what is hidden. */
  action: string
  hidden?: Record<string, string>
  email?: string
  notice?: RefusalView | null
  submit: string
  look?: 'primary' | 'danger'
  bottom?: ReactNode
  children?: ReactNode
}

/** Asks for an address and for nothing else; the answer is the same for every address. */
export async function AskAddressForm(props: Props) {
  const [t, ui] = await Promise.all([getTranslations('login'), getTranslations('ui')])
  const { notice } = props
  const error = notice?.field === 'email' ? await refusalText(notice) : undefined
  return (
    <AuthCard title={props.title} lead={props.lead} bottom={props.bottom}>
      {notice && !error ? <RefusalNotice refusal={notice} /> : null}
      {props.children}
      <form method="post" action={props.action} className="grid gap-5">
        {Object.entries(props.hidden ?? {}).map(([name, value]) => (
          <input key={name} type="hidden" name={name} value={value} />
        ))}
        <Field id="email" label={t('email')} error={error}>
          <Input
            {...described('email', { error })}
            type="email"
            name="email"
            defaultValue={props.email}
            autoComplete="username"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={254}
            required
            autoFocus
          />
        </Field>
        <SubmitButton wide workingLabel={ui('working')}>
          {props.submit}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
