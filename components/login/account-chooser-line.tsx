import { getTranslations } from 'next-intl/server'
import { Avatar } from '../ui/avatar'

interface Props {
  email: string
  name?: string | null
  avatarUrl?: string | null
  /** Starts the sign-in again for someone else. */
  switchHref?: string | null
}

/** "Signed in as ada@example.com · Not you?" */
export async function AccountChooserLine({ email, name, avatarUrl, switchHref }: Props) {
  const t = await getTranslations('login.account_line')
  return (
    <div className="flex items-center gap-3 rounded-control border border-line px-3.5 py-2.5 text-[0.9375rem]">
      <Avatar name={name || email} src={avatarUrl} size="sm" />
      <span className="min-w-0 flex-1 leading-snug">
        <span className="sr-only">{t('signed_in_as', { email: '' })}</span>
        {name ? <span className="block truncate font-medium">{name}</span> : null}
        <span className="block truncate text-ink-2">{email}</span>
      </span>
      {switchHref ? (
        <a href={switchHref} className="link shrink-0 text-sm">
          {t('not_you')}
        </a>
      ) : null}
    </div>
  )
}
