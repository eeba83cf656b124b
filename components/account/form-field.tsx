'use client'

import type { ComponentProps, ReactNode } from 'react'
import { described, Field } from '../ui/field'
import { Input, Select } from '../ui/input'
import { useAnswer } from './action-form'

interface Common {
  id: string
  name: string
  label: string
  note?: string
  hint?: ReactNode
}

/** A field of an ActionForm: keeps what was typed when the form was refused, and shows why. */
export function FormInput({
  id,
  name,
  label,
  note,
  hint,
  defaultValue,
  ...props
}: Common & ComponentProps<'input'>) {
  const { error, value } = useAnswer(name)
  return (
    <Field id={id} label={label} note={note} hint={hint} error={error}>
      <Input
        {...props}
        {...described(id, { hint, error })}
        name={name}
        defaultValue={value ?? defaultValue}
      />
    </Field>
  )
}

/** A choice of an ActionForm. */
export function FormSelect({
  id,
  name,
  label,
  note,
  hint,
  defaultValue,
  ...props
}: Common & ComponentProps<'select'>) {
  const { error, value } = useAnswer(name)
  const chosen = value ?? defaultValue
  return (
    <Field id={id} label={label} note={note} hint={hint} error={error}>
      {/* A new key when the choice changed: React resets a form to the first value of a select. */}
      <Select
        key={String(chosen)}
        {...props}
        {...described(id, { hint, error })}
        name={name}
        defaultValue={chosen}
      />
    </Field>
  )
}
