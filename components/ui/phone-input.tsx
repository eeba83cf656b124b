'use client'

import { useRef } from 'react'
import type { CountryOption } from './country-options'
import { cx } from './cx'
import { described, Field } from './field'
import { Input, Select } from './input'

interface Props {
  options: readonly CountryOption[]
  /** Names of the two fields. */
  countryName: string
  numberName: string
  country?: string
  number?: string
  labels: { country: string; number: string; hint?: string }
  error?: string
  /** One below the other also where there is room. */
  stacked?: boolean
  autoFocus?: boolean
}

type Formatter = (text: string, country: string) => { text: string; country?: string }

let loading: Promise<Formatter> | null = null

/** The metadata of all countries is large, so it comes when someone is about to type. */
const load = (): Promise<Formatter> => {
  loading ??= import('libphonenumber-js/min').then(({ AsYouType, isSupportedCountry }) => (text, country) => {
    const typed = new AsYouType(isSupportedCountry(country) ? country : undefined)
    const formatted = typed.input(text)
    return { text: formatted, country: typed.isInternational() ? typed.getCountry() : undefined }
  })
  return loading
}

/**
 * A mobile number and its country. Written with blanks where the country's people put them, as it is
 * typed; a number that begins with + chooses its country. Without script both fields are as typed, and
 * the server makes one number of them.
 */
export function PhoneInput({
  options,
  countryName,
  numberName,
  country,
  number,
  labels,
  error,
  stacked = false,
  autoFocus,
}: Props) {
  const select = useRef<HTMLSelectElement>(null)
  const ready = useRef<Formatter | null>(null)

  const prepare = async () => {
    // Without it the number stays as typed.
    ready.current ??= await load().catch(() => null)
  }

  const tidy = (input: HTMLInputElement) => {
    const { current } = select
    // In the middle of a number the caret must not jump, and what is being deleted must not come back.
    if (!ready.current || !current || input.selectionStart !== input.value.length) return
    const found = ready.current(input.value, current.value)
    if (found.country && options.some(({ code }) => code === found.country)) current.value = found.country
    if (found.text.length >= input.value.length) input.value = found.text
  }

  return (
    <div className={cx('grid gap-5', !stacked && 'sm:grid-cols-[minmax(0,13rem)_minmax(0,1fr)]')}>
      <Field id={countryName} label={labels.country}>
        <Select
          key={country}
          ref={select}
          id={countryName}
          name={countryName}
          autoComplete="country"
          defaultValue={country}
        >
          {options.map(({ code, label }) => (
            <option key={code} value={code}>
              {label}
            </option>
          ))}
        </Select>
      </Field>
      <Field id={numberName} label={labels.number} hint={labels.hint} error={error}>
        <Input
          {...described(numberName, { hint: labels.hint, error })}
          type="tel"
          name={numberName}
          autoComplete="tel"
          inputMode="tel"
          maxLength={40}
          required
          autoFocus={autoFocus}
          defaultValue={number}
          onFocus={prepare}
          onInput={({ currentTarget }) => {
            // A field that had the focus before the script came told nobody of it.
            if (ready.current) tidy(currentTarget)
            else void prepare().then(() => tidy(currentTarget))
          }}
        />
      </Field>
    </div>
  )
}
