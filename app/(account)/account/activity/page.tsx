import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { audit, requests, users } from '@/lib'
import { EventItem } from '../../../../components/account/event-item'
import { eventWriter } from '../../../../components/account/event-words'
import { Button, LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { EmptyState } from '../../../../components/ui/empty-state'
import { Field } from '../../../../components/ui/field'
import { Icon } from '../../../../components/ui/icon'
import { chevronDown, download, rotateCcwClock } from '../../../../components/ui/icons'
import { Input, Select } from '../../../../components/ui/input'
import { PageHeader } from '../../../../components/ui/page-header'
import { Rows } from '../../../../components/ui/rows'
import { signedIn } from '../../../_lib/guard'
import { one, type Query } from '../../../_lib/login'
import { appsOf, askedOf, filterOf, hrefOf, KINDS, OUTCOMES } from './query'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('activity'))('title') }
}

const PATH = '/account/activity'
const EXPORT = `${PATH}/export`
const PAGE_SIZE = 25

/** The person's own history: filtered, paged by what was shown last, to be downloaded. */
export default async function Activity({ searchParams }: { searchParams: Query }) {
  const { session, user, caller } = await signedIn(PATH)
  const query = await searchParams
  const asked = askedOf(query)
  const before = one(query.before)
  const [t, profile, apps] = await Promise.all([
    getTranslations('activity'),
    users.profile.get(user.id),
    appsOf(user.id),
  ])
  const timeZone = profile?.timezone ?? 'UTC'
  const filter = filterOf(asked, timeZone)
  const [{ items, next }, words] = await Promise.all([
    audit.list(user.id, { ...filter, limit: PAGE_SIZE, ...(before && { before }) }),
    eventWriter(apps, requests.settings().productName),
  ])
  const here = { device: audit.deviceMark(caller.cookies), sid: session.sid }
  const filtered = Object.values(asked).some(Boolean)
  const now = requests.nowMs()
  const link = (href: string) => (chunks: ReactNode) => (
    <a href={href} className="link">
      {chunks}
    </a>
  )
  const choices = (names: readonly { value: string; label: string }[]) =>
    names.map(({ value, label }) => (
      <option key={value} value={value}>
        {label}
      </option>
    ))
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        <details
          open={filtered}
          className="group min-w-0 rounded-card border border-line bg-surface shadow-1"
        >
          <summary className="flex cursor-pointer list-none items-center justify-between gap-4 rounded-card px-5 py-4 font-semibold sm:px-6">
            {t('filter_title')}
            <Icon of={chevronDown} className="size-5 text-ink-2 group-open:rotate-180" />
          </summary>
          <form
            method="get"
            action={PATH}
            className="grid gap-4 px-5 pt-1 pb-5 sm:grid-cols-2 sm:px-6 sm:pb-6"
          >
            <Field id="kind" label={t('kind')}>
              <Select id="kind" name="kind" defaultValue={asked.kind}>
                <option value="">{t('kind_any')}</option>
                {choices(KINDS.map((value) => ({ value, label: t(`kinds.${value}`) })))}
              </Select>
            </Field>
            <Field id="outcome" label={t('outcome')}>
              <Select id="outcome" name="outcome" defaultValue={asked.outcome}>
                <option value="">{t('outcome_any')}</option>
                {choices(OUTCOMES.map((value) => ({ value, label: t(`outcomes.${value}`) })))}
              </Select>
            </Field>
            <Field id="from" label={t('from')}>
              <Input id="from" name="from" type="date" defaultValue={asked.from} />
            </Field>
            <Field id="until" label={t('until')}>
              <Input id="until" name="until" type="date" defaultValue={asked.until} />
            </Field>
            <Field id="device" label={t('device')}>
              <Select id="device" name="device" defaultValue={asked.device}>
                <option value="">{t('device_any')}</option>
                {here.device ? <option value={here.device}>{t('device_this')}</option> : null}
                {asked.device && asked.device !== here.device ? (
                  <option value={asked.device}>{t('device_chosen')}</option>
                ) : null}
              </Select>
            </Field>
            {apps.size > 0 || asked.app ? (
              <Field id="app" label={t('app')}>
                <Select id="app" name="app" defaultValue={asked.app}>
                  <option value="">{t('app_any')}</option>
                  {choices([...apps].map(([value, label]) => ({ value, label })))}
                  {asked.app && !apps.has(asked.app) ? (
                    <option value={asked.app}>{t('app_gone')}</option>
                  ) : null}
                </Select>
              </Field>
            ) : null}
            <div className="flex flex-wrap gap-3 sm:col-span-2">
              <Button type="submit">{t('submit')}</Button>
              {filtered ? (
                <LinkButton href={PATH} look="secondary">
                  {t('reset')}
                </LinkButton>
              ) : null}
            </div>
          </form>
        </details>

        <Card
          id="events"
          title={t('list_title')}
          lead={t.rich('not_you', { devices: link('/account/devices'), security: link('/account/security') })}
          flush
        >
          {items.length === 0 ? (
            <EmptyState icon={rotateCcwClock} title={t('empty_title')}>
              {t('empty')}
            </EmptyState>
          ) : (
            <Rows label={t('list_title')}>
              {items.map((event) => (
                <EventItem
                  key={event.id}
                  event={event}
                  words={words}
                  here={here}
                  deviceHref={event.device && hrefOf(PATH, { ...asked, device: event.device })}
                  timeZone={timeZone}
                  now={now}
                />
              ))}
            </Rows>
          )}
          {next || before ? (
            <div className="flex flex-wrap justify-between gap-3 border-t border-line px-5 py-4 sm:px-6">
              {before ? (
                <LinkButton href={hrefOf(PATH, asked)} look="secondary" size="sm">
                  {t('newest')}
                </LinkButton>
              ) : null}
              {next ? (
                <LinkButton href={hrefOf(PATH, asked, { before: next })} look="secondary" size="sm">
                  {t('older')}
                </LinkButton>
              ) : null}
            </div>
          ) : null}
        </Card>

        <Card id="download" title={t('download_title')}>
          <div className="grid gap-5 sm:grid-cols-2">
            <div className="grid content-between gap-3">
              <p className="text-ink-2">{t('download_csv_text')}</p>
              <div>
                <LinkButton href={hrefOf(EXPORT, asked, { format: 'csv' })} look="secondary">
                  <Icon of={download} className="size-5" />
                  {t('download_csv')}
                </LinkButton>
              </div>
            </div>
            <div className="grid content-between gap-3">
              <p className="text-ink-2">{t('download_json_text')}</p>
              <div>
                <LinkButton href={`${EXPORT}?format=json`} look="secondary">
                  <Icon of={download} className="size-5" />
                  {t('download_json')}
                </LinkButton>
              </div>
            </div>
          </div>
        </Card>
      </div>
    </>
  )
}
