import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { oidc, sessions, users } from '@/lib'
import type { SessionApp } from '@/lib/oidc'
import type { DeviceView } from '@/lib/sessions'
import { ConfirmSignOut } from '../../../../components/account/confirm-sign-out'
import { DeviceItem } from '../../../../components/account/device-item'
import { EndedNotice } from '../../../../components/account/ended-notice'
import { LiveSessions } from '../../../../components/account/live-sessions'
import { countriesNamed } from '../../../../components/account/places'
import { deviceName } from '../../../../components/account/words'
import { Button, LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { EmptyState } from '../../../../components/ui/empty-state'
import { monitorSmartphone } from '../../../../components/ui/icons'
import { Input } from '../../../../components/ui/input'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Rows } from '../../../../components/ui/rows'
import { signedIn } from '../../../_lib/guard'
import { againMs, endedBy, hrefOf, PATH, placeFrom, placeText, type Query, said } from './_query'
import { signOutDevice, signOutOthers } from './actions'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.devices'))('title') }
}

const PAGE_SIZE = 10
/** With fewer than this nobody searches. */
const WORTH_A_SEARCH = 4

/** The person's devices, the one that asks first, and what ends them. */
export default async function Devices({ searchParams }: { searchParams: Promise<Query> }) {
  const { session, user } = await signedIn(PATH)
  const query = await searchParams
  const [q, confirm, at] = [said(query, 'q'), said(query, 'confirm'), said(query, 'before')]
  const before = placeFrom(at)
  const first = !before && !q
  const [t, profile, current, found, others, outcome, ended] = await Promise.all([
    getTranslations('account.devices'),
    users.profile.get(user.id),
    first && session.deviceId ? sessions.known.get(user.id, session.deviceId) : null,
    sessions.known.page(user.id, {
      limit: PAGE_SIZE,
      exceptId: session.deviceId,
      before,
      wanted: q ? await wantedBy(user.id, q) : null,
    }),
    sessions.known.countOthers(user.id, session.sid, 1),
    lastOutcome(),
    endedBy(user.id, query),
  ])
  const { rows, next } = found
  const apps = await oidc.appsOf([...(current?.sids ?? []), ...rows.flatMap(({ sids }) => sids)])
  const appsOf = ({ sids }: DeviceView): SessionApp[] => sids.flatMap((sid) => apps.get(sid) ?? [])
  const here = hrefOf(PATH, { q, before: before ? at : '' })
  const common = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  const asked = confirm ? await sessions.known.get(user.id, confirm) : null

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        {others ? (
          <LinkButton href={hrefOf(PATH, { confirm: 'others' })} look="secondary">
            {t('sign_out_others')}
          </LinkButton>
        ) : null}
      </PageHeader>
      <LiveSessions text={t('changed')} againMs={againMs(ended)} />
      <div className="grid gap-5">
        {outcome?.kind === 'gone' ? <Notice live="status">{t('gone')}</Notice> : null}
        {outcome?.kind === 'forgotten' ? (
          <Notice kind="success" live="status">
            {t('forgotten', { name: outcome.name })}
          </Notice>
        ) : null}
        {ended ? <EndedNotice {...ended} /> : null}

        {current ? (
          <Card id="this" title={t('this_title')} flush>
            <Rows>
              <DeviceItem device={current} apps={appsOf(current)} current {...common} />
            </Rows>
          </Card>
        ) : null}

        <Card id="others" title={t(q ? 'found_title' : 'others_title')} flush>
          {q || before || next || rows.length >= WORTH_A_SEARCH ? (
            <search>
              {' '}
              <form action={PATH} className="flex flex-wrap gap-3 px-5 pt-1 pb-5 sm:px-6">
                <label htmlFor="q" className="sr-only">
                  {t('search')}
                </label>
                <Input
                  id="q"
                  name="q"
                  type="search"
                  defaultValue={q}
                  maxLength={80}
                  placeholder={t('search_hint')}
                  autoComplete="off"
                  className="max-w-sm flex-1 basis-48"
                />
                <Button type="submit" look="secondary">
                  {t('search_submit')}
                </Button>
                {q ? (
                  <LinkButton href={PATH} look="quiet">
                    {t('search_end')}
                  </LinkButton>
                ) : null}
              </form>
            </search>
          ) : null}
          {rows.length === 0 ? (
            <EmptyState icon={monitorSmartphone} title={t(q ? 'found_none_title' : 'others_empty_title')}>
              {t(q ? 'found_none' : 'others_empty')}
            </EmptyState>
          ) : (
            <Rows>
              {rows.map((device) => (
                <DeviceItem
                  key={device.id}
                  device={device}
                  apps={appsOf(device)}
                  current={device.id === session.deviceId}
                  confirmHref={
                    device.live && device.id !== session.deviceId
                      ? hrefOf(PATH, { q, before: before ? at : '', confirm: device.id })
                      : undefined
                  }
                  {...common}
                />
              ))}
            </Rows>
          )}
          {next || before ? (
            <div className="flex flex-wrap justify-between gap-3 border-t border-line px-5 py-4 sm:px-6">
              {before ? (
                <LinkButton href={hrefOf(PATH, { q })} look="secondary" size="sm">
                  {t('newest')}
                </LinkButton>
              ) : null}
              {next ? (
                <LinkButton href={hrefOf(PATH, { q, before: placeText(next) })} look="secondary" size="sm">
                  {t('older')}
                </LinkButton>
              ) : null}
            </div>
          ) : null}
        </Card>

        {first ? (
          <Card id="everywhere" title={t('everywhere_title')}>
            <div className="flex flex-wrap items-center justify-between gap-4">
              <p className="max-w-prose text-[0.9375rem] text-ink-2">{t('everywhere_text')}</p>
              <LinkButton href={hrefOf(PATH, { confirm: 'all' })} look="secondary" size="sm">
                {t('everywhere_link')}
              </LinkButton>
            </div>
          </Card>
        ) : null}
      </div>

      {confirm === 'others' && others ? (
        <ConfirmSignOut
          what="others"
          ending={await oidc.whatEnds({ userId: user.id, exceptSid: session.sid })}
          action={signOutOthers}
          closeHref={PATH}
        />
      ) : confirm === 'all' ? (
        <ConfirmSignOut
          what="all"
          ending={await oidc.whatEnds({ userId: user.id })}
          action="/signout/everywhere"
          closeHref={PATH}
        />
      ) : asked?.live && asked.id !== session.deviceId ? (
        <ConfirmSignOut
          what="device"
          name={await deviceName({ ...asked, deviceName: asked.name })}
          ending={await oidc.whatEnds({ userId: user.id, deviceId: asked.id })}
          trusted={Boolean(asked.trustedUntil)}
          action={signOutDevice}
          hidden={{ id: asked.id }}
          closeHref={here}
        />
      ) : null}
    </>
  )
}

async function wantedBy(userId: string, text: string) {
  const [countries, sids] = await Promise.all([countriesNamed(text), oidc.sessionsWithApp(userId, text)])
  return { text, countries, sids }
}
