import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { check } from '../ui/icons'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'

interface Props {
  signInHref: string
  /** The app that the person came from, if it may be linked to. */
  back?: { name: string; href: string } | null
  /** The provider that the person had signed in with is signed in still. */
  also?: { action: string; provider: string; name: string } | null
  /** Addresses of apps that learn of the sign-out by being loaded here. */
  frames?: string[]
  /** Where the browser goes on to once they had a moment. */
  returnTo?: string | null
}

/** How long apps in frames have before the browser goes on. */
const MOMENT_SECONDS = 2

/** What stands after a sign-out. */
export async function SignedOut({ signInHref, back, also, frames = [], returnTo }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login.signed_out'), getTranslations('ui')])
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-success-soft text-success">
          <Icon of={check} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={also ? t('text_provider', { name: also.name }) : t('text')}
    >
      {returnTo ? <meta httpEquiv="refresh" content={`${MOMENT_SECONDS}; url=${returnTo}`} /> : null}
      {frames.map((address) => (
        <iframe
          key={address}
          src={address}
          title={t('telling')}
          className="sr-only"
          aria-hidden="true"
          tabIndex={-1}
          referrerPolicy="no-referrer"
          sandbox="allow-scripts allow-same-origin"
        />
      ))}
      <div className="grid gap-3">
        {returnTo ? <LinkButton href={returnTo}>{t('go_on')}</LinkButton> : null}
        {back ? <LinkButton href={back.href}>{t('back_to', { app: back.name })}</LinkButton> : null}
        <LinkButton href={signInHref} look={back || returnTo ? 'secondary' : 'primary'}>
          {t('sign_in')}
        </LinkButton>
        {also ? (
          <form method="post" action={also.action} className="grid">
            <input type="hidden" name="provider" value={also.provider} />
            <SubmitButton look="secondary" wide workingLabel={ui('working')}>
              {t('also', { name: also.name })}
            </SubmitButton>
          </form>
        ) : null}
      </div>
    </AuthCard>
  )
}
