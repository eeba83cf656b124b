import { getLocale, getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import type { EmailView } from '@/lib/users'
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
  email: EmailView
  /** The code on its way, asked for in this browser; milliseconds since the epoch. */
  pending: { resendAt: number; expiresAt: number } | null
  now: number
  verify: Action
  resend: Action
  closeHref: string
  mailboxHref: string | null
}

/** Asks for the code that was sent to an address, and sends another when that makes sense. */
export async function ConfirmEmail({ email, pending, now, verify, resend, closeHref, mailboxHref }: Props) {
  const [t, ui, login, locale] = await Promise.all([
    getTranslations('account.emails'),
    getTranslations('ui'),
    getTranslations('login'),
    getLocale(),
  ])
  const { id, address } = email
  return (
    <Card
      id="confirm"
      title={<span className="wrap-anywhere">{t('code_title', { address })}</span>}
      lead={t(pending ? 'code_sent' : 'code_none')}
    >
      <div className="grid gap-5">
        {pending && mailboxHref ? (
          <Notice kind="info">
            {login('verify.mailbox')}{' '}
            <a href={mailboxHref} className="link" target="_blank" rel="noopener">
              {login('verify.open_mailbox')}
            </a>
          </Notice>
        ) : null}
        {pending ? (
          <ActionForm action={verify} icons={answerIcons} className="grid gap-5">
            <input type="hidden" name="id" value={id} />
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
              <LinkButton href={closeHref} look="secondary">
                {t('code_later')}
              </LinkButton>
            </div>
          </ActionForm>
        ) : null}
        <ActionForm action={resend} icons={answerIcons} className="grid gap-3 text-[0.9375rem]">
          <input type="hidden" name="id" value={id} />
          {pending ? (
            <p className="flex flex-wrap gap-x-2">
              <span className="text-ink-2">{login('verify.nothing_came')}</span>
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
              <LinkButton href={closeHref} look="secondary">
                {t('code_later')}
              </LinkButton>
            </div>
          )}
        </ActionForm>
      </div>
    </Card>
  )
}
