import { getTranslations } from 'next-intl/server'
import type { Running } from '@/lib/recovery'
import { Notice } from '../ui/notice'
import { SubmitButton } from '../ui/submit-button'
import { longTime } from '../ui/time'

interface Props {
  running: Running
  timeZone: string
  now: number
}

/** On every page of an account whose recovery runs: what is going on, and the one press that stops it. */
export async function RecoveryBanner({ running, timeZone, now }: Props) {
  const [t, ui] = await Promise.all([getTranslations('recovery.banner'), getTranslations('ui')])
  const kind = running.moot ? 'moot' : running.readyAt <= now ? 'ready' : 'text'
  return (
    <Notice kind="warning" title={t('title')} live="status" className="mb-6">
      <p>
        {t(kind, {
          at: await longTime(running.createdAt, timeZone),
          time: await longTime(running.readyAt, timeZone),
        })}
      </p>
      <form method="post" action="/recover/stop/submit" className="mt-3">
        <SubmitButton look={running.moot ? 'secondary' : 'danger'} size="sm" workingLabel={ui('working')}>
          {t('stop')}
        </SubmitButton>
      </form>
    </Notice>
  )
}
