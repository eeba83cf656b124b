import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { LinkButton } from '../ui/button'
import { described, Field } from '../ui/field'
import { Input } from '../ui/input'
import { Notice } from '../ui/notice'
import { PasswordInput } from '../ui/password-input'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { CanPasskey } from './can-passkey'
import { ClientLogo, type ClientView } from './client-logo'
import { OR } from './or'
import { passwordParts } from './password-props'
import { RefusalNotice, type RefusalView } from './words'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `email`, `password`, `canPasskey`; null where passwords are switched off. */
  action: string | null
  /** Where the same form posts for a code by mail instead of the password. */
  codeAction?: string | null
  /** The page that asks for a phone number instead. */
  phoneHref?: string | null
  /** Filled in for the person: login_hint, or what was typed before. */
  email?: string
  notice?: RefusalView | null
  /** Hidden while sign-up is closed. */
  signUpHref?: string | null
  forgotHref?: string | null
  /** The person is signed in and proves again who they are: the address stands fast. */
  reauthUser?: { email: string; otherHref: string } | null
  /** The account that this address belongs to is proven, and then a provider's is linked to it. `plainAction` leaves that. */
  linking?: { email: string; provider: string; plainAction: string } | null
  client?: ClientView | null
  /** The passkey's own form. */
  passkeySlot?: ReactNode
  /** It comes before everything else: the best this person has, or the only way. */
  passkeyFirst?: boolean
  /** Below the form: other ways in. */
  providersSlot?: ReactNode
  /** Where a form posts that goes on without an account; null where guests are not taken. */
  guestAction?: string | null
  /** Who signs in is a guest until then: what they did as one stays behind. */
  guest?: boolean
}

/** E-mail and password in one form, so that password managers fill both. Works without script. */
export async function SignInForm({
  flow,
  action,
  codeAction,
  phoneHref,
  email,
  notice,
  signUpHref,
  forgotHref,
  reauthUser,
  linking,
  client,
  passkeySlot,
  passkeyFirst = false,
  providersSlot,
  guestAction,
  guest = false,
}: Props) {
  const [t, ui, parts] = await Promise.all([getTranslations('login'), getTranslations('ui'), passwordParts()])
  const fixed = reauthUser?.email ?? linking?.email
  const known = fixed ?? email
  return (
    <AuthCard
      top={client ? <ClientLogo client={client} /> : null}
      title={
        reauthUser ? t('sign_in.reauth_title') : linking ? t('sign_in.linking_title') : t('sign_in.title')
      }
      lead={
        linking
          ? t('sign_in.linking_text', linking)
          : reauthUser
            ? t(passkeyFirst ? 'sign_in.reauth_text_passkey' : 'sign_in.reauth_text')
            : client
              ? t('to_app', { app: client.name })
              : t('sign_in.subtitle')
      }
      bottom={
        linking ? (
          <form method="post" action={linking.plainAction}>
            <input type="hidden" name="flow" value={flow} />
            <button type="submit" className="link">
              {t('sign_in.linking_without', linking)}
            </button>
          </form>
        ) : signUpHref && !reauthUser ? (
          <>
            {t('sign_in.new_here')}{' '}
            <a href={signUpHref} className="link">
              {t('sign_in.create')}
            </a>
          </>
        ) : null
      }
    >
      {notice ? <RefusalNotice refusal={notice} /> : null}
      {guest ? <Notice kind="info">{t('guest.sign_in_note')}</Notice> : null}
      {reauthUser ? (
        <AccountChooserLine email={reauthUser.email} switchHref={reauthUser.otherHref} />
      ) : linking ? (
        <AccountChooserLine email={linking.email} />
      ) : null}
      {passkeyFirst && passkeySlot ? (
        <>
          {passkeySlot}
          {action || codeAction ? <p className={`${OR} needs-script`}>{t('sign_in.or')}</p> : null}
        </>
      ) : null}
      {action || codeAction ? (
        <form id="sign-in" method="post" action={action ?? codeAction ?? undefined} className="grid gap-5">
          <input type="hidden" name="flow" value={flow} />
          <CanPasskey />
          {fixed ? (
            // Kept in the form, so that password managers know whose password it is.
            <input type="email" name="email" value={fixed} autoComplete="username" readOnly hidden />
          ) : (
            <Field id="email" label={t('email')}>
              <Input
                {...described('email', {})}
                aria-invalid={notice?.code === 'wrong_credentials' || notice?.field === 'email' || undefined}
                type="email"
                name="email"
                defaultValue={known}
                autoComplete="username webauthn"
                autoCapitalize="none"
                spellCheck={false}
                maxLength={254}
                required
                autoFocus={!known && !passkeyFirst}
              />
            </Field>
          )}
          {action ? (
            <Field id="password" label={t('password')}>
              <PasswordInput
                {...parts}
                {...described('password', {})}
                aria-invalid={
                  notice?.code === 'wrong_credentials' || notice?.field === 'password' || undefined
                }
                name="password"
                autoComplete="current-password"
                required
                autoFocus={Boolean(known) && !passkeyFirst}
              />
            </Field>
          ) : null}
          {/* Behind the password in the order of Tab: from the address the next stop is the password. */}
          {action && forgotHref ? (
            <a href={forgotHref} className="link -mt-2 justify-self-end text-sm">
              {t('sign_in.forgot')}
            </a>
          ) : null}
          <SubmitButton
            wide
            look={passkeyFirst && passkeySlot ? 'secondary' : 'primary'}
            workingLabel={ui('working')}
          >
            {!action
              ? t('sign_in.email_code_only')
              : reauthUser
                ? t('sign_in.reauth_submit')
                : t('sign_in.submit')}
          </SubmitButton>
        </form>
      ) : null}
      <div className="grid gap-3 empty:hidden">
        {passkeyFirst ? null : passkeySlot}
        {action && codeAction ? (
          <SubmitButton
            form="sign-in"
            wide
            look="secondary"
            formAction={codeAction}
            formNoValidate
            workingLabel={ui('working')}
          >
            {t('sign_in.email_code')}
          </SubmitButton>
        ) : null}
        {phoneHref ? (
          <LinkButton wide look="secondary" href={phoneHref}>
            {t('sign_in.phone')}
          </LinkButton>
        ) : null}
      </div>
      {providersSlot ? (
        <>
          {action || codeAction || passkeySlot ? <p className={OR}>{t('sign_in.or')}</p> : null}
          {providersSlot}
        </>
      ) : null}
      {guestAction ? (
        <form method="post" action={guestAction} className="grid gap-1 border-t border-line pt-4 text-center">
          <input type="hidden" name="flow" value={flow} />
          <SubmitButton look="quiet" wide workingLabel={ui('working')}>
            {t('guest.submit')}
          </SubmitButton>
          <p className="text-sm text-ink-3">{t('guest.hint')}</p>
        </form>
      ) : null}
    </AuthCard>
  )
}
