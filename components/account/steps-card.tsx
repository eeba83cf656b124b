import { getTranslations } from 'next-intl/server'
import type { BackupCodes } from '@/lib/factors'
import type { Standing } from '@/lib/security'
import { Badge } from '../ui/badge'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { Notice } from '../ui/notice'
import { longDate } from '../ui/time'

/** Fewer than this are no comfort. */
const FEW = 3

interface Props {
  standing: Standing
  /** How many factors switch the second step on. */
  strong: number
  codes: BackupCodes | null
  codesHref: string
  product: string
  timeZone: string
}

/** Whether sign-in asks for a second step, what the operator asks for, and what is missing, in plain words. */
export async function StepsCard({ standing, strong, codes, codesHref, product, timeZone }: Props) {
  const t = await getTranslations('security.steps')
  const { on, asked, from, may } = standing
  const possible = may.totp || may.passkey || may.security_key
  const required = asked === 'required'
  const few = on && codes !== null && codes.left <= FEW
  return (
    <Card
      id="two-step"
      title={t('title')}
      aside={<Badge kind={on ? 'success' : required ? 'warning' : 'neutral'}>{t(on ? 'on' : 'off')}</Badge>}
    >
      <div className="grid gap-4">
        <p className="max-w-prose text-ink-2">{t(on ? 'on_text' : possible ? 'off_text' : 'off_closed')}</p>
        {required && from !== null ? (
          <Notice kind={on ? 'info' : 'warning'}>
            {t(on ? 'required_from_on' : 'required_from', { product, date: await longDate(from, timeZone) })}
          </Notice>
        ) : required ? (
          <Notice kind={on ? 'info' : 'warning'}>{t(on ? 'required_on' : 'required', { product })}</Notice>
        ) : asked === 'encouraged' && !on ? (
          <Notice kind="info">{t('encouraged', { product })}</Notice>
        ) : null}
        {standing.passkeyOnly ? <p className="text-[0.9375rem] text-ink-2">{t('passkey_only')}</p> : null}
        {few ? (
          <Notice kind="warning" title={t('few_title', { left: codes.left })}>
            <p>{t('few')}</p>
          </Notice>
        ) : strong === 1 && codes === null && may.backup_code ? (
          <Notice kind="warning" title={t('single_title')}>
            <p>{t('single')}</p>
          </Notice>
        ) : null}
        {few || (strong === 1 && codes === null && may.backup_code) ? (
          <div>
            <LinkButton href={codesHref} look="secondary" size="sm">
              {t('codes_link')}
            </LinkButton>
          </div>
        ) : null}
      </div>
    </Card>
  )
}
