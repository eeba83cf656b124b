import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'

interface Props {
  /** The interaction's id, posted as `request` with `decision` = `decline`. */
  request: string
  action: string
  client: ClientView
  account: { email: string; name?: string | null; avatarUrl?: string | null }
  /** Starts the sign-in again for somebody else. */
  anotherHref: string
  /** It is a device that waits: no browser goes back to it. */
  isDevice: boolean
}

/** Names the app and the account that it does not let in, and the two ways on. Which people it lets in is not said. */
export async function NoEntryForm({ request, action, client, account, anotherHref, isDevice }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login.no_entry'), getTranslations('ui')])
  const app = client.name
  return (
    <AuthCard
      top={<ClientLogo client={client} />}
      title={t('title', { app })}
      lead={t('lead', { app })}
      bottom={<p className="text-sm">{t('note', { app })}</p>}
    >
      <AccountChooserLine {...account} />
      <div className="grid gap-3">
        <LinkButton href={anotherHref}>{t('another')}</LinkButton>
        <form method="post" action={action}>
          <input type="hidden" name="request" value={request} />
          <SubmitButton name="decision" value="decline" look="secondary" wide workingLabel={ui('working')}>
            {isDevice ? t('end') : t('back', { app })}
          </SubmitButton>
        </form>
      </div>
    </AuthCard>
  )
}
