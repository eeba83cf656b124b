import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'

interface Props {
  product: string
  action: string
  /** What must travel with the answer, e.g. the provider's logout id. */
  hidden?: Record<string, string>
  account?: { email: string; name?: string | null; avatarUrl?: string | null } | null
  /** Somebody without an account, who cannot come back. */
  guest?: boolean
  /** The app that asked, when one did. */
  client?: ClientView | null
  /** Where "Stay signed in" leads, or what it posts. */
  stay: { href: string } | { name: string; value: string }
}

/** Asks before signing out: a link alone never does. */
export async function SignOutForm({ product, action, hidden = {}, account, guest, client, stay }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login.sign_out'), getTranslations('ui')])
  return (
    <AuthCard
      top={client ? <ClientLogo client={client} /> : null}
      title={t('title')}
      lead={client ? t('text_app', { app: client.name, product }) : t('text', { product })}
    >
      {account ? <AccountChooserLine {...account} /> : null}
      <p className="text-[0.9375rem] text-ink-2">{t(guest ? 'guest' : 'apps')}</p>
      <form method="post" action={action} className="grid gap-3">
        {Object.entries(hidden).map(([name, value]) => (
          <input key={name} type="hidden" name={name} value={value} />
        ))}
        <SubmitButton wide workingLabel={ui('working')}>
          {t('submit')}
        </SubmitButton>
        {'href' in stay ? (
          <LinkButton href={stay.href} look="secondary" wide>
            {t('stay')}
          </LinkButton>
        ) : (
          <SubmitButton {...stay} look="secondary" wide workingLabel={ui('working')}>
            {t('stay')}
          </SubmitButton>
        )}
      </form>
    </AuthCard>
  )
}
