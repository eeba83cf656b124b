import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { triangleExclamationPoint } from '../ui/icons'
import { AuthCard } from './auth-shell'
import { type RefusalView, refusalText } from './words'

const TITLES = [
  'flow_expired',
  'flow_foreign_browser',
  'cookies_blocked',
  'account_disabled',
  'redirect_uri_invalid',
  'not_found',
  'stores_down',
  'sign_up_closed',
] as const

interface Props {
  /** A refusal: its title and sentence are in the catalogue. */
  refusal?: RefusalView
  /** Or own words, already in the reader's language. */
  title?: ReactNode
  text?: ReactNode
  /** The request id, as in the log. */
  reference?: string | null
  /** The way on: begin again, or back to the app. */
  primary?: { href: string; label?: string } | null
  back?: { href: string; app: string } | null
  children?: ReactNode
}

/** A dead end made into a crossing: what happened, what to do, and a number to quote. */
export async function Problem({ refusal, title, text, reference, primary, back, children }: Props) {
  const t = await getTranslations('login.problem')
  const known = TITLES.find((code) => code === refusal?.code)
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-warning-soft text-warning">
          <Icon of={triangleExclamationPoint} className="size-7" />
        </span>
      }
      title={title ?? (known ? t(`${known}_title`) : t('generic_title'))}
      lead={text ?? (refusal ? await refusalText(refusal) : null)}
      bottom={
        reference ? (
          <p className="text-sm">
            {t('reference')}:
            <code className="block font-mono text-[0.8125rem] break-all text-ink">{reference}</code>
            {t('reference_hint')}
          </p>
        ) : null
      }
    >
      {children}
      {primary || back ? (
        <div className="grid gap-3">
          {primary ? <LinkButton href={primary.href}>{primary.label ?? t('start_again')}</LinkButton> : null}
          {back ? (
            <LinkButton href={back.href} look={primary ? 'secondary' : 'primary'}>
              {t('back_to', { app: back.app })}
            </LinkButton>
          ) : null}
        </div>
      ) : null}
    </AuthCard>
  )
}
