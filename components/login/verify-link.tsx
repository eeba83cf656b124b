import { getTranslations } from 'next-intl/server'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { check, circleExclamationPoint, copy, mailCheck, monitorSmartphone } from '../ui/icons'
import { Notice } from '../ui/notice'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { CanPasskey } from './can-passkey'
import { RefusalNotice, type RefusalView } from './words'

type Props =
  /** The browser that asked for the mail: one button that confirms. Posts `flow`, `code`. */
  | {
      kind: 'same'
      flow: string
      code: string
      action: string
      /** The code signs in, rather than proving a new address. */
      signsIn?: boolean
      email?: string | null
      notice?: RefusalView | null
    }
  /** Any other browser: the code, to be typed where it began. */
  | { kind: 'other'; code: string }
  /** Used, replaced or too old. */
  | { kind: 'dead'; startHref?: string | null }

const icon = (shape: typeof mailCheck) => (
  <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
    <Icon of={shape} className="size-7" />
  </span>
)

/** Where the link in a mail leads. Opening it changes nothing; only the button does. */
export async function VerifyLink(props: Props) {
  const [t, ui] = await Promise.all([getTranslations('login'), getTranslations('ui')])
  if (props.kind === 'dead')
    return (
      <AuthCard top={icon(circleExclamationPoint)} title={t('link.dead_title')} lead={t('link.dead_text')}>
        {props.startHref ? (
          <a href={props.startHref} className="link">
            {t('problem.start_again')}
          </a>
        ) : null}
      </AuthCard>
    )
  if (props.kind === 'other')
    return (
      <AuthCard top={icon(monitorSmartphone)} title={t('link.other_title')} lead={t('link.other_text')}>
        <div className="grid justify-items-center gap-3 rounded-card border border-line bg-sunken px-4 py-6">
          <p
            className="font-mono text-[2rem] leading-none font-semibold tracking-[0.18em] tabular-nums"
            data-testid="verify-code"
          >
            <span className="sr-only">{Array.from(props.code).join(' ')}</span>
            <span aria-hidden>{props.code}</span>
          </p>
          <CopyButton
            text={props.code}
            label={ui('copy')}
            copiedLabel={ui('copied')}
            icon={<Icon of={copy} className="size-4" />}
            copiedIcon={<Icon of={check} className="size-4" />}
          />
        </div>
        <Notice kind="warning" title={t('link.warning_title')}>
          {t('link.warning')}
        </Notice>
      </AuthCard>
    )
  return (
    <AuthCard
      top={icon(mailCheck)}
      title={t(props.signsIn ? 'link.sign_in_title' : 'link.title')}
      lead={
        props.email
          ? t(props.signsIn ? 'link.sign_in_text' : 'link.same_text', { email: props.email })
          : t('link.same_text_plain')
      }
    >
      {props.notice ? <RefusalNotice refusal={props.notice} /> : null}
      <form method="post" action={props.action} className="grid gap-5">
        <input type="hidden" name="flow" value={props.flow} />
        <input type="hidden" name="code" value={props.code} />
        <CanPasskey />
        <SubmitButton wide workingLabel={ui('working')}>
          {t(props.signsIn ? 'link.sign_in_submit' : 'link.same_submit')}
        </SubmitButton>
      </form>
      <p className="text-sm text-ink-3">
        {t('link.warning_title')} {t('link.warning')}
      </p>
    </AuthCard>
  )
}
