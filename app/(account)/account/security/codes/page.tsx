import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { factors, requests, security, sessions, users } from '@/lib'
import { answerIcons } from '../../../../../components/account/icons'
import { MakeCodes } from '../../../../../components/account/make-codes'
import { codesWords } from '../../../../../components/factors/backup-codes'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { Notice } from '../../../../../components/ui/notice'
import { PageHeader } from '../../../../../components/ui/page-header'
import { relativeTime } from '../../../../../components/ui/time'
import { reauthHref, signedIn } from '../../../../_lib/guard'
import { one, type Query } from '../../../../_lib/login'
import { securityOutcome } from '../outcome'
import { makeCodes } from './actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('security.codes'))('title') }
}

const PATH = '/account/security/codes'
const SECURITY = '/account/security'

/** Backup codes: how many are left, and new ones. */
export default async function Codes({ searchParams }: { searchParams: Query }) {
  const first = one((await searchParams).first) === '1'
  const { session, user } = await signedIn(PATH)
  const { productName: product } = requests.settings()
  const [t, f, ui, status, enrolled, profile, words, outcome] = await Promise.all([
    getTranslations('security.codes'),
    getTranslations('security.factor'),
    getTranslations('ui'),
    factors.backupCodes.status(user.id),
    factors.enrolled(user.id),
    users.profile.get(user.id),
    codesWords({ product, account: user.email }),
    securityOutcome.last(),
  ])
  const standing = security.standing(session, enrolled)
  const possible = standing.on && standing.may.backup_code
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')}>
        <LinkButton href={SECURITY} look="secondary" size="sm">
          {t('back')}
        </LinkButton>
      </PageHeader>
      <div className="grid gap-5">
        {first && outcome?.kind === 'added' ? (
          <Notice kind="success">
            <p className="wrap-anywhere">{t('first', { name: outcome.name })}</p>
          </Notice>
        ) : null}
        {!possible ? (
          <Card>
            <p className="text-ink-2">{t(standing.may.backup_code ? 'needs' : 'off')}</p>
          </Card>
        ) : sessions.isFresh(session) ? (
          <MakeCodes
            action={makeCodes}
            doneHref={SECURITY}
            words={words}
            text={{
              title: t(status ? 'make_new_title' : 'make_title'),
              lead: t('make_text'),
              effect: status
                ? `${t(status.left > 0 ? 'left' : 'none_left', {
                    left: status.left,
                    total: status.total,
                    when: await relativeTime(status.createdAt, profile?.timezone ?? 'UTC', requests.nowMs()),
                  })} ${t('make_new_text')}`
                : null,
              submit: t(status ? 'submit_new' : 'submit'),
              working: ui('working'),
              later: t('later'),
              newTitle: t('new_title'),
              newLead: t('new_text'),
              saved: t('saved'),
            }}
            icons={{ bad: answerIcons.bad }}
          />
        ) : (
          <Card>
            <div className="grid gap-4">
              <p className="text-ink-2">{f('fresh_text')}</p>
              <div>
                <LinkButton href={reauthHref(PATH)}>{f('fresh_link')}</LinkButton>
              </div>
            </div>
          </Card>
        )}
      </div>
    </>
  )
}
