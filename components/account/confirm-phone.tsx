import { getLocale, getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import type { PhoneView } from '@/lib/users'
import { ResendButton } from '../login/resend-button'
import { utcTime } from '../login/words'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { LocalTime } from '../ui/local-time'
import { Notice } from '../ui/notice'
import { SubmitButton } from '../ui/submit-button'
import { ActionForm } from './action-form'
import { CodeField } from './code-field'
import { answerIcons } from './icons'

type Action = (previous: FormState | null, form: FormData) => Promise<FormState>

interface Props {
  phone: PhoneView
  /** The code on its way, asked for in this browser; milliseconds since the epoch. */
  pending: { resendAt: number; expiresAt: number } | null
  now: number
  /** Text messages do not get through at the moment. */
  troubled: boolean
  verify: Action
  resend: Action
  closeHref: string
  emailsHref: string
  mailboxHref: string | null
}

/** Asks for the code that was sent to a number, and sends another when that makes sense. */
export async function ConfirmPhone(props: Props) {
  const { phone, pending, now, troubled, verify, resend, closeHref, emailsHref, mailboxHref } = props
  const [t, ui, login, locale] = await Promise.all([
    getTranslations('account.phones'),
    getTranslations('ui'),
    getTranslations('login'),
    getLocale(),
  ])
  const later = (
    <LinkButton href={closeHref} look="secondary">
      {t('code_later')}
    </LinkButton>
  )
  return (
    <Card
      id="confirm"
      title={t('code_title', { number: phone.readable })}
      lead={t(pending ? 'code_sent' : 'code_none')}
    >
      <div className="grid gap-5">
        {troubled ? (
          <Notice kind="warning" title={t('down_title')}>
            <p>
              {t('down_text')}{' '}
              <a href={emailsHref} className="link">
                {t('down_link')}
              </a>
            </p>
          </Notice>
        ) : null}
        {pending && mailboxHref ? (
          <Notice kind="info">
            {t('mailbox')}{' '}
            <a href={mailboxHref} className="link" target="_blank" rel="noopener">
              {login('verify.open_mailbox')}
            </a>
          </Notice>
        ) : null}
        {pending ? (
          <ActionForm action={verify} icons={answerIcons} className="grid gap-5">
            <input type="hidden" name="id" value={phone.id} />
            <CodeField
              label={login('verify.code')}
              hint={login.rich('verify.expires_at', {
                time: await utcTime(pending.expiresAt),
                t: (chunks) => (
                  <LocalTime at={pending.expiresAt} locale={locale}>
                    {String(chunks)}
                  </LocalTime>
                ),
              })}
            />
            <div className="flex flex-wrap gap-3">
              <SubmitButton workingLabel={ui('working')}>{t('code_submit')}</SubmitButton>
              {later}
            </div>
          </ActionForm>
        ) : null}
        <ActionForm action={resend} icons={answerIcons} className="grid gap-3 text-[0.9375rem]">
          <input type="hidden" name="id" value={phone.id} />
          {pending ? (
            <p className="flex flex-wrap gap-x-2">
              <span className="text-ink-2">{t('nothing_came')}</span>
              <ResendButton
                until={pending.resendAt}
                serverNow={now}
                label={login('verify.resend')}
                waitingLabel={login('verify.resend_in', { seconds: '{seconds}' })}
              />
            </p>
          ) : (
            <div className="flex flex-wrap gap-3">
              <SubmitButton workingLabel={ui('working')}>{t('code_send')}</SubmitButton>
              {later}
            </div>
          )}
        </ActionForm>
      </div>
    </Card>
  )
}
