import type { ReactNode } from 'react'
import { cx } from './cx'

interface Props {
  title?: ReactNode
  /** Heading level in the page's outline. */
  level?: 2 | 3
  lead?: ReactNode
  /** A link or button at the end of the title's line. */
  aside?: ReactNode
  id?: string
  className?: string
  /** No padding around the children: rows reach the edges. */
  flush?: boolean
  children?: ReactNode
}

/** A section of a page. */
export function Card({ title, level = 2, lead, aside, id, className, flush = false, children }: Props) {
  const Heading = level === 2 ? 'h2' : 'h3'
  const headingId = title && id ? `${id}-title` : undefined
  return (
    <section
      id={id}
      aria-labelledby={headingId}
      className={cx('min-w-0 rounded-card border border-line bg-surface shadow-1', className)}
    >
      {title ? (
        <header className="flex flex-wrap items-center justify-between gap-x-4 gap-y-2 px-5 pt-5 sm:px-6">
          <div className="min-w-0">
            <Heading id={headingId} className="text-[1.0625rem] font-semibold">
              {title}
            </Heading>
            {lead ? <p className="mt-0.5 text-[0.9375rem] text-ink-2">{lead}</p> : null}
          </div>
          {aside}
        </header>
      ) : null}
      <div className={flush ? cx(Boolean(title) && 'pt-3') : 'p-5 sm:p-6'}>{children}</div>
    </section>
  )
}
