import { getTranslations } from 'next-intl/server'
import type { ApiScope } from '@/lib/oidc'
import { ScopeItem } from '../scope-item'
import { scopeWords } from '../scope-words'
import { Icon } from '../ui/icon'
import { check } from '../ui/icons'
import { Notice } from '../ui/notice'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'

interface Props {
  /** The interaction's id, posted as `request` with `decision` = `allow` or `decline`. */
  request: string
  action: string
  client: ClientView & { policyUrl?: string | null; termsUrl?: string | null }
  account: { email: string; name?: string | null; avatarUrl?: string | null; switchHref?: string | null }
  /** The portal's name, where nobody of it vouches for the app: it registered itself. */
  unverifiedBy?: string | null
  /** The host whose document describes the app, where nobody else does. */
  describedBy?: string | null
  /** Scopes asked for that were not granted before. */
  newScopes: readonly string[]
  /** Scopes this app has already. */
  grantedScopes?: readonly string[]
  /** Names of the other providers whose tokens may be asked for, by their ids. */
  providers?: Readonly<Record<string, string>>
  /** What the operator says of scopes of APIs. */
  apis?: Readonly<Record<string, ApiScope>>
  /** Host of the redirect URI: where both buttons lead. */
  returnHost?: string | null
}

/** Names the app, the account and what is asked for, in words; Allow and Decline weigh the same. */
export async function ConsentForm(props: Props) {
  const {
    request,
    action,
    client,
    account,
    newScopes,
    grantedScopes = [],
    providers = {},
    apis = {},
    unverifiedBy = null,
    describedBy = null,
    returnHost,
  } = props
  const [t, ui, words] = await Promise.all([
    getTranslations('login'),
    getTranslations('ui'),
    scopeWords(client.name, providers, apis),
  ])
  const more = grantedScopes.length > 0 ? 'consent.subtitle_more' : 'consent.subtitle'
  // An app may ask again for what it has (Core 3.1.2.1, prompt=consent).
  const lead = newScopes.length > 0 ? more : 'consent.subtitle_again'
  return (
    <AuthCard
      top={<ClientLogo client={client} />}
      title={t('consent.title', { app: client.name })}
      lead={t(lead, { app: client.name })}
      bottom={
        <div className="grid gap-1 text-sm">
          <p>
            {t('consent.revoke_note', { app: client.name })}
            {returnHost ? ` ${t('consent.goes_to', { host: returnHost })}` : null}
          </p>
          {client.policyUrl || client.termsUrl ? (
            <p className="flex flex-wrap justify-center gap-x-4 gap-y-1.5">
              {client.policyUrl ? (
                <a href={client.policyUrl} className="link" target="_blank" rel="noopener noreferrer">
                  {t('consent.policy', { app: client.name })}
                </a>
              ) : null}
              {client.termsUrl ? (
                <a href={client.termsUrl} className="link" target="_blank" rel="noopener noreferrer">
                  {t('consent.terms', { app: client.name })}
                </a>
              ) : null}
            </p>
          ) : null}
        </div>
      }
    >
      {describedBy ? (
        <Notice kind="warning">{t('consent.described', { app: client.name, host: describedBy })}</Notice>
      ) : null}
      {unverifiedBy ? (
        <Notice kind="warning">{t('consent.unverified', { app: client.name, product: unverifiedBy })}</Notice>
      ) : null}
      {newScopes.length > 0 ? (
        <ul className="grid gap-4">
          {newScopes.map((scope) => (
            <ScopeItem key={scope} {...words(scope)} />
          ))}
        </ul>
      ) : null}
      {grantedScopes.length ? (
        <div className="rounded-control bg-sunken px-4 py-3 text-[0.9375rem]">
          <p className="text-sm font-medium text-ink-3">{t('consent.already')}</p>
          <ul className="mt-1 grid gap-1">
            {grantedScopes.map((scope) => (
              <li key={scope} className="flex items-center gap-2 text-ink-2">
                <Icon of={check} className="size-4 text-success" />
                {words(scope).title}
              </li>
            ))}
          </ul>
        </div>
      ) : null}
      <AccountChooserLine {...account} />
      <form method="post" action={action} className="grid gap-3 sm:grid-cols-2">
        <input type="hidden" name="request" value={request} />
        <SubmitButton name="decision" value="allow" wide workingLabel={ui('working')}>
          {t('consent.allow')}
        </SubmitButton>
        <SubmitButton name="decision" value="decline" look="secondary" wide workingLabel={ui('working')}>
          {t('consent.decline')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
