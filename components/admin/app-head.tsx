import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import type { ClientView } from '@/lib/oidc'
import { ClientLogo } from '../login/client-logo'
import { NavLink } from '../ui/nav-link'
import { PageHeader } from '../ui/page-header'
import { ClientBadges } from './app-row'
import { adminAppHref } from './kinds'

/** The head of every page about one app: its name, what can be done with it, and its other pages. */
export async function AppHead({ client, children }: { client: ClientView; children?: ReactNode }) {
  const t = await getTranslations('admin.app')
  const path = adminAppHref(client.clientId)
  const { name } = client
  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href="/admin/apps" className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader
        title={
          <span className="flex items-center gap-4">
            <ClientLogo client={{ name, logo: client.logoUri }} />
            <span className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1">
              <span className="wrap-anywhere">{name}</span>
              <ClientBadges client={client} />
            </span>
          </span>
        }
      >
        {children}
      </PageHeader>
      <nav aria-label={t('pages')} className="-mt-2 mb-5">
        <ul className="flex flex-wrap gap-1">
          {(['overview', 'connect', 'trial', 'claims'] as const).map((page) => (
            <li key={page}>
              <NavLink href={page === 'overview' ? path : `${path}/${page}`} exact>
                {t(`page_${page}`)}
              </NavLink>
            </li>
          ))}
        </ul>
      </nav>
    </>
  )
}
