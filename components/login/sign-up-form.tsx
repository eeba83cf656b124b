import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { described, Field } from '../ui/field'
import { Input } from '../ui/input'
import { NewPassword } from '../ui/new-password'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'
import { newPasswordParts } from './password-props'
import { RefusalNotice, type RefusalView, refusalText } from './words'

export type SignUpField = 'firstName' | 'lastName' | 'email' | 'password'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `firstName`, `lastName`, `email`, `password`. */
  action: string
  values?: Partial<Record<Exclude<SignUpField, 'password'>, string>>
  /** Refusals of single fields. */
  errors?: Partial<Record<SignUpField, RefusalView>>
  /** A refusal of the whole form. */
  notice?: RefusalView | null
  passwordMinLength: number
  signInHref: string
  client?: ClientView | null
  /** Above the button: what is agreed to. */
  termsSlot?: ReactNode
  providersSlot?: ReactNode
}

/** A new account: name, address, password. The password's strength is told in words while typing. */
export async function SignUpForm(props: Props) {
  const { flow, action, values = {}, errors = {}, notice, passwordMinLength, signInHref, client } = props
  const [t, ui, password] = await Promise.all([
    getTranslations('login'),
    getTranslations('ui'),
    newPasswordParts(passwordMinLength),
  ])
  const say = async (field: SignUpField) => {
    const refusal = errors[field]
    return refusal
      ? refusalText({ ...refusal, values: { min: passwordMinLength, ...refusal.values } })
      : undefined
  }
  const said = {
    firstName: await say('firstName'),
    lastName: await say('lastName'),
    email: await say('email'),
    password: await say('password'),
  }
  const firstWrong = (['firstName', 'lastName', 'email', 'password'] as const).find((field) => said[field])
  return (
    <AuthCard
      top={client ? <ClientLogo client={client} /> : null}
      title={t('sign_up.title')}
      lead={client ? t('to_app', { app: client.name }) : null}
      bottom={
        <>
          {t('sign_up.have_one')}{' '}
          <a href={signInHref} className="link">
            {t('sign_up.sign_in')}
          </a>
        </>
      }
    >
      {notice ? <RefusalNotice refusal={notice} /> : null}
      {props.providersSlot}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <div className="grid gap-5 sm:grid-cols-2 sm:gap-4">
          <Field id="first-name" label={t('sign_up.first_name')} error={said.firstName}>
            <Input
              {...described('first-name', { error: said.firstName })}
              name="firstName"
              defaultValue={values.firstName}
              autoComplete="given-name"
              maxLength={100}
              required
              autoFocus={!firstWrong || firstWrong === 'firstName'}
            />
          </Field>
          <Field id="last-name" label={t('sign_up.last_name')} note={ui('optional')} error={said.lastName}>
            <Input
              {...described('last-name', { error: said.lastName })}
              name="lastName"
              defaultValue={values.lastName}
              autoComplete="family-name"
              maxLength={100}
              autoFocus={firstWrong === 'lastName'}
            />
          </Field>
        </div>
        <Field id="email" label={t('email')} hint={t('sign_up.email_hint')} error={said.email}>
          <Input
            {...described('email', { error: said.email, hint: true })}
            type="email"
            name="email"
            defaultValue={values.email}
            autoComplete="email"
            autoCapitalize="none"
            spellCheck={false}
            maxLength={254}
            required
            autoFocus={firstWrong === 'email'}
          />
        </Field>
        <Field id="password" label={t('password')} error={said.password} hint={password.hint}>
          <NewPassword
            {...password.parts}
            {...described('password', { error: said.password, hint: true })}
            name="password"
            required
            autoFocus={firstWrong === 'password'}
          />
        </Field>
        {props.termsSlot}
        <SubmitButton wide workingLabel={ui('working')}>
          {t('sign_up.submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
