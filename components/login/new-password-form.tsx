import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { described, Field } from '../ui/field'
import { NewPassword } from '../ui/new-password'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { Effects } from './effects'
import { newPasswordParts } from './password-props'
import { RefusalNotice, type RefusalView, refusalText } from './words'

interface Props {
  title: ReactNode
  lead: ReactNode
  /** Whose password it is, for password managers. */
  email: string
  label: string
  minLength: number
  /** What will happen, each in a sentence. */
  effects: readonly ReactNode[]
  /** Where the form posts: `password`, and what is hidden. */
  action: string
  hidden: Record<string, string>
  notice?: RefusalView | null
  submit: string
  children?: ReactNode
}

/** A new password for somebody who came by a link: says what will happen before it does. */
export async function NewPasswordForm(props: Props) {
  const { notice, minLength } = props
  const [ui, password] = await Promise.all([getTranslations('ui'), newPasswordParts(minLength)])
  const error =
    notice?.field === 'password'
      ? await refusalText({ ...notice, values: { min: minLength, ...notice.values } })
      : undefined
  return (
    <AuthCard title={props.title} lead={<p className="wrap-anywhere">{props.lead}</p>}>
      {notice && !error ? <RefusalNotice refusal={notice} /> : null}
      <form method="post" action={props.action} className="grid gap-5">
        {Object.entries(props.hidden).map(([name, value]) => (
          <input key={name} type="hidden" name={name} value={value} />
        ))}
        <input type="email" name="email" value={props.email} autoComplete="username" readOnly hidden />
        <Field id="password" label={props.label} error={error} hint={password.hint}>
          <NewPassword
            {...password.parts}
            {...described('password', { error, hint: true })}
            name="password"
            required
            autoFocus
          />
        </Field>
        {props.children}
        <Effects items={props.effects} />
        <SubmitButton wide workingLabel={ui('working')}>
          {props.submit}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
