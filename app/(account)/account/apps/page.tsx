import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { federation, oidc, requests, users } from '@/lib'
import { AppItem } from '../../../../components/account/app-item'
import { LiveSessions } from '../../../../components/account/live-sessions'
import { RemovedNotice } from '../../../../components/account/removed-notice'
import { Card } from '../../../../components/ui/card'
import { EmptyState } from '../../../../components/ui/empty-state'
import { appWindow } from '../../../../components/ui/icons'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Rows } from '../../../../components/ui/rows'
import { signedIn } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.apps'))('title') }
}

const PATH = '/account/apps'
const MOST = 200

/** Everything that apps may know of a person, and the way to take it back. */
export default async function ConnectedApps({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { user } = await signedIn(PATH)
  const removed = one(query.removed)
  const [t, profile, apps, outcome, removal] = await Promise.all([
    getTranslations('account.apps'),
    users.profile.get(user.id),
    oidc.grants.list(user.id, MOST),
    lastOutcome(),
    removed ? oidc.grants.removal(user.id, removed) : null,
  ])
  const { productName: product } = requests.settings()
  const providers = Object.fromEntries(federation.providers().map(({ id, name }) => [id, name]))
  const common = { product, providers, timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <LiveSessions text={t('changed')} againMs={removal?.state === 'trying' ? 2000 : undefined} />
      <div className="grid gap-5">
        {removal ? <RemovedNotice removal={removal} product={product} /> : null}
        {outcome && !removal ? <Notice live="status">{t('gone')}</Notice> : null}
        <Card id="apps" title={t('list_title')} flush>
          {apps.length === 0 ? (
            <EmptyState icon={appWindow} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('list_title')}>
              {apps.map((app) => (
                <AppItem key={app.clientId} app={app} {...common} />
              ))}
            </Rows>
          )}
          {apps.length === MOST ? (
            <p className="border-t border-line px-5 py-4 text-[0.9375rem] text-ink-3 sm:px-6">
              {t('most', { count: MOST })}
            </p>
          ) : null}
        </Card>
      </div>
    </>
  )
}
