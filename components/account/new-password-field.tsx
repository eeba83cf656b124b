'use client'

import type { ComponentProps } from 'react'
import { described, Field } from '../ui/field'
import { NewPassword } from '../ui/new-password'
import { PasswordInput } from '../ui/password-input'
import { useAnswer } from './action-form'

interface Common {
  id: string
  label: string
}

/** A new password in an ActionForm: its strength in words, and why it was refused. */
export function FormNewPassword({
  id,
  label,
  hint,
  ...props
}: Common & { hint: string } & ComponentProps<typeof NewPassword>) {
  const { error } = useAnswer('password')
  return (
    <Field id={id} label={label} hint={hint} error={error}>
      <NewPassword {...props} {...described(id, { hint, error })} name="password" required />
    </Field>
  )
}

/** The password there is, in an ActionForm. */
export function FormPassword({
  id,
  label,
  aside,
  ...props
}: Common & { aside?: React.ReactNode } & ComponentProps<typeof PasswordInput>) {
  const { error } = useAnswer('current')
  return (
    <Field id={id} label={label} error={error} aside={aside}>
      <PasswordInput
        {...props}
        {...described(id, { error })}
        name="current"
        autoComplete="current-password"
        required
      />
    </Field>
  )
}
