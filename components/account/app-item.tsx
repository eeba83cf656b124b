import { getTranslations } from 'next-intl/server'
import type { GrantView } from '@/lib/oidc'
import { ClientLogo } from '../login/client-logo'
import { claimName, scopeWords } from '../scope-words'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Facts, Row } from '../ui/rows'
import { RelativeTime } from '../ui/time'

export const appHref = (clientId: string): string => `/account/apps/${encodeURIComponent(clientId)}`

interface Props {
  app: GrantView
  product: string
  providers: Readonly<Record<string, string>>
  timeZone: string
  now: number
}

/** One connected app: what it may see, since when, where it is signed in, and the way to remove it. */
export async function AppItem({ app, product, providers, ...times }: Props) {
  const [t, words, claim] = await Promise.all([
    getTranslations('account.apps'),
    scopeWords(app.clientName, providers, app.apiScopes),
    claimName(),
  ])
  const { clientName: name } = app
  const scopes = [...app.scopes, ...Object.keys(app.apiScopes)]
  const sees = [...scopes.map((scope) => words(scope).title), ...app.claims.map(claim)]
  return (
    <Row
      className="roomy"
      start={<ClientLogo client={{ name, logo: app.logoUri }} />}
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <a href={appHref(app.clientId)} className="link wrap-anywhere">
            {name}
          </a>
          <AppBadges app={app} product={product} />
        </span>
      }
      end={
        <LinkButton
          href={`${appHref(app.clientId)}?remove=1`}
          look="secondary"
          size="sm"
          aria-label={t('remove_named', { app: name })}
        >
          {t('remove')}
        </LinkButton>
      }
    >
      <p>{sees.length ? sees.join(' · ') : t('sees_nothing')}</p>
      <Facts
        items={[
          { term: t('sessions'), value: t('sessions_count', { count: app.sids.length }) },
          {
            term: t('last_used'),
            value: app.lastUsedAt ? <RelativeTime at={app.lastUsedAt} {...times} /> : t('never'),
          },
          { term: t('since'), value: <RelativeTime at={app.createdAt} {...times} /> },
        ]}
      />
    </Row>
  )
}

/** What an app is beside its name. */
export async function AppBadges({ app, product }: Pick<Props, 'app' | 'product'>) {
  const t = await getTranslations('account.apps')
  return (
    <>
      {app.firstParty ? <Badge kind="brand">{t('first_party', { product })}</Badge> : null}
      {app.off ? <Badge>{t('off')}</Badge> : null}
    </>
  )
}
