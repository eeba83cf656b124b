import type { Metadata } from 'next'
import { getLocale, getTranslations } from 'next-intl/server'
import { audit, factors, requests, security, sessions, users } from '@/lib'
import { eventWriter } from '../../../components/account/event-words'
import { GuestOverview } from '../../../components/account/guest-overview'
import { RecentActivity } from '../../../components/account/recent-activity'
import { methodName } from '../../../components/account/words'
import { Badge } from '../../../components/ui/badge'
import { LinkButton } from '../../../components/ui/button'
import { Card } from '../../../components/ui/card'
import { Icon } from '../../../components/ui/icon'
import {
  circleCheck,
  circleExclamationPoint,
  clock,
  keyRound,
  mail,
  monitorSmartphone,
  shieldCheck,
} from '../../../components/ui/icons'
import { PageHeader } from '../../../components/ui/page-header'
import { Row, Rows } from '../../../components/ui/rows'
import { relativeTime } from '../../../components/ui/time'
import { keepAccountHref, reauthHref, signedIn } from '../../_lib/guard'
import { appsOf } from './activity/query'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.overview'))('title') }
}

/** Sessions counted before "more than" is said: a count must not grow with the total. */
const COUNTED = 25
/** Events shown. */
const RECENT = 6

export default async function Overview() {
  const { session, user, caller } = await signedIn('/account')
  if (user.isAnonymous) {
    const keep = requests.settings().signUp ? keepAccountHref() : null
    return <GuestOverview keepHref={keep} signInHref={reauthHref('/account')} />
  }
  const [t, profile, enrolled, live, history, apps] = await Promise.all([
    getTranslations('account.overview'),
    users.profile.get(user.id),
    factors.enrolled(user.id),
    sessions.list(user.id, { limit: COUNTED + 1 }),
    audit.list(user.id, { limit: RECENT, kind: 'any' }),
    appsOf(user.id),
  ])
  const standing = security.standing(session, enrolled)
  const now = Date.now()
  const timeZone = profile?.timezone ?? 'UTC'
  const steps = {
    name: Boolean(user.name),
    email: user.emailVerified,
    avatar: Boolean(user.avatarPath),
    timezone: Boolean(profile?.timezone),
  }
  const list = new Intl.ListFormat(await getLocale(), { type: 'conjunction' })
  const missing = (Object.keys(steps) as (keyof typeof steps)[]).filter((step) => !steps[step])
  const percent = Math.round(100 - (missing.length / Object.keys(steps).length) * 100)
  const good = <Icon of={circleCheck} className="mt-0.5 size-5 text-success" />
  const bad = <Icon of={circleExclamationPoint} className="mt-0.5 size-5 text-warning" />

  return (
    <>
      <PageHeader title={user.name ? t('hello', { name: user.name }) : t('hello_plain')} lead={t('lead')} />
      <div className="grid gap-5">
        <Card id="security" title={t('security_title')} flush>
          <Rows>
            <Row
              start={<Icon of={mail} className="mt-0.5 text-ink-3" />}
              title={t('email')}
              end={user.emailVerified ? good : bad}
            >
              <span className="break-words">
                {user.email
                  ? t(user.emailVerified ? 'email_verified' : 'email_unverified', { email: user.email })
                  : t('email_none')}
              </span>
            </Row>
            <Row
              start={<Icon of={keyRound} className="mt-0.5 text-ink-3" />}
              title={t('password')}
              end={enrolled.password ? good : null}
            >
              {enrolled.password ? t('password_set') : t('password_none')}
            </Row>
            <Row
              start={<Icon of={shieldCheck} className="mt-0.5 text-ink-3" />}
              title={t('steps')}
              end={
                standing.on ? (
                  good
                ) : (
                  <LinkButton href="/account/security" look="secondary" size="sm">
                    {t('steps_link')}
                  </LinkButton>
                )
              }
            >
              {t(standing.on ? 'steps_on' : 'steps_off')}
            </Row>
            <Row
              start={<Icon of={monitorSmartphone} className="mt-0.5 text-ink-3" />}
              title={t('devices')}
              end={
                <LinkButton href="/account/devices" look="secondary" size="sm">
                  {t('devices_link')}
                </LinkButton>
              }
            >
              {live.length > COUNTED
                ? t('devices_many', { count: COUNTED })
                : t('devices_count', { count: live.length })}
            </Row>
            <Row start={<Icon of={clock} className="mt-0.5 text-ink-3" />} title={t('session')}>
              {t('session_text', {
                when: await relativeTime(session.authAt, timeZone, now),
                method: await methodName(session.method),
              })}
            </Row>
          </Rows>
        </Card>

        <Card
          id="profile"
          title={t('profile_title')}
          aside={missing.length ? <Badge kind="brand">{t('profile_percent', { percent })}</Badge> : null}
        >
          <div className="flex flex-wrap items-center justify-between gap-4">
            <p className="text-ink-2">
              {missing.length
                ? t('profile_missing', { list: list.format(missing.map((step) => t(`missing.${step}`))) })
                : t('profile_done')}
            </p>
            <LinkButton href="/account/profile" look="secondary" size="sm">
              {t('profile_link')}
            </LinkButton>
          </div>
        </Card>

        <RecentActivity
          events={history.items}
          words={await eventWriter(apps, requests.settings().productName)}
          here={{ device: audit.deviceMark(caller.cookies), sid: session.sid }}
          timeZone={timeZone}
          now={now}
        />
      </div>
    </>
  )
}
