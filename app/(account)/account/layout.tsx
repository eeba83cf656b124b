import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { federation, notify, oidc, requests } from '@/lib'
import { REASONS } from '../../../components/account/session-reasons'
import { SessionWatch } from '../../../components/account/session-watch'
import { AccountShell } from '../../../components/account/shell'
import { Icon } from '../../../components/ui/icon'
import {
  appWindow,
  download,
  keyRound,
  layoutDashboard,
  link,
  lockKeyhole,
  mail,
  monitorSmartphone,
  rotateCcwClock,
  shieldCheck,
  smartphone,
  userRound,
} from '../../../components/ui/icons'
import { isAdmin } from '../../_lib/admin'
import { summaryOf, whoIs } from '../../_lib/guard'

/** The console's frame. It guards nothing: without a session each page sends the browser to sign-in. */
export default async function AccountLayout({
  children,
  notice,
}: {
  children: ReactNode
  notice: ReactNode
}) {
  const { session } = await whoIs()
  const user = session && (await summaryOf(session.userId))
  if (!user) return children
  const t = await getTranslations('account')
  const { productName, logoUrl } = requests.settings()
  const overview = { href: '/account', label: t('nav.overview'), icon: layoutDashboard, exact: true }
  const say = (name: (typeof REASONS)[number] | 'title' | 'button') => [name, t(`locked.${name}`)]
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
        user={{
          name: user.isAnonymous ? t('guest.name') : (user.name ?? user.email ?? t('title')),
          email: user.email,
          avatarUrl: user.avatarPath,
        }}
        profileHref={user.isAnonymous ? null : '/account/profile'}
        adminHref={isAdmin(user) ? '/admin/apps' : null}
        items={
          user.isAnonymous
            ? [overview]
            : [
                overview,
                { href: '/account/profile', label: t('nav.profile'), icon: userRound },
                { href: '/account/emails', label: t('nav.emails'), icon: mail },
                ...(notify.sms.enabled()
                  ? [{ href: '/account/phones', label: t('nav.phones'), icon: smartphone }]
                  : []),
                {
                  href: '/account/security',
                  label: t('nav.security'),
                  icon: shieldCheck,
                  also: '/account/vouch',
                },
                ...(federation.providers().length > 0
                  ? [{ href: '/account/linked', label: t('nav.linked'), icon: link }]
                  : []),
                { href: '/account/devices', label: t('nav.devices'), icon: monitorSmartphone },
                { href: '/account/apps', label: t('nav.apps'), icon: appWindow },
                ...(oidc.personalTokens.options().maxDays > 0
                  ? [{ href: '/account/tokens', label: t('nav.tokens'), icon: keyRound }]
                  : []),
                { href: '/account/activity', label: t('nav.activity'), icon: rotateCcwClock },
                { href: '/account/data', label: t('nav.data'), icon: download },
              ]
        }
      >
        {notice}
        {children}
      </AccountShell>
    </SessionWatch>
  )
}
