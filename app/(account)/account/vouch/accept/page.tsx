import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { recovery } from '@/lib'
import { ActionForm } from '../../../../../components/account/action-form'
import { answerIcons } from '../../../../../components/account/icons'
import { Effects } from '../../../../../components/login/effects'
import { LinkButton } from '../../../../../components/ui/button'
import { Card } from '../../../../../components/ui/card'
import { PageHeader } from '../../../../../components/ui/page-header'
import { SubmitButton } from '../../../../../components/ui/submit-button'
import { signedIn } from '../../../../_lib/guard'
import { one, type Query } from '../../../../_lib/login'
import { acceptInvitation } from '../actions'

export async function generateMetadata(): Promise<Metadata> {
  const title = (await getTranslations('recovery.vouch'))('title')
  return { title, robots: { index: false }, referrer: 'strict-origin' }
}

/** Where an invitation leads: says what accepting means. Opening it changes nothing. */
export default async function AcceptInvitation({ searchParams }: { searchParams: Query }) {
  const token = one((await searchParams).token)
  const { user } = await signedIn(`/account/vouch/accept?token=${encodeURIComponent(token)}`)
  const [t, ui, found] = await Promise.all([
    getTranslations('recovery.vouch'),
    getTranslations('ui'),
    recovery.invitation(token, user.id),
  ])
  if (!found) {
    return (
      <>
        <PageHeader title={t('over_title')} lead={t('over_text')} />
        <LinkButton href="/account/vouch" look="secondary">
          {t('back')}
        </LinkButton>
      </>
    )
  }
  const { name, forYou } = found
  if (!forYou) {
    return (
      <>
        <PageHeader title={t('other_title')} lead={t('other_text')} />
        <LinkButton href="/account/emails" look="secondary">
          {t('other_link')}
        </LinkButton>
      </>
    )
  }
  return (
    <>
      <PageHeader title={t('accept_title', { name })} lead={t('accept_lead', { name })} />
      <Card id="accept">
        <ActionForm action={acceptInvitation} icons={answerIcons} className="grid gap-6">
          <Effects items={[t('accept_one', { name }), t('accept_two'), t('accept_three', { name })]} />
          <input type="hidden" name="token" value={token} />
          <div className="flex flex-wrap gap-3">
            <SubmitButton workingLabel={ui('working')}>{t('accept')}</SubmitButton>
            <LinkButton href="/account" look="secondary">
              {t('accept_not')}
            </LinkButton>
          </div>
        </ActionForm>
      </Card>
    </>
  )
}
