import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { recovery, sessions, users } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { CodeField } from '../../../../../components/account/code-field'
import { answerIcons } from '../../../../../components/account/icons'
import { Effects } from '../../../../../components/login/effects'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { PageHeader } from '../../../../../components/ui/page-header'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { relativeTime } from '../../../../../components/ui/time'
import { reauthHref, signedIn } from '../../../../_lib/guard'
import { vouch } from '../actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('recovery.vouch'))('title') }
}

/** One request that waits for this person's word. Opening it changes nothing. */
export default async function VouchFor({ params }: { params: Promise<{ id: string }> }) {
  const { id } = await params
  const path = /^[0-9a-f-]{36}$/.test(id) ? `/account/vouch/${id}` : '/account/vouch'
  const { session, user } = await signedIn(path)
  const [t, ui, security, profile, found] = await Promise.all([
    getTranslations('recovery.vouch'),
    getTranslations('ui'),
    getTranslations('recovery.security'),
    users.profile.get(user.id),
    recovery.contacts.vouchView(id, user.id),
  ])
  const back = (
    <LinkButton href="/account/vouch" look="secondary">
      {t('back')}
    </LinkButton>
  )
  if (!found || found.given) {
    const which = found ? 'given' : 'gone'
    return (
      <>
        <PageHeader title={t(`${which}_title`)} lead={t(`${which}_text`, { name: found?.name ?? '' })} />
        {back}
      </>
    )
  }
  const { name, requestedAt } = found
  const when = await relativeTime(requestedAt, profile?.timezone ?? 'UTC', Date.now())
  return (
    <>
      <PageHeader title={t('ask_title', { name })} lead={t('ask_lead', { name, when })} />
      <Card id="ask">
        <div className="grid gap-6">
          <Effects items={[t('ask_one', { name }), t('ask_two', { name }), t('ask_three')]} />
          {sessions.isFresh(session) ? (
            <ActionForm action={vouch} icons={answerIcons} className="grid gap-5">
              <input type="hidden" name="requestId" value={id} />
              <CodeField label={t('code', { name })} />
              <div className="flex flex-wrap gap-3">
                <SubmitButton workingLabel={ui('working')}>{t('confirm', { name })}</SubmitButton>
                <LinkButton href="/account/vouch" look="secondary">
                  {t('accept_not')}
                </LinkButton>
              </div>
            </ActionForm>
          ) : (
            <div className="grid gap-4">
              <p className="text-ink-2">{t('fresh')}</p>
              <div>
                <LinkButton href={reauthHref(path)}>{security('confirm_link')}</LinkButton>
              </div>
            </div>
          )}
        </div>
      </Card>
    </>
  )
}
