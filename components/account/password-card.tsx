import { getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import { newPasswordParts, passwordParts } from '../login/password-props'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { Checkbox } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { ActionForm } from './action-form'
import { answerIcons } from './icons'
import { FormNewPassword, FormPassword } from './new-password-field'

interface Props {
  /** There is one. */
  has: boolean
  /** It alone shows who is there: a sign-in asks for nothing else. */
  suffices: boolean
  /** The person proved who they are a moment ago. */
  proven: boolean
  email: string | null
  minLength: number
  reauthHref: string
  action: (previous: FormState | null, form: FormData) => Promise<FormState>
}

/** Changes the password, by the old one or by a fresh proof, or sets the first one. */
export async function PasswordCard({ has, suffices, proven, email, minLength, reauthHref, action }: Props) {
  const [t, ui, parts, fresh] = await Promise.all([
    getTranslations('recovery.security'),
    getTranslations('ui'),
    passwordParts(),
    newPasswordParts(minLength),
  ])
  return (
    <Card id="password" title={t('password_title')} lead={has ? null : t('password_none')}>
      {proven || (has && suffices) ? (
        <ActionForm action={action} icons={answerIcons} className="grid max-w-md gap-5">
          <input type="email" name="email" value={email ?? ''} autoComplete="username" readOnly hidden />
          {proven ? (
            has ? (
              <p className="text-[0.9375rem] text-ink-2">{t('fresh')}</p>
            ) : null
          ) : (
            <div className="grid gap-1.5">
              <FormPassword id="current" label={t('current')} {...parts} />
              <a href={reauthHref} className="link justify-self-start text-sm">
                {t('current_forgot')}
              </a>
            </div>
          )}
          <FormNewPassword id="new-password" label={t('new')} hint={fresh.hint} {...fresh.parts} />
          <div>
            <Checkbox name="others" value="1" defaultChecked>
              {t('others')}
            </Checkbox>
            <p className="mt-1 text-sm text-ink-3">{t('others_hint')}</p>
          </div>
          <div>
            <SubmitButton workingLabel={ui('working')}>{t(has ? 'submit' : 'submit_set')}</SubmitButton>
          </div>
        </ActionForm>
      ) : (
        <div className="grid gap-4">
          <p className="text-ink-2">{t(has ? 'stale' : 'stale_none')}</p>
          <div>
            <LinkButton href={reauthHref}>{t('confirm_link')}</LinkButton>
          </div>
        </div>
      )}
    </Card>
  )
}
