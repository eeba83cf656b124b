import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { FACTOR_ICONS } from '../factors/icons'
import { TotpKey } from '../factors/totp-key'
import { troubleWords } from '../factors/trouble-words'
import { described, Field, FieldError } from '../ui/field'
import { Icon } from '../ui/icon'
import { arrowRight } from '../ui/icons'
import { Input } from '../ui/input'
import { Notice } from '../ui/notice'
import { OtpInput } from '../ui/otp-input'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { PasskeyForm } from './passkey-form'
import { RefusalNotice, type RefusalView, refusalText } from './words'

/** What can be set up during a sign-in. */
export type EnrollWay = 'passkey' | 'totp' | 'security_key'

const SUBMIT = '/signin/enroll/submit'
const LATER = '/signin/enroll/later'

/** The drawing above a card's title. */
const drawing = (way: EnrollWay) => (
  <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
    <Icon of={FACTOR_ICONS[way]} className="size-7" />
  </span>
)

/** A form that puts the whole thing off. */
async function Later({ flow, label }: { flow: string; label: string }) {
  const ui = await getTranslations('ui')
  return (
    <form method="post" action={LATER} className="grid">
      <input type="hidden" name="flow" value={flow} />
      <SubmitButton wide look="secondary" workingLabel={ui('working')}>
        {label}
      </SubmitButton>
    </form>
  )
}

async function NeedsScript() {
  const t = await getTranslations('login.enroll')
  return (
    <noscript>
      <Notice kind="warning">{t('no_script')}</Notice>
    </noscript>
  )
}

interface ChoiceProps {
  flow: string
  ways: readonly EnrollWay[]
  hrefOf: (way: EnrollWay) => string
  lead: ReactNode
  /** May be put off: for good, or until a day in words; null: it may not. */
  later: { until: string | null } | null
  notice?: RefusalView | null
}

/** A second step is needed: which one? */
export async function EnrollChoice({ flow, ways, hrefOf, lead, later, notice }: ChoiceProps) {
  const t = await getTranslations('login.enroll')
  return (
    <AuthCard title={t('title')} lead={lead}>
      {notice ? <RefusalNotice refusal={notice} /> : null}
      <ul className="grid gap-3">
        {ways.map((way) => (
          <li key={way}>
            <a
              href={hrefOf(way)}
              className="flex items-center gap-4 rounded-control border border-line-strong px-4 py-3.5 hover:border-ink-3 hover:bg-sunken"
            >
              <Icon of={FACTOR_ICONS[way]} className="size-6 text-brand-ink" />
              <span className="min-w-0 flex-1">
                <span className="block font-medium">{t(`choose_${way}`)}</span>
                <span className="block text-sm text-ink-2">{t(`choose_${way}_text`)}</span>
              </span>
              <Icon of={arrowRight} className="size-4 text-ink-3" />
            </a>
          </li>
        ))}
      </ul>
      {later ? (
        <>
          {later.until ? (
            <p className="text-[0.9375rem] text-ink-2">{t('until', { date: later.until })}</p>
          ) : null}
          <Later flow={flow} label={t(later.until ? 'later' : 'offer_later')} />
        </>
      ) : null}
    </AuthCard>
  )
}

interface PasskeyProps {
  flow: string
  /** Why a passkey: to be quicker next time, instead of a password, because everyone has one here, or chosen as second step. */
  reason: 'offer' | 'sign_up' | 'needed' | 'chosen'
  /** May be put off. */
  later: boolean
  backHref?: string | null
  notice?: RefusalView | null
}

