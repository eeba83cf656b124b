import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { Logo } from '../ui/logo'
import { Nav, type NavItem } from '../ui/nav'
import { UserMenu } from './user-menu'

interface Props {
  product: string
  logoUrl?: string | null
  user: { name: string; email: string | null; avatarUrl: string | null }
  /** Null for who has none. */
  profileHref: string | null
  /** Null for all but operators. */
  adminHref: string | null
  /** Above the navigation, where it is not that of the account. */
  label?: string
  items: readonly NavItem[]
  children: ReactNode
}

/** The frame of the console: brand and user above, navigation at the side, the page. */
export async function AccountShell({
  product,
  logoUrl,
  user,
  profileHref,
  adminHref,
  label,
  items,
  children,
}: Props) {
  const [t, ui] = await Promise.all([getTranslations('account.nav'), getTranslations('ui')])
  return (
    <>
      <a
        href="#main"
        className="sr-only z-50 rounded-control bg-surface px-4 py-2 font-medium shadow-2 focus:not-sr-only focus:fixed focus:top-3 focus:left-3"
      >
        {ui('skip')}
      </a>
      <header className="sticky top-0 z-20 border-b border-line bg-surface">
        <div className="mx-auto flex h-16 max-w-[72rem] items-center justify-between gap-4 px-4 sm:px-6">
          <a href="/account" className="flex min-w-0 rounded-md" aria-label={ui('home', { product })}>
            <Logo product={product} logoUrl={logoUrl} />
          </a>
          <UserMenu {...user} profileHref={profileHref} adminHref={adminHref} />
        </div>
      </header>
      <div className="mx-auto grid max-w-[72rem] gap-4 px-4 pt-3 pb-16 sm:px-6 md:grid-cols-[13.5rem_minmax(0,1fr)] md:gap-10 md:pt-10">
        <div className="min-w-0 md:sticky md:top-26 md:self-start">
          <Nav label={label ?? t('label')} items={items} />
        </div>
        <main id="main" tabIndex={-1} className="min-w-0 pt-2 outline-none md:pt-0">
          {children}
        </main>
      </div>
    </>
  )
}
