import type { ReactNode } from 'react'
import { cx } from './cx'

/** A list of rows that reach the edges of their Card (`flush`). */
export function Rows({ children, label }: { children: ReactNode; label?: string }) {
  return (
    <ul aria-label={label} className="rows">
      {children}
    </ul>
  )
}

interface RowProps {
  /** At the start: an icon or a picture. */
  start?: ReactNode
  title: ReactNode
  children?: ReactNode
  /** At the end: a badge, a button. */
  end?: ReactNode
  className?: string
}

/** One row: what it is, a line or two about it, and what can be done with it. */
export function Row({ start, title, children, end, className }: RowProps) {
  return (
    <li className={cx('row', className)}>
      <div>
        {start}
        <div>
          <div className="font-medium">{title}</div>
          {children}
        </div>
      </div>
      {end ? <div>{end}</div> : null}
    </li>
  )
}

/** Facts as term and description, in columns where there is room. */
export function Facts({ items }: { items: { term: ReactNode; value: ReactNode }[] }) {
  return (
    <dl className="facts">
      {items.map(({ term, value }, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: facts stand in a fixed order
        <div key={index}>
          <dt>{term}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  )
}
