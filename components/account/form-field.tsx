'use client'

import type { ComponentProps, ReactNode } from 'react'
import { described, Field, FieldError } from '../ui/field'
import { Checkbox, Input, Select, Textarea } from '../ui/input'
import { useAnswer } from './action-form'

interface Common {
  id: string
  name: string
  label: ReactNode
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

/** What goes with an ActionForm unseen; a form that comes back has it as it was sent. */
export function FormHidden({ name, value }: { name: string; value: string }) {
  return <input type="hidden" name={name} value={useAnswer(name).value ?? value} />
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

/** Several lines of an ActionForm, such as a list with one thing a line. */
export function FormTextarea({
  id,
  name,
  label,
  note,
  hint,
  defaultValue,
  ...props
}: Common & ComponentProps<'textarea'>) {
  const { error, value } = useAnswer(name)
  const text = value ?? defaultValue
  return (
    <Field id={id} label={label} note={note} hint={hint} error={error}>
      {/* A new key when the text changed: a new default goes into what was typed, beside it. */}
      <Textarea
        key={String(text)}
        {...props}
        {...described(id, { hint, error })}
        name={name}
        defaultValue={text}
      />
    </Field>
  )
}

/** A yes or no of an ActionForm. */
export function FormCheckbox({
  name,
  label,
  hint,
  defaultChecked,
}: {
  name: string
  label: string
  hint?: ReactNode
  defaultChecked?: boolean
}) {
  const { error, value, kept } = useAnswer(name)
  const checked = kept ? value !== undefined : defaultChecked
  return (
    <div className="grid gap-1">
      {/* A new key when it changed: React resets a form to what it began with. */}
      <Checkbox
        key={String(checked)}
        {...described(`field-${name}`, { hint, error })}
        name={name}
        defaultChecked={checked}
      >
        {label}
      </Checkbox>
      {error ? <FieldError id={`field-${name}-error`}>{error}</FieldError> : null}
      {hint ? (
        <p id={`field-${name}-hint`} className="ml-7 text-sm text-ink-3">
          {hint}
        </p>
      ) : null}
    </div>
  )
}

/** What was wrong with something that is more than one field. */
export function AnswerError({ name }: { name: string }) {
  const { error } = useAnswer(name)
  return error ? <FieldError id={`field-${name}-error`}>{error}</FieldError> : null
}
