import type { Metadata } from 'next'
import { notFound } from 'next/navigation'
import { getTranslations } from 'next-intl/server'
import { oidc, sessions, users } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { ConfirmSignOut } from '../../../../../components/account/confirm-sign-out'
import { EndedNotice } from '../../../../../components/account/ended-notice'
import { FormInput } from '../../../../../components/account/form-field'
import { answerIcons } from '../../../../../components/account/icons'
import { LiveSessions } from '../../../../../components/account/live-sessions'
import { placeName } from '../../../../../components/account/places'
import { SessionItem } from '../../../../../components/account/session-item'
import { deviceName } from '../../../../../components/account/words'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { EmptyState } from '../../../../../components/ui/empty-state'
import { monitorSmartphone } from '../../../../../components/ui/icons'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { Facts, Rows } from '../../../../../components/ui/rows'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { longDate, RelativeTime, relativeTime } from '../../../../../components/ui/time'
import { signedIn } from '../../../../_lib/guard'
import { againMs, endedBy, hrefOf, PATH, placeFrom, placeText, type Query, said } from '../_query'
import { forgetDevice, renameDevice, signOutDevice, signOutOne } from '../actions'
import { lastOutcome } from '../outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.devices'))('title') }
}

const PAGE_SIZE = 10

interface Props {
  params: Promise<{ id: string }>
  searchParams: Promise<Query>
}

