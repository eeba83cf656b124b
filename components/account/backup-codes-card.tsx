import { getTranslations } from 'next-intl/server'
import type { BackupCodes } from '@/lib/factors'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { relativeTime } from '../ui/time'

interface Props {
  codes: BackupCodes | null
  /** Where they are made; null where they may not be. */
  href: string | null
  timeZone: string
  now: number
}

/** How many backup codes are left, and the way to new ones. */
export async function BackupCodesCard({ codes, href, timeZone, now }: Props) {
  const t = await getTranslations('security.codes')
  const { left = 0, total = 0 } = codes ?? {}
  const when = codes ? await relativeTime(codes.createdAt, timeZone, now) : ''
  return (
    <Card id="backup-codes" title={t('title')} lead={t('text')}>
      <div className="flex flex-wrap items-center justify-between gap-4">
        <p className={left > 0 ? 'text-ink-2' : 'text-ink-3'}>
          {codes ? t(left > 0 ? 'left' : 'none_left', { left, total, when }) : t('none')}
        </p>
        {href ? (
          <LinkButton href={href} look="secondary" size="sm">
            {t(codes ? 'manage' : 'make')}
          </LinkButton>
        ) : null}
      </div>
    </Card>
  )
}
