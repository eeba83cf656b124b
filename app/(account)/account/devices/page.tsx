import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { sessions, users } from '@/lib'
import type { Cursor, SessionRow } from '@/lib/sessions'
import { ConfirmSignOut } from '../../../../components/account/confirm-sign-out'
import { SessionItem } from '../../../../components/account/session-item'
import { deviceName } from '../../../../components/account/words'
import { LinkButton } from '../../../../components/ui/button'
import { Card } from '../../../../components/ui/card'
import { DeviceIcon } from '../../../../components/ui/device-icon'
import { EmptyState } from '../../../../components/ui/empty-state'
import { monitorSmartphone } from '../../../../components/ui/icons'
import { Notice } from '../../../../components/ui/notice'
import { PageHeader } from '../../../../components/ui/page-header'
import { Facts, Row, Rows } from '../../../../components/ui/rows'
import { RelativeTime } from '../../../../components/ui/time'
import { signedIn } from '../../../_lib/guard'
import { signOutOne, signOutOthers } from './actions'
import { lastOutcome } from './outcome'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.devices'))('title') }
}

const PAGE_SIZE = 20
const PATH = '/account/devices'

type Query = Record<string, string | string[] | undefined>

/** `<milliseconds>.<session id>` of the last row shown; anything else is the first page. */
function cursorFrom(value: Query[string]): Cursor | undefined {
  const found = typeof value === 'string' ? /^(\d{12,14})\.([0-9a-f-]{36})$/.exec(value) : null
  return found?.[1] && found[2] ? { at: new Date(Number(found[1])), sid: found[2] } : undefined
}

export default async function Devices({ searchParams }: { searchParams: Promise<Query> }) {
  const { session, user } = await signedIn(PATH)
  const query = await searchParams
  const before = cursorFrom(query.before)
  const [t, profile, found, known, outcome] = await Promise.all([
    getTranslations('account.devices'),
    users.profile.get(user.id),
    sessions.list(user.id, { limit: PAGE_SIZE + 2, before }),
    sessions.devices(user.id, PAGE_SIZE),
    lastOutcome(),
  ])
  const timeZone = profile?.timezone ?? 'UTC'
  const now = Date.now()
  const current = found.find(({ sid }) => sid === session.sid)
  const others = found.filter(({ sid }) => sid !== session.sid)
  const shown = others.slice(0, PAGE_SIZE)
  const last = others.length > PAGE_SIZE ? shown.at(-1) : undefined
  const asked = shown.find(({ sid }) => sid === query.confirm)
  const here = before ? `${PATH}?before=${String(query.before)}` : PATH
  const confirmHref = (row: SessionRow) => `${here}${before ? '&' : '?'}confirm=${row.sid}`
  const common = { timeZone, now }

  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        {others.length ? (
          <LinkButton href={`${PATH}?confirm=others`} look="secondary">
            {t('sign_out_others')}
          </LinkButton>
        ) : null}
      </PageHeader>
      <div className="grid gap-5">
        {outcome ? (
          <Notice kind={outcome.kind === 'one' && outcome.count === 0 ? 'info' : 'success'} live="status">
            {outcome.kind === 'others'
              ? t('done_others', { count: outcome.count })
              : t(outcome.count ? 'done_one' : 'gone')}
          </Notice>
        ) : null}

        {current ? (
          <Card id="this" title={t('this_title')} flush>
            <Rows>
              <SessionItem row={current} current {...common} />
            </Rows>
          </Card>
        ) : null}

        <Card id="others" title={t('others_title')} flush>
          {shown.length === 0 ? (
            <EmptyState icon={monitorSmartphone} title={t('others_empty_title')}>
              {t('others_empty')}
            </EmptyState>
          ) : (
            <Rows>
              {shown.map((row) => (
                <SessionItem key={row.sid} row={row} confirmHref={confirmHref(row)} {...common} />
              ))}
            </Rows>
          )}
          {last || before ? (
            <div className="flex flex-wrap justify-between gap-3 border-t border-line px-5 py-4 sm:px-6">
              {before ? (
                <LinkButton href={PATH} look="secondary" size="sm">
                  {t('newest')}
                </LinkButton>
              ) : null}
              {last ? (
                <LinkButton
                  href={`${PATH}?before=${last.lastActiveAt.getTime()}.${last.sid}`}
                  look="secondary"
                  size="sm"
                >
                  {t('older')}
                </LinkButton>
              ) : null}
            </div>
          ) : null}
        </Card>

        {before ? null : (
          <Card id="known" title={t('known_title')} lead={t('known_text')} flush>
            <Rows>
              {
                await Promise.all(
                  known.map(async (device) => (
                    <Row
                      key={device.id}
                      start={<DeviceIcon kind={device.kind} current={device.id === session.deviceId} />}
                      title={await deviceName({ ...device, deviceName: device.name })}
                    >
                      <Facts
                        items={[
                          {
                            term: t('last_active'),
                            value: <RelativeTime at={device.lastSeenAt} {...common} />,
                          },
                          {
                            term: t('first_seen'),
                            value: <RelativeTime at={device.createdAt} {...common} />,
                          },
                        ]}
                      />
                    </Row>
                  )),
                )
              }
            </Rows>
          </Card>
        )}
      </div>

      {query.confirm === 'others' && others.length ? (
        <ConfirmSignOut what="others" action={signOutOthers} closeHref={PATH} />
      ) : asked ? (
        <ConfirmSignOut what={asked} action={signOutOne} closeHref={here} />
      ) : null}
    </>
  )
}
