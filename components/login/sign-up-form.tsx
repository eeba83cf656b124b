import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { FACTOR_ICONS } from '../factors/icons'
import { described, Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { Input } from '../ui/input'
import { NewPassword } from '../ui/new-password'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'
import { OR } from './or'
import { newPasswordParts } from './password-props'
import { RefusalNotice, type RefusalView, refusalText } from './words'

export type SignUpField = 'firstName' | 'lastName' | 'email' | 'password'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `way`, `firstName`, `lastName`, `email`, and with a password `password`. */
  action: string
  /** With a passkey there is no password at all. */
  way: 'password' | 'passkey'
  /** The page with the other way chosen; null where there is none. */
  otherWayHref?: string | null
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
  /** A guest makes an account of what there is. */
  guest?: boolean
}

/** A new account: name, address, and a password (its strength is told in words while typing) or a passkey later. */
export async function SignUpForm(props: Props) {
  const { flow, action, values = {}, errors = {}, notice, passwordMinLength, signInHref, client, way } = props
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
      title={t(props.guest ? 'guest.title' : 'sign_up.title')}
      lead={props.guest ? t('guest.text') : client ? t('to_app', { app: client.name }) : null}
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
      {props.providersSlot ? (
        <>
          {props.providersSlot}
          <p className={OR}>{t('sign_in.or')}</p>
        </>
      ) : null}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <input type="hidden" name="way" value={way} />
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
        {way === 'password' ? (
          <Field id="password" label={t('password')} error={said.password} hint={password.hint}>
            <NewPassword
              {...password.parts}
              {...described('password', { error: said.password, hint: true })}
              name="password"
              required
              autoFocus={firstWrong === 'password'}
            />
          </Field>
        ) : (
          <p className="flex gap-3 text-[0.9375rem] text-ink-2">
            <Icon of={FACTOR_ICONS.passkey} className="mt-0.5 size-6 text-brand-ink" />
            <span>{t('sign_up.passkey_text')}</span>
          </p>
        )}
        {props.termsSlot}
        <SubmitButton wide workingLabel={ui('working')}>
          {t(way === 'passkey' ? 'sign_up.submit_passkey' : 'sign_up.submit')}
        </SubmitButton>
        {props.otherWayHref ? (
          <a href={props.otherWayHref} className="link needs-script justify-self-center text-[0.9375rem]">
            {t(way === 'passkey' ? 'sign_up.with_password' : 'sign_up.with_passkey')}
          </a>
        ) : null}
      </form>
    </AuthCard>
  )
}
