import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { oidc, users } from '@/lib'
import { AppRow } from '../../../components/admin/app-row'
import { Button, LinkButton } from '../../../components/ui/button'
import { Card } from '../../../components/ui/card'
import { EmptyState } from '../../../components/ui/empty-state'
import { Field } from '../../../components/ui/field'
import { appWindow } from '../../../components/ui/icons'
import { Input } from '../../../components/ui/input'
import { Notice } from '../../../components/ui/notice'
import { PageHeader } from '../../../components/ui/page-header'
import { Rows } from '../../../components/ui/rows'
import { adminIn } from '../../_lib/admin'
import { one, type Query } from '../../_lib/login'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  await adminIn()
  return { title: (await getTranslations('admin.apps'))('title') }
}

const PATH = '/admin/apps'

/** `<milliseconds>.<client_id>`, as the link to older apps says it. */
function placeIn(said: string): { at: number; id: string } | null {
  const [, at, id] = /^(\d{1,15})\.(.{1,200})$/.exec(said) ?? []
  return at && id ? { at: Number(at), id } : null
}

/** Every app that is registered. */
export default async function Apps({ searchParams }: { searchParams: Query }) {
  const query = await searchParams
  const { user } = await adminIn()
  const text = one(query.q).trim().slice(0, 100)
  const after = placeIn(one(query.after))
  const [t, app, profile, found, outcome] = await Promise.all([
    getTranslations('admin.apps'),
    getTranslations('admin.app'),
    users.profile.get(user.id),
    oidc.clients.search({ text, after }),
    lastOutcome(),
  ])
  const times = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  const href = (more: Record<string, string>) =>
    `${PATH}?${new URLSearchParams({ ...(text && { q: text }), ...more })}`
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        <LinkButton href="/admin/register">{t('new')}</LinkButton>
      </PageHeader>
      <div className="grid gap-5">
        {outcome?.kind === 'removed' ? (
          <Notice kind="success">{app('removed', { name: outcome.name })}</Notice>
        ) : null}
        <search>
          <form method="get" action={PATH} className="flex flex-wrap items-end gap-3">
            <Field id="q" label={t('search')} className="min-w-48 flex-1">
              <Input id="q" name="q" type="search" defaultValue={text} maxLength={100} />
            </Field>
            <Button type="submit" look="secondary">
              {t('search_submit')}
            </Button>
            {text ? (
              <LinkButton href={PATH} look="quiet">
                {t('search_all')}
              </LinkButton>
            ) : null}
          </form>
        </search>
        <Card id="apps" title={t('list')} flush>
          {found.clients.length === 0 ? (
            <EmptyState icon={appWindow} title={t(text ? 'none_title' : 'empty_title')}>
              {text ? <span className="wrap-anywhere">{t('none', { text })}</span> : t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('list')}>
              {found.clients.map((client) => (
                <AppRow key={client.clientId} client={client} {...times} />
              ))}
            </Rows>
          )}
        </Card>
        {found.next || after ? (
          <div className="flex flex-wrap gap-3">
            {after ? (
              <LinkButton href={href({})} look="secondary">
                {t('newest')}
              </LinkButton>
            ) : null}
            {found.next ? (
              <LinkButton href={href({ after: `${found.next.at}.${found.next.id}` })} look="secondary">
                {t('more')}
              </LinkButton>
            ) : null}
          </div>
        ) : null}
      </div>
    </>
  )
}