/** Makes a passkey. As an offer it is also made without a question, where the browser does that. */
export async function EnrollPasskey({ flow, reason, later, backHref, notice }: PasskeyProps) {
  const [t, ui, words] = await Promise.all([
    getTranslations('login.enroll'),
    getTranslations('ui'),
    troubleWords(),
  ])
  const says = {
    offer: { title: t('offer_title'), lead: t('offer_lead'), later: t('offer_later') },
    sign_up: { title: t('first_title'), lead: t('first_lead'), later: t('first_later') },
    needed: { title: t('first_title'), lead: t('passkey_needed_lead'), later: t('later') },
    chosen: { title: t('passkey_title'), lead: t('passkey_text'), later: t('later') },
  }[reason]
  return (
    <AuthCard
      top={drawing('passkey')}
      title={says.title}
      lead={says.lead}
      bottom={backHref ? <Back href={backHref} /> : null}
    >
      {notice ? <RefusalNotice refusal={notice} /> : null}
      <NeedsScript />
      <div className="grid gap-3">
        <PasskeyForm
          flow={flow}
          action={SUBMIT}
          optionsAction="/signin/passkey/options"
          fields={{ method: 'passkey' }}
          label={t('passkey')}
          workingLabel={ui('working')}
          icon={<Icon of={FACTOR_ICONS.passkey} />}
          words={words}
          quietly={reason === 'offer' ? 'create' : undefined}
          autoFocus
        />
        {later ? <Later flow={flow} label={says.later} /> : null}
      </div>
      {reason === 'offer' ? <p className="text-sm text-ink-3">{t('offer_note')}</p> : null}
    </AuthCard>
  )
}

interface KeyProps {
  flow: string
  backHref?: string | null
  notice?: RefusalView | null
}

/** Adds a security key, with a name of the person's own. */
export async function EnrollSecurityKey({ flow, backHref, notice }: KeyProps) {
  const [t, ui, methods, words] = await Promise.all([
    getTranslations('login.enroll'),
    getTranslations('ui'),
    getTranslations('factors.methods'),
    troubleWords(),
  ])
  return (
    <AuthCard
      top={drawing('security_key')}
      title={t('security_key_title')}
      lead={t('security_key_text')}
      bottom={backHref ? <Back href={backHref} /> : null}
    >
      {notice ? <RefusalNotice refusal={notice} /> : null}
      <NeedsScript />
      <PasskeyForm
        flow={flow}
        action={SUBMIT}
        optionsAction="/signin/passkey/options"
        fields={{ method: 'security_key' }}
        label={t('security_key')}
        workingLabel={ui('working')}
        icon={<Icon of={FACTOR_ICONS.security_key} />}
        words={words}
      >
        <Field id="name" label={t('name')} hint={t('name_hint')}>
          <Input
            {...described('name', { hint: true })}
            name="name"
            defaultValue={methods('security_key')}
            maxLength={40}
            required
            autoFocus
          />
        </Field>
      </PasskeyForm>
    </AuthCard>
  )
}

interface TotpProps {
  flow: string
  enrolment: { secret: string; groups: readonly string[]; uri: string; qr: string }
  backHref?: string | null
  notice?: RefusalView | null
}

/** Adds an authenticator app: key over, one code back. Works without script. */
export async function EnrollTotp({ flow, enrolment, backHref, notice }: TotpProps) {
  const [t, ui] = await Promise.all([getTranslations('login.enroll'), getTranslations('ui')])
  const error = notice?.field === 'code' ? await refusalText(notice) : undefined
  return (
    <AuthCard
      title={t('totp_title')}
      lead={t('totp_lead')}
      bottom={backHref ? <Back href={backHref} /> : null}
    >
      {notice && !error ? <RefusalNotice refusal={notice} /> : null}
      <TotpKey {...enrolment} />
      <form method="post" action={SUBMIT} className="grid gap-5">
        <input type="hidden" name="flow" value={flow} />
        <input type="hidden" name="method" value="totp" />
        <input type="hidden" name="name" value={t('totp_name')} />
        <div className="grid gap-2">
          <label htmlFor="code" className="text-[0.9375rem] font-medium">
            {t('code')}
          </label>
          <OtpInput
            {...described('code', { error })}
            name="code"
            title={t('code')}
            required
            autoFocus={Boolean(error)}
          />
          {error ? (
            <div role="alert">
              <FieldError id="code-error">{error}</FieldError>
            </div>
          ) : null}
        </div>
        <SubmitButton wide workingLabel={ui('working')}>
          {t('submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}

async function Back({ href }: { href: string }) {
  const t = await getTranslations('login.enroll')
  return (
    <a href={href} className="link">
      {t('another')}
    </a>
  )
}