/** One device: what is known of it, its name, its sessions, and the ways to end them. Somebody else's is not there. */
export default async function Device({ params, searchParams }: Props) {
  const { id } = await params
  const { session, user } = await signedIn(`${PATH}/${encodeURIComponent(id)}`)
  const device = await sessions.known.get(user.id, id)
  if (!device) notFound()
  const query = await searchParams
  const [confirm, at] = [said(query, 'confirm'), said(query, 'before')]
  const before = placeFrom(at)
  const [t, ui, profile, { rows, next }, outcome, ended] = await Promise.all([
    getTranslations('account.devices'),
    getTranslations('ui'),
    users.profile.get(user.id),
    sessions.known.sessions(user.id, id, { limit: PAGE_SIZE, before }),
    lastOutcome(),
    endedBy(user.id, query),
  ])
  const apps = await oidc.appsOf(rows.map(({ sid }) => sid))
  const name = await deviceName({ ...device, deviceName: device.name })
  const common = { timeZone: profile?.timezone ?? 'UTC', now: Date.now() }
  const current = id === session.deviceId
  const path = `${PATH}/${id}`
  const here = hrefOf(path, { before: before ? at : '' })
  const asked = rows.find(({ sid }) => sid === confirm && sid !== session.sid)
  const confirming = (what: string) => hrefOf(path, { before: before ? at : '', confirm: what })
  const about = { name, trusted: Boolean(device.trustedUntil), hidden: { id }, closeHref: here }

  return (
    <>
      <p className="mb-2 text-[0.9375rem]">
        <a href={PATH} className="link">
          {t('back')}
        </a>
      </p>
      <PageHeader
        title={<span className="wrap-anywhere">{name}</span>}
        lead={current ? t('this_lead') : null}
      >
        {device.live && !current ? (
          <LinkButton href={confirming('device')} look="secondary">
            {t('sign_out_device')}
          </LinkButton>
        ) : null}
      </PageHeader>
      <LiveSessions text={t('changed')} againMs={againMs(ended)} />
      <div className="grid gap-5">
        {outcome?.kind === 'gone' ? <Notice live="status">{t('gone')}</Notice> : null}
        {outcome?.kind === 'renamed' ? (
          <Notice kind="success" live="status">
            {t('renamed')}
          </Notice>
        ) : null}
        {ended ? <EndedNotice {...ended} /> : null}

        <Card id="about" title={t('about_title')}>
          <Facts
            items={[
              { term: t('browser'), value: device.browser ?? t('place_unknown') },
              { term: t('os'), value: device.os ?? t('place_unknown') },
              ...(device.model ? [{ term: t('model'), value: device.model }] : []),
              { term: t('kind'), value: t(`kinds.${kindOf(device.kind)}`) },
              { term: t('place'), value: await placeName(device) },
              { term: t('timezone'), value: device.timezone ?? t('place_unknown') },
              { term: t('ip'), value: device.ip ?? t('place_unknown') },
              { term: t('first_seen'), value: <RelativeTime at={device.createdAt} {...common} /> },
              { term: t('last_active'), value: <RelativeTime at={device.lastSeenAt} {...common} /> },
              {
                term: t('second'),
                value: device.trustedUntil ? (
                  <a href="/account/security#trusted" className="link">
                    {t('trusted_until', { date: await longDate(device.trustedUntil, common.timeZone) })}
                  </a>
                ) : (
                  t('trusted_not')
                ),
              },
            ]}
          />
        </Card>

        <Card id="sessions" title={t('sessions_title')} flush>
          {rows.length === 0 ? (
            <EmptyState icon={monitorSmartphone} title={t('sessions_none_title')}>
              {t('sessions_none')}
            </EmptyState>
          ) : (
            <Rows>
              {rows.map((row) => (
                <SessionItem
                  key={row.sid}
                  row={row}
                  apps={apps.get(row.sid) ?? []}
                  current={row.sid === session.sid}
                  confirmHref={row.sid === session.sid ? '/signout' : confirming(row.sid)}
                  {...common}
                />
              ))}
            </Rows>
          )}
          {next || before ? (
            <div className="flex flex-wrap justify-between gap-3 border-t border-line px-5 py-4 sm:px-6">
              {before ? (
                <LinkButton href={path} look="secondary" size="sm">
                  {t('newest_sessions')}
                </LinkButton>
              ) : null}
              {next ? (
                <LinkButton href={hrefOf(path, { before: placeText(next) })} look="secondary" size="sm">
                  {t('older_sessions')}
                </LinkButton>
              ) : null}
            </div>
          ) : null}
        </Card>

        <Card id="name" title={t('name_title')}>
          <ActionForm action={renameDevice} icons={answerIcons} className="grid gap-4">
            <input type="hidden" name="id" value={id} />
            <FormInput
              id="device-name"
              name="name"
              label={t('name_label')}
              hint={t('name_hint')}
              defaultValue={device.name ?? ''}
              maxLength={sessions.known.MAX_NAME}
              autoComplete="off"
            />
            <div>
              <SubmitButton look="secondary" workingLabel={ui('working')}>
                {t('name_submit')}
              </SubmitButton>
            </div>
          </ActionForm>
        </Card>

        {current ? null : (
          <Card id="forget" title={t('forget_title')}>
            <div className="flex flex-wrap items-center justify-between gap-4">
              <p className="max-w-prose text-[0.9375rem] text-ink-2">{t('forget_text')}</p>
              <LinkButton href={confirming('forget')} look="secondary" size="sm">
                {t('forget_link')}
              </LinkButton>
            </div>
          </Card>
        )}
      </div>

      {current && !asked ? null : confirm === 'device' && device.live ? (
        <ConfirmSignOut
          what="device"
          ending={await oidc.whatEnds({ userId: user.id, deviceId: id })}
          action={signOutDevice}
          {...about}
        />
      ) : confirm === 'forget' ? (
        <ConfirmSignOut
          what="forget"
          ending={await oidc.whatEnds({ userId: user.id, deviceId: id })}
          action={forgetDevice}
          {...about}
        />
      ) : asked ? (
        <ConfirmSignOut
          what="session"
          ending={await oidc.whatEnds({ userId: user.id, sid: asked.sid })}
          action={signOutOne}
          {...about}
          name={await relativeTime(asked.authAt, common.timeZone, common.now)}
          hidden={{ id: asked.sid }}
        />
      ) : null}
    </>
  )
}

const KINDS = ['desktop', 'mobile', 'tablet', 'tv', 'bot'] as const
const kindOf = (kind: string | null) => KINDS.find((known) => known === kind) ?? 'unknown'
