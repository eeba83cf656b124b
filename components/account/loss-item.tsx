import { getLocale, getTranslations } from 'next-intl/server'
import type { Item, Loss } from '@/lib/recovery'
import { duration } from '../login/words'
import { Badge, type BadgeKind } from '../ui/badge'
import { Icon } from '../ui/icon'
import {
  fingerprintPattern,
  type IconShape,
  keyRound,
  link,
  listChecks,
  mail,
  smartphone,
  triangleExclamationPoint,
  usb,
} from '../ui/icons'
import { Row } from '../ui/rows'

const ICONS: Record<Loss['item']['kind'], IconShape> = {
  password: keyRound,
  email: mail,
  phone: smartphone,
  linked: link,
  passkeys: fingerprintPattern,
  keys: usb,
  apps: smartphone,
  codes: listChecks,
  everything: triangleExclamationPoint,
}

const LOOKS: Record<Loss['otherwise'], BadgeKind> = {
  in: 'success',
  contacts: 'brand',
  wait: 'warning',
  nothing: 'danger',
}

/** What one loss would do: what is left, or the last resort. */
export async function LossItem({ loss, waitHours }: { loss: Loss; waitHours: number }) {
  const t = await getTranslations('recovery.outlook')
  const { item, left, seconds, otherwise } = loss
  const wait = await duration(waitHours * 3600)
  const values = (of: Loss['item'] | Item) => ({
    label: 'label' in of ? of.label : '',
    count: 'count' in of ? of.count : 1,
  })
  const or = new Intl.ListFormat(await getLocale(), { type: 'disjunction' })
  const words = (ways: readonly Item[]) => or.format(ways.map((way) => t(`way.${way.kind}`, values(way))))
  const alone = seconds.length ? left.filter(({ kind }) => kind === 'passkeys') : left
  // What gets in by itself needs no mention as a second step.
  const beside = seconds.filter((way) => !alone.includes(way))
  const joined = beside.length ? left.filter((way) => !alone.includes(way)) : []
  const still = joined.length
    ? t(alone.length ? 'left_either' : 'left_both', {
        alone: words(alone),
        list: words(joined),
        seconds: words(beside),
      })
    : t('left', { list: words(alone) })
  return (
    <Row
      className="roomy"
      start={<Icon of={ICONS[item.kind]} className="mt-0.5 text-ink-3" />}
      title={<span className="wrap-anywhere">… {t(`lose.${item.kind}`, values(item))}</span>}
      end={<Badge kind={LOOKS[otherwise]}>{t(`verdict_${otherwise}`, { duration: wait })}</Badge>}
    >
      <p className="wrap-anywhere">{otherwise === 'in' ? still : t(otherwise, { duration: wait })}</p>
    </Row>
  )
}
