import type { ReactNode } from 'react'
import { Icon } from './icon'
import type { IconShape } from './icons'

/** What stands where a list would, when there is nothing to list. */
export function EmptyState({
  icon,
  title,
  children,
}: {
  icon: IconShape
  title: ReactNode
  children?: ReactNode
}) {
  return (
    <div className="grid justify-items-center gap-1 px-4 py-8 text-center">
      <span className="mb-2 grid size-12 place-items-center rounded-full bg-sunken text-ink-3">
        <Icon of={icon} className="size-6" />
      </span>
      <p className="font-medium">{title}</p>
      {children ? <div className="max-w-sm text-[0.9375rem] text-ink-2">{children}</div> : null}
    </div>
  )
}
