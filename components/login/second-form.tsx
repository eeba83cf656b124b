import { getLocale, getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { FACTOR_ICONS } from '../factors/icons'
import { troubleWords } from '../factors/trouble-words'
import { described, Field, FieldError } from '../ui/field'
import { Icon } from '../ui/icon'
import { arrowRight, type IconShape, shieldCheck } from '../ui/icons'
import { Checkbox, Input } from '../ui/input'
import { LocalTime } from '../ui/local-time'
import { Notice } from '../ui/notice'
import { OtpInput } from '../ui/otp-input'
import { PasswordInput } from '../ui/password-input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { ClientLogo, type ClientView } from './client-logo'
import { PasskeyForm } from './passkey-form'
import { passwordParts } from './password-props'
import { ResendButton } from './resend-button'
import { RefusalNotice, type RefusalView, refusalText, utcTime } from './words'

/** What the second step takes. */
export type SecondWay =
  | 'totp'
  | 'passkey'
  | 'security_key'
  | 'backup_code'
  | 'email_code'
  | 'sms_code'
  | 'password'

export interface SecondOffer {
  method: SecondWay
  /** Names of the authenticators, or where a code would go (masked). */
  hint?: string
}

interface Props {
  flow: string
  /** Best first; never empty. */
  offers: readonly SecondOffer[]
  /** The one that is shown. */
  chosen: SecondOffer
  /** The page with another way chosen. */
  hrefOf: (way: SecondWay) => string
  /** Why it is asked for. */
  why: 'enrolled' | 'policy' | 'app' | 'unusual'
  /** What is unusual, where that is why. */
  reasons: readonly ('new_country' | 'impossible_travel' | 'long_idle' | 'many_failures')[]
  product: string
  client?: ClientView | null
  /** A code that is on its way for the chosen one. Milliseconds since the epoch. */
  sent?: { to: string; resendAt: number; expiresAt: number } | null
  /** The server's present moment, milliseconds since the epoch. */
  now: number
  /** How long this browser would not be asked again; null: that is not on offer. */
  trustDays: number | null
  notice?: RefusalView | null
  recoverHref?: string | null
  startAgainHref: string
  mailboxHref?: string | null
}

const isAboutCode = (notice: RefusalView | null | undefined): notice is RefusalView =>
  notice?.field === 'code' || ABOUT_THE_CODE.includes(notice?.code ?? '')

const ABOUT_THE_CODE = [
  'code_wrong',
  'code_expired',
  'code_exhausted',
  'password_wrong',
  'totp_wrong',
  'totp_used',
  'backup_code_wrong',
]

const SUBMIT = '/signin/second/submit'
const SEND = '/signin/second/send'

/** The second step: the best proof first, every other one a link away. Codes work without script. */
export async function SecondForm(props: Props) {
  const { offers, chosen, why, reasons, client, notice, trustDays } = props
  const t = await getTranslations('login.second')
  const others = offers.filter(({ method }) => method !== chosen.method)
  const aboutCode = isAboutCode(notice)
  const trust = trustDays ? <Trust days={trustDays} /> : null
  return (
    <AuthCard
      top={
        client ? (
          <ClientLogo client={client} />
        ) : (
          <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
            <Icon of={shieldCheck} className="size-7" />
          </span>
        )
      }
      title={t('title')}
      lead={
        why === 'app'
          ? client
            ? t('lead_app', { app: client.name })
            : t('lead_app_unnamed')
          : t(`lead_${why}`)
      }
      bottom={
        <div className="flex flex-wrap justify-center gap-x-5 gap-y-1">
          {props.recoverHref ? (
            <p>
              {t('lost')}{' '}
              <a href={props.recoverHref} className="link">
                {t('lost_link')}
              </a>
            </p>
          ) : null}
          <a href={props.startAgainHref} className="link">
            {t('start_again')}
          </a>
        </div>
      }
    >
      {notice && !aboutCode ? <RefusalNotice refusal={notice} /> : null}
      {reasons.length > 0 ? (
        <Notice kind="info">{reasons.map((reason) => t(`reasons.${reason}`)).join(' ')}</Notice>
      ) : null}
      {chosen.method === 'passkey' || chosen.method === 'security_key' ? (
        <ByKey {...props} trust={trust} />
      ) : chosen.method === 'email_code' || chosen.method === 'sms_code' ? (
        <BySentCode {...props} trust={trust} />
      ) : (
        <ByTyping {...props} trust={trust} />
      )}
      {others.length > 0 ? (
        <section aria-labelledby="other-ways" className="grid gap-1 border-t border-line pt-4">
          <h2 id="other-ways" className="text-sm font-medium text-ink-3">
            {t('other_ways')}
          </h2>
          <ul className="-mx-3 grid">
            {others.map(({ method, hint }) => (
              <li key={method}>
                <a href={props.hrefOf(method)} className="menu-item">
                  <Icon of={FACTOR_ICONS[method]} />
                  <span className="min-w-0 flex-1 wrap-anywhere">
                    {t(`way_${method}`)}
                    {hint ? <span className="block text-sm font-normal text-ink-3">{hint}</span> : null}
                  </span>
                  <Icon of={arrowRight} className="size-4" />
                </a>
              </li>
            ))}
          </ul>
        </section>
      ) : null}
    </AuthCard>
  )
}

type WayProps = Props & { trust: ReactNode }

/** "Don't ask here": said of this browser only. */
async function Trust({ days }: { days: number }) {
  const t = await getTranslations('login.second')
  return (
    <Checkbox name="trust" value="1" aria-describedby="trust-hint">
      {t('trust', { days })}
      <span id="trust-hint" className="block text-sm text-ink-3">
        {t('trust_hint')}
      </span>
    </Checkbox>
  )
}

/** A code of an app, a backup code, or the password after a key that stood for possession alone. */
async function ByTyping({ flow, chosen, product, notice, trust }: WayProps) {
  const [t, ui] = await Promise.all([getTranslations('login.second'), getTranslations('ui')])
  const error = isAboutCode(notice) ? await refusalText(notice) : undefined
  const { method, hint } = chosen
  return (
    <form method="post" action={SUBMIT} className="grid gap-5">
      <input type="hidden" name="flow" value={flow} />
      <input type="hidden" name="method" value={method} />
      {method === 'totp' ? (
        <Digits
          label={t('totp_label')}
          error={error}
          hint={hint ? t('totp_hint_names', { names: hint, product }) : t('totp_hint', { product })}
        />
      ) : method === 'password' ? (
        <Field id="code" label={t('password_label')} error={error}>
          <PasswordInput
            {...(await passwordParts())}
            {...described('code', { error })}
            name="code"
            autoComplete="current-password"
            required
            autoFocus
          />
        </Field>
      ) : (
        <Field id="code" label={t('backup_label')} hint={t('backup_hint')} error={error}>
          <Input
            {...described('code', { hint: true, error })}
            name="code"
            autoCapitalize="none"
            autoCorrect="off"
            spellCheck={false}
            maxLength={40}
            className="font-mono"
            required
            autoFocus
          />
        </Field>
      )}
      {trust}
      <SubmitButton wide workingLabel={ui('working')}>
        {t('submit')}
      </SubmitButton>
    </form>
  )
}

/** A code by mail or text message: sent when asked for, never by opening the page. */
async function BySentCode({ flow, chosen, sent, now, notice, mailboxHref, trust }: WayProps) {
  const [t, verify, ui, locale] = await Promise.all([
    getTranslations('login.second'),
    getTranslations('login.verify'),
    getTranslations('ui'),
    getLocale(),
  ])
  const kind = chosen.method === 'email_code' ? 'email' : 'sms'
  const error = isAboutCode(notice) ? await refusalText(notice) : undefined
  const b = (chunks: ReactNode) => <strong className="font-semibold wrap-anywhere text-ink">{chunks}</strong>
  const hidden = (
    <>
      <input type="hidden" name="flow" value={flow} />
      <input type="hidden" name="method" value={chosen.method} />
    </>
  )
  if (!sent)
    return (
      <form method="post" action={SEND} className="grid gap-5">
        {hidden}
        <p>{t.rich(`${kind}_text`, { to: chosen.hint ?? '', b })}</p>
        <SubmitButton wide workingLabel={ui('working')}>
          {t('send')}
        </SubmitButton>
      </form>
    )
  return (
    <>
      <p>{t.rich(`${kind}_sent`, { to: sent.to, b })}</p>
      {mailboxHref ? (
        <Notice kind="info">
          {verify(kind === 'sms' ? 'mailbox_texts' : 'mailbox')}{' '}
          <a href={mailboxHref} className="link" target="_blank" rel="noopener">
            {verify('open_mailbox')}
          </a>
        </Notice>
      ) : null}
      <form method="post" action={SUBMIT} className="grid gap-5">
        {hidden}
        <Digits
          label={t('code_label')}
          error={error}
          hint={verify.rich('expires_at', {
            time: await utcTime(sent.expiresAt),
            t: (chunks) => (
              <LocalTime at={sent.expiresAt} locale={locale}>
                {String(chunks)}
              </LocalTime>
            ),
          })}
        />
        {trust}
        <SubmitButton wide workingLabel={ui('working')}>
          {t('submit')}
        </SubmitButton>
      </form>
      <form method="post" action={SEND} className="text-center text-[0.9375rem]">
        {hidden}
        <ResendButton
          until={sent.resendAt}
          serverNow={now}
          label={verify('resend')}
          waitingLabel={verify('resend_in', { seconds: '{seconds}' })}
        />
      </form>
    </>
  )
}

/** A passkey or a security key. */
async function ByKey({ flow, chosen, trust }: WayProps) {
  const [t, ui, words] = await Promise.all([
    getTranslations('login.second'),
    getTranslations('ui'),
    troubleWords(),
  ])
  const method = chosen.method === 'passkey' ? 'passkey' : 'security_key'
  const shape: IconShape = FACTOR_ICONS[method]
  return (
    <>
      <noscript>
        <Notice kind="warning">{t('no_script')}</Notice>
      </noscript>
      <p className="noscript:hidden">{t(`${method}_text`)}</p>
      <PasskeyForm
        flow={flow}
        action="/signin/passkey"
        optionsAction="/signin/passkey/options"
        fields={{ method }}
        label={t(`${method}_submit`)}
        workingLabel={ui('working')}
        icon={<Icon of={shape} />}
        words={words}
        autoFocus
      >
        {trust}
      </PasskeyForm>
    </>
  )
}

interface DigitsProps {
  label: string
  hint: ReactNode
  error?: string
}

/** Six digits with what is said of them. */
function Digits({ label, hint, error }: DigitsProps) {
  return (
    <div className="grid gap-2">
      <label htmlFor="code" className="text-[0.9375rem] font-medium">
        {label}
      </label>
      <OtpInput {...described('code', { hint, error })} name="code" title={label} required autoFocus />
      {error ? (
        <div role="alert">
          <FieldError id="code-error">{error}</FieldError>
        </div>
      ) : null}
      <p id="code-hint" className="text-sm text-ink-3">
        {hint}
      </p>
    </div>
  )
}
