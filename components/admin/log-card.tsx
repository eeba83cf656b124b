import { getTranslations } from 'next-intl/server'
import type { LogEntry } from '@/lib/oidc'
import { Card } from '../ui/card'
import { EmptyState } from '../ui/empty-state'
import { circleCheck } from '../ui/icons'
import { Row, Rows } from '../ui/rows'
import { RelativeTime } from '../ui/time'

/** Why requests of an app were refused. What the protocol says of itself is in its own language. */
export async function LogCard({
  entries,
  ...times
}: {
  entries: readonly LogEntry[]
  timeZone: string
  now: number
}) {
  const t = await getTranslations('admin.log')
  return (
    <Card id="log" title={t('title')} lead={t('lead')} flush>
      {entries.length === 0 ? (
        <EmptyState icon={circleCheck} title={t('none_title')}>
          {t('none')}
        </EmptyState>
      ) : (
        <Rows label={t('title')}>
          {entries.map((entry) => (
            <Row
              key={`${entry.requestId} ${entry.at}`}
              title={
                <span className="flex flex-wrap items-baseline gap-x-2.5">
                  <code className="font-mono text-[0.9375rem] wrap-anywhere">{entry.error}</code>
                  <span className="text-[0.9375rem] font-normal text-ink-2">
                    {entry.endpoint} · <RelativeTime at={entry.at} {...times} />
                  </span>
                </span>
              }
            >
              <div className="grid gap-0.5 text-[0.9375rem] wrap-anywhere">
                {entry.description ? <p lang="en">{entry.description}</p> : null}
                {entry.detail ? (
                  <p lang="en" className="text-ink-2">
                    {entry.detail}
                  </p>
                ) : null}
                {entry.redirectUri ? <p>{t('asked_for', { uri: entry.redirectUri })}</p> : null}
                <p className="text-sm text-ink-3">
                  {t('request')} <span className="font-mono">{entry.requestId}</span>
                </p>
              </div>
            </Row>
          ))}
        </Rows>
      )}
    </Card>
  )
}
