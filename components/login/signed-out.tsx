import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { check } from '../ui/icons'
import { AuthCard } from './auth-shell'

interface Props {
  signInHref: string
  /** The app that the person came from, if it may be linked to. */
  back?: { name: string; href: string } | null
}

/** What stands after a sign-out. */
export async function SignedOut({ signInHref, back }: Props) {
  const t = await getTranslations('login.signed_out')
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-success-soft text-success">
          <Icon of={check} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={t('text')}
    >
      <div className="grid gap-3">
        {back ? <LinkButton href={back.href}>{t('back_to', { app: back.name })}</LinkButton> : null}
        <LinkButton href={signInHref} look={back ? 'secondary' : 'primary'}>
          {t('sign_in')}
        </LinkButton>
      </div>
    </AuthCard>
  )
}
