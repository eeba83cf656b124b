import { getTranslations } from 'next-intl/server'
import type { ClientView } from '@/lib/oidc'
import { ClientLogo } from '../login/client-logo'
import { Badge } from '../ui/badge'
import { Row } from '../ui/rows'
import { RelativeTime } from '../ui/time'
import { adminAppHref, kindOf } from './kinds'

/** One registered app in the list. */
export async function AppRow({ client, ...times }: { client: ClientView; timeZone: string; now: number }) {
  const t = await getTranslations('admin.apps')
  return (
    <Row
      className="roomy"
      start={<ClientLogo client={{ name: client.name, logo: client.logoUri }} />}
      title={
        <span className="flex flex-wrap items-center gap-x-2.5 gap-y-1">
          <a href={adminAppHref(client.clientId)} className="link wrap-anywhere">
            {client.name}
          </a>
          <ClientBadges client={client} />
        </span>
      }
    >
      <p className="font-mono text-sm text-ink-2 wrap-anywhere">{client.clientId}</p>
      <p className="text-[0.9375rem] text-ink-2">
        {t('since')}: <RelativeTime at={client.createdAt} {...times} />
      </p>
    </Row>
  )
}

/** What an app is beside its name. */
export async function ClientBadges({ client }: { client: ClientView }) {
  const [t, kinds] = await Promise.all([getTranslations('admin.apps'), getTranslations('admin.kinds')])
  return (
    <>
      <Badge>{kinds(kindOf(client))}</Badge>
      {client.registered ? (
        <Badge>{t(client.registered === 'document' ? 'by_document' : 'by_itself')}</Badge>
      ) : null}
      {client.firstParty ? <Badge kind="brand">{t('first_party')}</Badge> : null}
      {client.disabledAt ? <Badge kind="warning">{t('off')}</Badge> : null}
    </>
  )
}
