import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { requests } from '@/lib'
import { REASONS } from '../../components/account/session-reasons'
import { SessionWatch } from '../../components/account/session-watch'
import { AccountShell } from '../../components/account/shell'
import { Icon } from '../../components/ui/icon'
import { appWindow, lockKeyhole, userRound } from '../../components/ui/icons'
import { isAdmin } from '../_lib/admin'
import { summaryOf, whoIs } from '../_lib/guard'

/** The frame of the administration. It guards nothing: to others each page says that there is none. */
export default async function AdminLayout({ children }: { children: ReactNode }) {
  const { session } = await whoIs()
  const user = session && (await summaryOf(session.userId))
  if (!session || !isAdmin(user)) return children
  const [t, account] = await Promise.all([getTranslations('admin.nav'), getTranslations('account')])
  const { productName, logoUrl } = requests.settings()
  const say = (name: (typeof REASONS)[number] | 'title' | 'button') => [name, account(`locked.${name}`)]
  const words = Object.fromEntries((['title', 'button', ...REASONS] as const).map(say))
  return (
    <SessionWatch
      sid={session.sid}
      words={words}
      icon={<Icon of={lockKeyhole} className="size-10 text-ink-3" />}
    >
      <AccountShell
        product={productName}
        logoUrl={logoUrl}
        user={{ name: user.name ?? user.email ?? '', email: user.email, avatarUrl: user.avatarPath }}
        profileHref="/account/profile"
        adminHref="/admin/apps"
        label={t('label')}
        items={[
          { href: '/admin/apps', label: t('apps'), icon: appWindow, also: '/admin/register' },
          { href: '/account', label: t('account'), icon: userRound, exact: true },
        ]}
      >
        {children}
      </AccountShell>
    </SessionWatch>
  )
}
