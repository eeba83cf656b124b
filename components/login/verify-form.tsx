import { getLocale, getTranslations } from 'next-intl/server'
import { FieldError } from '../ui/field'
import { Icon } from '../ui/icon'
import { mailCheck } from '../ui/icons'
import { LocalTime } from '../ui/local-time'
import { Notice } from '../ui/notice'
import { OtpInput } from '../ui/otp-input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { CanPasskey } from './can-passkey'
import { ResendButton } from './resend-button'
import { SmsTrouble } from './sms-trouble'
import { type RefusalView, refusalText, utcTime } from './words'

interface Props {
  flow: string
  /** Where the code posts: `flow`, `code`. */
  action: string
  /** Where a new code is asked for: `flow`. */
  resendAction: string
  /** As typed by the person in this browser; masked if it may be someone else's. */
  email?: string | null
  /** The number that a text message went to, where it was none by mail. */
  phone?: string | null
  /** Put into the field already (a link opened in the same browser). */
  code?: string | null
  /** Milliseconds since the epoch: when another code may be asked for, when this one ends. */
  resendAt: number
  expiresAt?: number | null
  /** The server's present moment, milliseconds since the epoch. */
  now: number
  notice?: RefusalView | null
  /** Said once after a new code was sent. */
  resent?: boolean
  /** Goes back to type another address. */
  changeHref?: string | null
  /** Text messages do not get through: where to sign in by e-mail instead. */
  smsTrouble?: string | null
  /** The built-in mailbox, where mail is kept on this machine. */
  mailboxHref?: string | null
}

const ABOUT_THE_CODE = ['code_wrong', 'code_expired', 'code_exhausted']

/** "Check your mail": the code of six digits, and a new one when it may be asked for. */
export async function VerifyForm(props: Props) {
  const {
    flow,
    action,
    resendAction,
    email,
    phone,
    code,
    resendAt,
    expiresAt,
    now,
    notice,
    changeHref,
    mailboxHref,
  } = props
  const [t, ui, locale] = await Promise.all([getTranslations('login'), getTranslations('ui'), getLocale()])
  const words = notice ? await refusalText(notice) : null
  const aboutCode = notice && ABOUT_THE_CODE.includes(notice.code)
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
          <Icon of={mailCheck} className="size-7" />
        </span>
      }
      title={t(phone ? 'verify.phone_title' : 'verify.title')}
      lead={
        phone
          ? t.rich('verify.phone_sent_to', {
              number: phone,
              b: (chunks) => <strong className="font-semibold whitespace-nowrap text-ink">{chunks}</strong>,
            })
          : email
            ? t.rich('verify.sent_to', {
                email,
                b: (chunks) => <strong className="font-semibold break-words text-ink">{chunks}</strong>,
              })
            : t('verify.sent')
      }
      bottom={
        <div className="grid gap-1">
          <p>{t(phone ? 'verify.phone_nothing_came' : 'verify.nothing_came')}</p>
          <div className="flex flex-wrap items-center justify-center gap-x-5 gap-y-1">
            <form method="post" action={resendAction}>
              <input type="hidden" name="flow" value={flow} />
              <ResendButton
                until={resendAt}
                serverNow={now}
                label={t('verify.resend')}
                waitingLabel={t('verify.resend_in', { seconds: '{seconds}' })}
              />
            </form>
            {changeHref ? (
              <a href={changeHref} className="link">
                {t(phone ? 'verify.phone_change' : 'verify.change')}
              </a>
            ) : null}
          </div>
        </div>
      }
    >
      {props.resent && !notice ? <Notice kind="success">{t('verify.resent')}</Notice> : null}
      {words && !aboutCode ? (
        <Notice kind={notice?.code === 'rate_limited' ? 'warning' : 'error'} live="alert">
          {words}
        </Notice>
      ) : null}
      {props.smsTrouble ? <SmsTrouble emailHref={props.smsTrouble} /> : null}
      {mailboxHref ? (
        <Notice kind="info">
          {t(phone ? 'verify.mailbox_texts' : 'verify.mailbox')}{' '}
          <a href={mailboxHref} className="link" target="_blank" rel="noopener">
            {t('verify.open_mailbox')}
          </a>
        </Notice>
      ) : null}
      <form method="post" action={action} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <CanPasskey />
        <div className="grid gap-2">
          <label htmlFor="code" className="text-[0.9375rem] font-medium">
            {t('verify.code')}
          </label>
          <OtpInput
            id="code"
            name="code"
            required
            autoFocus
            defaultValue={code ?? undefined}
            title={t('verify.code')}
            aria-describedby={
              [aboutCode ? 'code-error' : null, expiresAt ? 'code-hint' : null].filter(Boolean).join(' ') ||
              undefined
            }
            aria-invalid={aboutCode || undefined}
          />
          {aboutCode ? (
            <div role="alert">
              <FieldError id="code-error">{words}</FieldError>
            </div>
          ) : null}
          {expiresAt ? (
            <p id="code-hint" className="text-sm text-ink-3">
              {t.rich('verify.expires_at', {
                time: await utcTime(expiresAt),
                t: (chunks) => (
                  <LocalTime at={expiresAt} locale={locale}>
                    {String(chunks)}
                  </LocalTime>
                ),
              })}
            </p>
          ) : null}
        </div>
        <SubmitButton wide workingLabel={ui('working')}>
          {t('verify.submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
