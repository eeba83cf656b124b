import { getTranslations } from 'next-intl/server'
import { Avatar } from '../ui/avatar'
import { Icon } from '../ui/icon'
import { chevronDown, logOut, userRound, wrench } from '../ui/icons'

interface Props {
  name: string
  email: string | null
  avatarUrl: string | null
  profileHref: string | null
  /** Null for all but operators. */
  adminHref: string | null
}

/** Who is signed in, and the way out. The browser's own popover: Escape and a click outside close it. */
export async function UserMenu({ name, email, avatarUrl, profileHref, adminHref }: Props) {
  const t = await getTranslations('account.nav')
  return (
    <>
      <button
        type="button"
        popoverTarget="user-menu"
        className="flex min-h-11 items-center gap-2 rounded-full py-1 pr-2 pl-1 text-ink-2 hover:bg-sunken hover:text-ink"
      >
        <Avatar name={name} src={avatarUrl} size="sm" />
        <span className="sr-only">{t('menu')}: </span>
        <span className="sr-only max-w-48 text-[0.9375rem] font-medium sm:not-sr-only sm:truncate">
          {name}
        </span>
        <Icon of={chevronDown} className="size-4" />
      </button>
      <div
        id="user-menu"
        popover="auto"
        className="user-menu w-72 max-w-[calc(100vw-2rem)] rounded-card border border-line bg-surface p-2 text-ink shadow-2"
      >
        <div className="flex items-center gap-3 px-3 pt-2 pb-3">
          <Avatar name={name} src={avatarUrl} />
          <div className="min-w-0">
            <p className="truncate font-medium">{name}</p>
            {email && email !== name ? <p className="truncate text-sm text-ink-2">{email}</p> : null}
          </div>
        </div>
        <div className="border-t border-line pt-2">
          {profileHref ? (
            <a href={profileHref} className="menu-item">
              <Icon of={userRound} />
              {t('profile')}
            </a>
          ) : null}
          {adminHref ? (
            <a href={adminHref} className="menu-item">
              <Icon of={wrench} />
              {t('admin')}
            </a>
          ) : null}
          <form method="post" action="/signout/submit">
            <button type="submit" className="menu-item">
              <Icon of={logOut} />
              {t('sign_out')}
            </button>
          </form>
        </div>
      </div>
    </>
  )
}
