import { cx } from './cx'
import { Icon } from './icon'
import { bot, type IconShape, laptop, monitorSmartphone, smartphone, tablet, tv } from './icons'

const SHAPES: Record<string, IconShape> = { desktop: laptop, mobile: smartphone, tablet, tv, bot }

/** The kind of device a session runs on; `current` marks the reader's own. */
export function DeviceIcon({ kind, current = false }: { kind: string | null; current?: boolean }) {
  return (
    <span className={cx('device', current && 'current')}>
      <Icon of={SHAPES[kind ?? ''] ?? monitorSmartphone} className="size-6" />
    </span>
  )
}
