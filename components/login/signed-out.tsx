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
}

/** What stands after a sign-out. */
export async function SignedOut({ signInHref, back, also }: Props) {
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
      <div className="grid gap-3">
        {back ? <LinkButton href={back.href}>{t('back_to', { app: back.name })}</LinkButton> : null}
        <LinkButton href={signInHref} look={back ? 'secondary' : 'primary'}>
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
