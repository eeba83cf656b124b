import type { Metadata } from 'next'
import { getTranslations } from 'next-intl/server'
import { users } from '@/lib'
import { LANGUAGES } from '@/lib/texts'
import { ActionForm } from '../../../../components/account/action-form'
import { FormInput, FormSelect } from '../../../../components/account/form-field'
import { answerIcons } from '../../../../components/account/icons'
import { PictureField } from '../../../../components/account/picture-field'
import { TimezoneButton } from '../../../../components/account/timezone-button'
import { Avatar } from '../../../../components/ui/avatar'
import { Badge } from '../../../../components/ui/badge'
import { Card } from '../../../../components/ui/card'
import { PageHeader } from '../../../../components/ui/page-header'
import { Row, Rows } from '../../../../components/ui/rows'
import { SubmitButton } from '../../../../components/ui/submit-button'
import { ThemeToggle } from '../../../../components/ui/theme-toggle'
import { signedIn } from '../../../_lib/guard'
import { chosenTheme } from '../../../_lib/page'
import { chooseTheme, removePicture, savePicture, saveProfile } from './actions'

export async function generateMetadata(): Promise<Metadata> {
  return { title: (await getTranslations('account.profile'))('title') }
}

const ZONES = Intl.supportedValuesOf('timeZone')
const MAX_NAME = 80

const languageName = (tag: string): string =>
  new Intl.DisplayNames([tag], { type: 'language' }).of(tag) ?? tag

export default async function Profile() {
  const { user } = await signedIn('/account/profile')
  const [t, ui, profile, emails, theme] = await Promise.all([
    getTranslations('account.profile'),
    getTranslations('ui'),
    users.profile.get(user.id),
    users.emails.list(user.id),
    chosenTheme(),
  ])
  const name = user.name ?? user.email ?? ''
  const locale = profile?.locale ?? 'en'
  const zone = profile?.timezone
  return (
    <>
      <PageHeader title={t('title')} lead={t('lead')} />
      <div className="grid gap-5">
        <Card id="picture" title={t('picture_title')}>
          <ActionForm action={savePicture} icons={answerIcons} className="grid gap-5">
            <PictureField
              label={t('picture_choose')}
              hint={t('picture_text', { max: 5 })}
              previewAlt={t('picture_preview')}
              current={<Avatar name={name} src={user.avatarPath} size="lg" alt={t('picture_current')} />}
            />
            <div>
              <SubmitButton workingLabel={ui('working')}>{t('picture_upload')}</SubmitButton>
            </div>
          </ActionForm>
          {user.avatarPath ? (
            <ActionForm action={removePicture} icons={answerIcons} className="mt-3 grid gap-3">
              <div>
                <SubmitButton look="quiet" size="sm" className="-ml-3" workingLabel={ui('working')}>
                  {t('picture_remove')}
                </SubmitButton>
              </div>
            </ActionForm>
          ) : null}
        </Card>

        <Card id="about" title={t('name_title')}>
          <ActionForm action={saveProfile} icons={answerIcons} className="grid gap-5">
            <div className="grid gap-5 sm:grid-cols-2">
              <FormInput
                id="first-name"
                name="firstName"
                label={t('first_name')}
                defaultValue={profile?.firstName ?? ''}
                autoComplete="given-name"
                maxLength={MAX_NAME}
              />
              <FormInput
                id="last-name"
                name="lastName"
                label={t('last_name')}
                defaultValue={profile?.lastName ?? ''}
                autoComplete="family-name"
                maxLength={MAX_NAME}
              />
            </div>
            <FormInput
              id="display-name"
              name="displayName"
              label={t('display_name')}
              note={ui('optional')}
              hint={t('display_name_hint')}
              defaultValue={profile?.displayName ?? ''}
              autoComplete="nickname"
              maxLength={MAX_NAME}
            />
            <div className="grid gap-5 sm:grid-cols-2">
              <FormSelect
                id="locale"
                name="locale"
                label={t('locale')}
                defaultValue={locale}
                autoComplete="language"
              >
                {[...new Set([...LANGUAGES, locale])].map((tag) => (
                  <option key={tag} value={tag} lang={tag}>
                    {languageName(tag)}
                  </option>
                ))}
              </FormSelect>
              <div className="grid content-start gap-3">
                <FormSelect id="timezone" name="timezone" label={t('timezone')} defaultValue={zone ?? ''}>
                  <option value="">{t('timezone_none')}</option>
                  {zone && !ZONES.includes(zone) ? <option value={zone}>{zone}</option> : null}
                  {ZONES.map((name) => (
                    <option key={name} value={name}>
                      {name.replaceAll('_', ' ')}
                    </option>
                  ))}
                </FormSelect>
                <TimezoneButton selectId="timezone" label={t('timezone_detected', { zone: '{zone}' })} />
              </div>
            </div>
            <div>
              <SubmitButton workingLabel={ui('working')}>{t('save')}</SubmitButton>
            </div>
          </ActionForm>
        </Card>

        <Card
          id="emails"
          title={t('emails_title')}
          lead={t('emails_text')}
          aside={
            <a href="/account/emails" className="link">
              {t('emails_manage')}
            </a>
          }
          flush
        >
          <Rows>
            {emails.map(({ id, address, isPrimary, verifiedAt }) => (
              <Row
                key={id}
                title={<span className="break-all">{address}</span>}
                end={
                  <>
                    {isPrimary ? <Badge>{t('email_primary')}</Badge> : null}
                    <Badge kind={verifiedAt ? 'success' : 'warning'}>
                      {verifiedAt ? t('email_verified') : t('email_unverified')}
                    </Badge>
                  </>
                }
              />
            ))}
          </Rows>
        </Card>

        <Card id="appearance" title={t('appearance_title')} lead={t('appearance_text')}>
          <ThemeToggle
            current={theme}
            action={chooseTheme}
            label={ui('theme.label')}
            words={{ system: ui('theme.system'), light: ui('theme.light'), dark: ui('theme.dark') }}
          />
        </Card>
      </div>
    </>
  )
}
