import type { ReactNode } from 'react'
import { cx } from './cx'
import { Icon } from './icon'
import { circleExclamationPoint } from './icons'

interface Described {
  hint?: ReactNode
  error?: ReactNode
}

/**
 * What ties a control to its hint and error: spread it on the input of a Field with the same id.
 */
export const described = (id: string, { hint, error }: Described) => ({
  id,
  'aria-describedby':
    [error ? `${id}-error` : null, hint ? `${id}-hint` : null].filter(Boolean).join(' ') || undefined,
  'aria-invalid': error ? (true as const) : undefined,
})

interface Props extends Described {
  id: string
  label: ReactNode
  /** Shown after the label of a field that may stay empty, e.g. "optional". */
  note?: ReactNode
  /** A link at the end of the label's line. */
  aside?: ReactNode
  className?: string
  children: ReactNode
}

/** A label, a control, its hint and its error. The control takes `described(id, …)`. */
export function Field({ id, label, note, aside, hint, error, className, children }: Props) {
  return (
    <div className={cx('grid content-start gap-1.5', className)}>
      <div className="flex flex-wrap items-baseline justify-between gap-x-3">
        <label htmlFor={id} className="text-[0.9375rem] font-medium">
          {label}
          {note ? <span className="ml-1.5 text-sm font-normal text-ink-3">{note}</span> : null}
        </label>
        {aside}
      </div>
      {children}
      {error ? <FieldError id={`${id}-error`}>{error}</FieldError> : null}
      {hint ? (
        <p id={`${id}-hint`} className="text-sm text-ink-3">
          {hint}
        </p>
      ) : null}
    </div>
  )
}

/** The sentence under a control that was refused. */
export function FieldError({ id, children }: { id: string; children: ReactNode }) {
  return (
    <p id={id} className="flex gap-1.5 text-sm font-medium text-danger">
      <Icon of={circleExclamationPoint} className="mt-0.5 size-4" />
      <span>{children}</span>
    </p>
  )
}
