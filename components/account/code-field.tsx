'use client'

import { FieldError } from '../ui/field'
import { OtpInput } from '../ui/otp-input'
import { useAnswer } from './action-form'

interface Props {
  label: string
  hint?: React.ReactNode
  /** Where something above must be seen first, the page stays at its top. */
  autoFocus?: boolean
}

/** The 6-digit code of an ActionForm: says why it was refused; a refused code is not kept. */
export function CodeField({ label, hint, autoFocus = true }: Props) {
  const { error } = useAnswer('code')
  return (
    <div className="grid max-w-88 gap-2">
      <label htmlFor="code" className="text-[0.9375rem] font-medium">
        {label}
      </label>
      <OtpInput
        id="code"
        name="code"
        required
        autoFocus={autoFocus}
        title={label}
        aria-describedby={
          [error ? 'code-error' : null, hint ? 'code-hint' : null].filter(Boolean).join(' ') || undefined
        }
        aria-invalid={error ? true : undefined}
      />
      {error ? (
        <div role="alert">
          <FieldError id="code-error">{error}</FieldError>
        </div>
      ) : null}
      {hint ? (
        <p id="code-hint" className="text-sm text-ink-3">
          {hint}
        </p>
      ) : null}
    </div>
  )
}
