import type { ReactNode } from 'react'
import { cx } from './cx'
import { Icon } from './icon'
import { circleCheck, circleExclamationPoint, type IconShape, info, triangleExclamationPoint } from './icons'

export type NoticeKind = 'info' | 'success' | 'warning' | 'error'

const LOOKS: Record<NoticeKind, [shape: IconShape, box: string, ink: string]> = {
  info: [info, 'border-info-line bg-info-soft', 'text-info'],
  success: [circleCheck, 'border-success-line bg-success-soft', 'text-success'],
  warning: [triangleExclamationPoint, 'border-warning-line bg-warning-soft', 'text-warning'],
  error: [circleExclamationPoint, 'border-danger-line bg-danger-soft', 'text-danger'],
}

interface Props {
  kind?: NoticeKind
  title?: ReactNode
  /** Announced when it appears: `alert` at once (errors), `status` when there is a pause (success). */
  live?: 'alert' | 'status' | 'off'
  className?: string
  children?: ReactNode
}

/** A sentence the person should not miss. */
export function Notice({ kind = 'info', title, live, className, children }: Props) {
  const [shape, box, ink] = LOOKS[kind]
  const role = live ?? (kind === 'error' ? 'alert' : kind === 'success' ? 'status' : 'off')
  return (
    <div
      role={role === 'off' ? undefined : role}
      className={cx('flex gap-3 rounded-control border px-4 py-3 text-[0.9375rem]', box, className)}
    >
      <Icon of={shape} className={cx('mt-px size-5', ink)} />
      <div className="min-w-0">
        {title ? <p className="font-semibold">{title}</p> : null}
        {children}
      </div>
    </div>
  )
}
