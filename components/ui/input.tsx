import type { ComponentProps, ReactNode } from 'react'
import { cx } from './cx'

/** A line of text; give it `described(id, …)` of its Field. */
export function Input({ className, type = 'text', ...props }: ComponentProps<'input'>) {
  return <input type={type} className={cx('control', className)} {...props} />
}

/** Several lines of text. */
export function Textarea({ className, rows = 3, ...props }: ComponentProps<'textarea'>) {
  return <textarea rows={rows} className={cx('control', className)} {...props} />
}

/** The browser's own choice list. */
export function Select({ className, ...props }: ComponentProps<'select'>) {
  return <select className={cx('control', className)} {...props} />
}

/** A box to tick, its label the whole line. */
export function Checkbox({
  children,
  className,
  ...props
}: ComponentProps<'input'> & { children: ReactNode }) {
  return (
    <label className={cx('flex items-start gap-2.5 text-[0.9375rem]', className)}>
      <input type="checkbox" className="mt-[0.2em] size-[1.15em] shrink-0 rounded" {...props} />
      <span>{children}</span>
    </label>
  )
}
