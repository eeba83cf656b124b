import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { federation, oidc, requests, sessions, users } from '@/lib'
import { AppBadges, appHref } from '../../../../../components/account/app-item'
import { ConfirmChange } from '../../../../../components/account/confirm-change'
import { LiveSessions } from '../../../../../components/account/live-sessions'
import { placeName } from '../../../../../components/account/places'
import { deviceName } from '../../../../../components/account/words'
import { ClientLogo } from '../../../../../components/login/client-logo'
import { ScopeItem } from '../../../../../components/scope-item'
import { claimName, scopeWords } from '../../../../../components/scope-words'
import { Badge } from '../../../../../components/ui/badge'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { DeviceIcon } from '../../../../../components/ui/device-icon'
import { EmptyState } from '../../../../../components/ui/empty-state'
import { appWindow, listChecks } from '../../../../../components/ui/icons'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { Facts, Row, Rows } from '../../../../../components/ui/rows'
import { RelativeTime } from '../../../../../components/ui/time'
import { signedIn } from '../../../../_lib/guard'
import { one, type Query } from '../../../../_lib/login'
import { removeAccess } from '../actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.apps'))('title') }
}

const PATH = '/account/apps'
/** Sessions of a person that are looked at for those that are signed in to the app. */
const LATEST = 100

interface Props {
  params: Promise<{ id: string }>
  searchParams: Query
}

/** An address may be bent by hand. */
function decoded(id: string): string {
  try {
    return decodeURIComponent(id)
  } catch {
    return ''
  }
}

/** One connected app: what it may see, where it is signed in, and the way to remove it. */
export default async function ConnectedApp({ params, searchParams }: Props) {
  const clientId = decoded((await params).id)
  const path = appHref(clientId)
  const { session, user } = await signedIn(path)
  const app = await oidc.grants.get(user.id, clientId)
  if (!app) notFound()
  const { productName: product } = requests.settings()
  const providers = Object.fromEntries(federation.providers().map(({ id, name }) => [id, name]))
  const [t, profile, words, claim, latest] = await Promise.all([
    getTranslations('account.apps'),
    users.profile.get(user.id),
    scopeWords(app.clientName, providers, app.apiScopes),
    claimName(),
    sessions.list(user.id, { limit: LATEST }),
  ])
  const times = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  const shown = latest.filter(({ sid }) => app.sids.includes(sid))
  const scopes = [...app.scopes, ...Object.keys(app.apiScopes)]
  const more = app.sids.length - shown.length
  const links = [
    { href: app.clientUri, text: t('website') },
    { href: app.policyUri, text: t('policy') },
    { href: app.tosUri, text: t('terms') },
  ].filter((link): link is { href: string; text: string } => link.href !== null)

  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href={PATH} className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader
        title={
          <span className="flex items-center gap-4">
            <ClientLogo client={{ name: app.clientName, logo: app.logoUri }} />
            <span className="flex min-w-0 flex-wrap items-center gap-x-3 gap-y-1">
              <span className="wrap-anywhere">{app.clientName}</span>
              <AppBadges app={app} product={product} />
            </span>
          </span>
        }
      >
        <LinkButton href={`${path}?remove=1`} look="secondary">
          {t('remove')}
        </LinkButton>
      </PageHeader>
      <LiveSessions text={t('changed')} />
      <div className="grid gap-5">
        {app.off ? <Notice kind="info">{t('off_text', { product })}</Notice> : null}
        {app.firstParty ? <Notice kind="info">{t('first_party_text', { product })}</Notice> : null}

        <Card id="sees" title={t('sees_title')} lead={t('sees_lead')}>
          {scopes.length + app.claims.length === 0 ? <p>{t('sees_nothing')}</p> : null}
          <ul className="grid gap-4 sm:grid-cols-2">
            {scopes.map((scope) => (
              <ScopeItem key={scope} {...words(scope)} />
            ))}
            {app.claims.length ? (
              <ScopeItem shape={listChecks} title={t('sees_only')} text={app.claims.map(claim).join(' · ')} />
            ) : null}
          </ul>
          <div className="mt-5 border-t border-line pt-4">
            <Facts
              items={[
                { term: t('since'), value: <RelativeTime at={app.createdAt} {...times} /> },
                {
                  term: t('last_used'),
                  value: app.lastUsedAt ? <RelativeTime at={app.lastUsedAt} {...times} /> : t('never'),
                },
                { term: t('renew'), value: t('renew_count', { count: app.tokens }) },
              ]}
            />
            {links.length ? (
              <p className="mt-4 flex flex-wrap gap-x-5 gap-y-1 text-[0.9375rem]">
                {links.map(({ href, text }) => (
                  <a key={text} href={href} className="link" target="_blank" rel="noopener noreferrer">
                    {text}
                  </a>
                ))}
              </p>
            ) : null}
          </div>
        </Card>

        <Card id="where" title={t('where_title')} flush>
          {app.sids.length === 0 ? (
            <EmptyState icon={appWindow} title={t('where_none_title')}>
              {t('where_none')}
            </EmptyState>
          ) : (
            <Rows label={t('where_title')}>
              {
                await Promise.all(
                  shown.map(async (row) => (
                    <Row
                      key={row.sid}
                      start={<DeviceIcon kind={row.kind} current={row.sid === session.sid} />}
                      title={
                        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
                          {row.deviceId ? (
                            <a href={`/account/devices/${row.deviceId}`} className="link wrap-anywhere">
                              {await deviceName(row)}
                            </a>
                          ) : (
                            await deviceName(row)
                          )}
                          {row.sid === session.sid ? (
                            <Badge kind="brand">{(await getTranslations('account.devices'))('this')}</Badge>
                          ) : null}
                        </span>
                      }
                    >
                      <p className="text-[0.9375rem] text-ink-2">
                        {await placeName(row)}
                        {' · '}
                        {t('where_last')}: <RelativeTime at={row.lastActiveAt} {...times} />
                      </p>
                    </Row>
                  )),
                )
              }
            </Rows>
          )}
          {more > 0 ? (
            <p className="border-t border-line px-5 py-4 text-[0.9375rem] text-ink-3 sm:px-6">
              {t('where_more', { count: more })}
            </p>
          ) : null}
        </Card>
      </div>

      {one((await searchParams).remove) ? (
        <ConfirmChange
          title={t('remove_title', { app: app.clientName })}
          effects={[
            t('remove_text'),
            t('remove_sessions', { count: app.sids.length }),
            t('remove_tokens', { count: app.tokens }),
            ...(app.sids.length ? [t(app.told ? 'remove_told' : 'remove_untold')] : []),
            app.firstParty ? t('remove_again_first_party', { product }) : t('remove_again'),
          ]}
          action={removeAccess}
          hidden={{ app: clientId }}
          submit={t('remove')}
          danger
          closeHref={path}
        />
      ) : null}
    </>
  )
}
