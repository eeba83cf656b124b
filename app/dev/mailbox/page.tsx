import type { Metadata } from 'next'
import { headers } from 'next/headers'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { notify, requests } from '@/lib'
import { Card } from '../../../components/ui/card'
import { EmptyState } from '../../../components/ui/empty-state'
import { mail as mailIcon } from '../../../components/ui/icons'
import { Logo } from '../../../components/ui/logo'
import { PageHeader } from '../../../components/ui/page-header'
import { open } from './access'
import { Message } from './message'
import { Watch } from './watch'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('mail.mailbox'))('title') }
}

type Query = Promise<{ id?: string | string[]; to?: string | string[] }>

const single = (value: string | string[] | undefined): string | undefined =>
  typeof value === 'string' && value ? value : undefined

const query = (values: Record<string, string | undefined>): string => {
  const set = new URLSearchParams()
  for (const [name, value] of Object.entries(values)) if (value) set.set(name, value)
  return set.size ? `?${set}` : ''
}

/** Mail on a developer's machine: the newest on top, and the chosen one beside it. */
export default async function Mailbox({ searchParams }: { searchParams: Query }) {
  if (!open(await headers())) notFound()
  const { id: rawId, to: rawTo } = await searchParams
  const [id, to] = [single(rawId), single(rawTo)]
  const t = await getTranslations('mail.mailbox')
  const { productName, logoUrl } = requests.settings()
  const messages = await notify.mailbox.list({ ...(to ? { to } : {}), limit: 100 })
  const chosen = id ? await notify.mailbox.get(id) : null
  const link = 'text-brand-ink underline'
  return (
    <main className="mx-auto max-w-6xl px-4 py-8 sm:px-6">
      <Watch />
      <noscript>
        <meta httpEquiv="refresh" content={id ? '60' : '5'} />
      </noscript>
      <Logo product={productName} logoUrl={logoUrl ?? null} className="mb-8" />
      <PageHeader title={t('title')} lead={t('lead')}>
        <p className="flex gap-4 text-[0.9375rem]">
          <a href={`/dev/mailbox${query({ to, id })}`} className={link}>
            {t('refresh')}
          </a>
          <a href={`/dev/mailbox.json${query({ to })}`} className={link}>
            {t('json')}
          </a>
        </p>
      </PageHeader>
      {to ? (
        <p className="mb-4 text-ink-2">
          {t('only_to', { address: to })} ·{' '}
          <a href="/dev/mailbox" className={link}>
            {t('show_all')}
          </a>
        </p>
      ) : null}
      <div className="grid items-start gap-6 lg:grid-cols-[21rem_minmax(0,1fr)]">
        <Card id="messages" title={t('list')} flush>
          {messages.length === 0 ? (
            <EmptyState icon={mailIcon} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <ul className="max-h-[52rem] overflow-y-auto rounded-b-card border-t border-line">
              {messages.map((mail) => (
                <li key={mail.id} className="border-b border-line last:border-b-0">
                  <a
                    href={`/dev/mailbox${query({ to, id: mail.id })}#message`}
                    aria-current={mail.id === id ? 'true' : undefined}
                    className="block px-5 py-3 no-underline sm:px-6 hover:bg-sunken aria-[current]:bg-brand-soft"
                  >
                    <span className="block truncate font-medium text-ink">{mail.subject}</span>
                    <span className="flex justify-between gap-3 text-sm text-ink-2">
                      <span className="truncate">{mail.to}</span>
                      <time dateTime={mail.at} className="tabular-nums">
                        {mail.at.slice(11, 19)}
                      </time>
                    </span>
                  </a>
                </li>
              ))}
            </ul>
          )}
        </Card>
        {chosen ? (
          <Message mail={chosen} />
        ) : (
          <p className="px-2 py-6 text-ink-2">{id ? t('gone') : messages.length ? t('choose') : null}</p>
        )}
      </div>
    </main>
  )
}
