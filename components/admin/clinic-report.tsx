import { getTranslations } from 'next-intl/server'
import type { CheckId, Group, Note, Outcome, Verdict, Weight } from '@/lib/clinic'
import { Badge, type BadgeKind } from '../ui/badge'
import { Card } from '../ui/card'
import { Notice } from '../ui/notice'
import { Row, Rows } from '../ui/rows'
import { RelativeTime } from '../ui/time'

/** One check of a report, with where it is written. */
export interface ClinicLine {
  check: CheckId
  group: Group
  outcome: Outcome
  verdict: Verdict
  weight: Weight
  section: { name: string; url: string }
  note?: Note
  status?: number
}

interface Props {
  at: string
  startUrl: string
  counts: Record<Verdict, number>
  groups: readonly Group[]
  lines: readonly ClinicLine[]
  timeZone: string
  now: number
}

/** The newest report on an app: what it did, check by check, and how to mend what was wrong. */
export async function ClinicReport({ at, startUrl, counts, groups, lines, ...times }: Props) {
  const [t, all] = await Promise.all([getTranslations('clinic.page'), getTranslations('clinic')])
  return (
    <>
      <Notice
        kind={counts.wrong > 0 ? 'error' : 'success'}
        live="off"
        title={counts.wrong > 0 ? t('some_wrong', { count: counts.wrong }) : t('all_right')}
      >
        <p>{t('sum', counts)}</p>
        <p className="wrap-anywhere">
          {t('run')} <RelativeTime at={at} {...times} /> · {startUrl}
        </p>
      </Notice>
      {groups.map((group) => {
        const own = lines.filter((line) => line.group === group)
        return own.length > 0 ? (
          <Card key={group} id={group} title={all(`groups.${group}`)} flush>
            <Rows label={all(`groups.${group}`)}>
              {own.map((line) => (
                <Line key={line.check} {...line} />
              ))}
            </Rows>
          </Card>
        ) : null
      })}
    </>
  )
}

const LOOKS: Record<Verdict, BadgeKind> = {
  right: 'success',
  wrong: 'danger',
  unclear: 'warning',
  skipped: 'neutral',
}

async function Line({ check, outcome, verdict, weight, section, note, status }: ClinicLine) {
  const t = await getTranslations('clinic')
  // That it said yes and did nothing is not told as a refusal.
  const seen = (outcome === 'accepted' || outcome === 'refused') && note !== 'yes_but_nothing'
  return (
    <Row
      className="roomy"
      title={<span className="wrap-anywhere">{t(`checks.${check}.title`)}</span>}
      end={<Badge kind={LOOKS[verdict]}>{t(`verdicts.${verdict}`)}</Badge>}
    >
      <div className="grid gap-0.5 text-[0.9375rem]">
        <p className="text-ink-2">
          {seen ? `${t(`did.${outcome}`)} ` : null}
          {note ? `${t(`notes.${note}`)} ` : null}
          {verdict !== 'right' && status ? t('page.status', { status: String(status) }) : null}
        </p>
        {verdict === 'wrong' ? (
          <p className="wrap-anywhere">
            <span className="font-medium">{t('page.fix')}</span> {t(`checks.${check}.fix`)}
          </p>
        ) : null}
        <p className="text-sm text-ink-3">
          {t(`weights.${weight}`)} ·{' '}
          <a href={section.url} className="link" lang="en" rel="noreferrer">
            {section.name}
          </a>
        </p>
      </div>
    </Row>
  )
}
