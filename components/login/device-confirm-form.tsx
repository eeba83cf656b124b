import { getLocale, getTranslations } from 'next-intl/server'
import { placeName } from '../account/places'
import { LocalTime } from '../ui/local-time'
import { Notice } from '../ui/notice'
import { Facts } from '../ui/rows'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'
import { utcTime } from './words'

interface Props {
  /** Posts `decision` = `allow` or `deny`, and `device`. */
  action: string
  mark: string
  client: ClientView
  /** Of the app's home page, where it is registered with one. */
  host: string | null
  asked: {
    ip: string | null
    place: { country: string | null; city: string | null } | null
    /** Milliseconds since the epoch. */
    at: number
  }
  account: { email: string; name?: string | null; avatarUrl?: string | null }
}

/** Names the app, where its device is and when it asked; says how people are cheated by such codes. */
export async function DeviceConfirmForm({ action, mark, client, host, asked, account }: Props) {
  const [t, ui, locale] = await Promise.all([
    getTranslations('login.device'),
    getTranslations('ui'),
    getLocale(),
  ])
  const time = await utcTime(asked.at)
  return (
    <AuthCard
      top={<ClientLogo client={client} />}
      title={t('confirm_title', { app: client.name })}
      lead={t('confirm_lead', { app: client.name })}
      bottom={<p className="text-sm">{t('confirm_note')}</p>}
    >
      <Facts
        items={[
          ...(host ? [{ term: t('app'), value: host }] : []),
          { term: t('place'), value: asked.place ? await placeName(asked.place) : t('place_unknown') },
          { term: t('ip'), value: asked.ip ?? t('place_unknown') },
          {
            term: t('time'),
            value: (
              <LocalTime at={asked.at} locale={locale}>
                {time}
              </LocalTime>
            ),
          },
        ]}
      />
      <Notice kind="warning" title={t('warning_title')}>
        <p>{t('warning')}</p>
      </Notice>
      <AccountChooserLine {...account} />
      <form method="post" action={action} className="grid gap-3">
        <input type="hidden" name="device" value={mark} />
        <SubmitButton name="decision" value="allow" wide workingLabel={ui('working')}>
          {t('allow')}
        </SubmitButton>
        <SubmitButton name="decision" value="deny" look="secondary" wide workingLabel={ui('working')}>
          {t('deny')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
