import { getTranslations } from 'next-intl/server'
import { described, Field } from '../ui/field'
import { Input } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { RefusalNotice, type RefusalView, refusalText } from './words'

interface Props {
  flow: string
  /** Where the form posts: `flow`, `firstName`, `lastName`, and `email` where it is not proven. */
  action: string
  newcomer: {
    /** Null for who came by a code. */
    provider: string | null
    email: string | null
    /** The address stands fast. */
    proven: boolean
    firstName: string | null
    lastName: string | null
  }
  typed: { email?: string; firstName?: string; lastName?: string } | null
  notice?: RefusalView | null
  /** To begin again, for who came by a provider with another account than they meant. */
  againHref?: string | null
}

/** A new account of which little is missing: an address that nobody vouches for, a name that nobody said. */
export async function DetailsForm({ flow, action, newcomer, typed, notice, againHref }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login'), getTranslations('ui')])
  const { provider, proven } = newcomer
  const email = proven ? newcomer.email : (typed?.email ?? newcomer.email)
  const first = typed?.firstName ?? newcomer.firstName ?? ''
  const last = typed?.lastName ?? newcomer.lastName ?? ''
  const said = notice?.field === 'email' ? await refusalText(notice) : undefined
  return (
    <AuthCard
      title={provider ? t('details.title_provider') : t('details.title')}
      lead={
        !provider
          ? t('details.lead', { email: email ?? '' })
          : t(proven ? 'details.lead_provider' : 'details.lead_unproven', { provider, email: email ?? '' })
      }
      bottom={
        againHref ? (
          <>
            {t('details.not_new')}{' '}
            <a href={againHref} className="link">
              {t('details.again')}
            </a>
          </>
        ) : null
      }
    >
      {notice && !said ? <RefusalNotice refusal={notice} /> : null}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        {proven ? null : (
          <Field id="email" label={t('email')} hint={t('sign_up.email_hint')} error={said}>
            <Input
              {...described('email', { error: said, hint: true })}
              type="email"
              name="email"
              defaultValue={email ?? undefined}
              autoComplete="email"
              autoCapitalize="none"
              spellCheck={false}
              maxLength={254}
              required
              autoFocus={!email || said !== undefined}
            />
          </Field>
        )}
        <div className="grid gap-5 sm:grid-cols-2 sm:gap-4">
          <Field id="first-name" label={t('sign_up.first_name')}>
            <Input
              {...described('first-name', {})}
              name="firstName"
              defaultValue={first}
              autoComplete="given-name"
              maxLength={100}
              required
              autoFocus={proven && !first}
            />
          </Field>
          <Field id="last-name" label={t('sign_up.last_name')} note={ui('optional')}>
            <Input
              {...described('last-name', {})}
              name="lastName"
              defaultValue={last}
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
