import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import type { ClientView } from '@/lib/oidc'
import { Card } from '../ui/card'
import { Facts } from '../ui/rows'
import { RelativeTime } from '../ui/time'
import { type CHOICES, type FieldName, fieldsOf, type Kind, SECTION_NAMES } from './client-fields'

const code = (text: string) => (
  <code key={text} className="block font-mono text-[0.9375rem] wrap-anywhere">
    {text}
  </code>
)

/** Everything that is registered, in the sections of the form that changes it; what an app does not have is left out. */
export async function RegistrationCard({
  client,
  ...times
}: {
  client: ClientView
  timeZone: string
  now: number
}) {
  const [t, apps, labels, sections, choices] = await Promise.all([
    getTranslations('admin.app'),
    getTranslations('admin.apps'),
    getTranslations('admin.labels'),
    getTranslations('admin.sections'),
    getTranslations('admin.choices'),
  ])
  const said = (name: FieldName, kind: Kind): ReactNode => {
    const value = client[name]
    if (kind === 'yes') return name === 'pkce' || value ? t(value ? 'yes' : 'no') : null
    if (value === null || (Array.isArray(value) && value.length === 0)) return null
    if (kind === 'choice' || kind === 'perhaps')
      return choices(value as (typeof CHOICES)[keyof typeof CHOICES][number])
    if (kind === 'minutes') return t('minutes', { count: Number(value) })
    if (kind === 'json') return client.jwks?.keys.map((key) => code(String(key.kid ?? key.kty)))
    if (kind === 'reach')
      return client.resources.map(({ resource, scopes }) =>
        scopes ? code([resource, ...scopes].join(' ')) : code(t('all_scopes', { api: resource })),
      )
    if (Array.isArray(value)) return value.map((one) => code(String(one)))
    return kind === 'text' ? String(value) : code(String(value))
  }
  const first = [
    { term: t('client_id'), value: code(client.clientId) },
    { term: apps('since'), value: <RelativeTime at={client.createdAt} {...times} /> },
    ...(client.pairwise ? [{ term: t('pairwise'), value: t('yes') }] : []),
    ...(client.claims.length > 0
      ? [{ term: t('claims'), value: client.claims.map((claim) => code(claim.name)) }]
      : []),
  ]
  return (
    <Card id="registration" title={t('registered')}>
      <div className="grid gap-6">
        <Facts items={first} />
        {SECTION_NAMES.map((section) => {
          const items = fieldsOf(section)
            // Its name is the page's title.
            .filter(([name]) => name !== 'name')
            .map(([name, kind]) => ({ term: labels(name), value: said(name, kind) }))
            .filter(({ value }) => value !== null)
          if (items.length === 0) return null
          return (
            <section key={section}>
              <h3 className="text-[0.9375rem] font-semibold">{sections(section)}</h3>
              <Facts items={items} />
            </section>
          )
        })}
      </div>
    </Card>
  )
}
