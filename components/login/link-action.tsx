import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { check, circleExclamationPoint, type IconShape } from '../ui/icons'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'
import { Effects } from './effects'
import { RefusalNotice, type RefusalView } from './words'

const icon = (shape: IconShape, look: string) => (
  <span className={`grid size-14 place-items-center rounded-card ${look}`}>
    <Icon of={shape} className="size-7" />
  </span>
)

interface Props {
  icon: IconShape
  title: ReactNode
  lead: ReactNode
  /** What will happen, each in a sentence. */
  effects: ReactNode[]
  action: string
  token: string
  submit: string
  danger?: boolean
  note: ReactNode
  notice?: RefusalView | null
}

/** Where a link of a mail leads: says what its button will do. Opening it changes nothing. */
export async function LinkAction(props: Props) {
  const ui = await getTranslations('ui')
  return (
    <AuthCard
      top={icon(props.icon, props.danger ? 'bg-danger-soft text-danger' : 'bg-brand-soft text-brand-ink')}
      title={props.title}
      lead={<p className="wrap-anywhere">{props.lead}</p>}
    >
      {props.notice ? <RefusalNotice refusal={props.notice} /> : null}
      <Effects items={props.effects} />
      <form method="post" action={props.action} className="grid">
        <input type="hidden" name="token" value={props.token} />
        <SubmitButton wide look={props.danger ? 'danger' : 'primary'} workingLabel={ui('working')}>
          {props.submit}
        </SubmitButton>
      </form>
      <p className="text-sm text-ink-3">{props.note}</p>
    </AuthCard>
  )
}

/** Such a link that is used, void or too old. */
export async function LinkOver() {
  const t = await getTranslations('login.link_over')
  return (
    <AuthCard
      top={icon(circleExclamationPoint, 'bg-warning-soft text-warning')}
      title={t('title')}
      lead={t('text')}
    >
      <LinkButton href="/account" look="secondary">
        {(await getTranslations('ui'))('not_found.account')}
      </LinkButton>
    </AuthCard>
  )
}

interface DoneProps {
  title: ReactNode
  text: ReactNode
  next: ReactNode
  primary: { href: string; label: string }
  secondary?: { href: string; label: string }
}

/** What such a link did, and what to do next. */
export function LinkDone({ title, text, next, primary, secondary }: DoneProps) {
  return (
    <AuthCard
      top={icon(check, 'bg-success-soft text-success')}
      title={title}
      lead={<p className="wrap-anywhere">{text}</p>}
    >
      <p className="text-[0.9375rem] text-ink-2">{next}</p>
      <div className="grid gap-3">
        <LinkButton href={primary.href}>{primary.label}</LinkButton>
        {secondary ? (
          <LinkButton href={secondary.href} look="secondary">
            {secondary.label}
          </LinkButton>
        ) : null}
      </div>
    </AuthCard>
  )
}
