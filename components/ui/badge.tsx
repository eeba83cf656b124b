import type { ReactNode } from 'react'
import { cx } from './cx'

export type BadgeKind = 'neutral' | 'brand' | 'success' | 'warning' | 'danger'

/** A word about the thing beside it. */
export function Badge({ kind = 'neutral', children }: { kind?: BadgeKind; children: ReactNode }) {
  return <span className={cx('badge', kind !== 'neutral' && kind)}>{children}</span>
}
