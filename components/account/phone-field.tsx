'use client'

import type { CountryOption } from '../ui/country-options'
import { PhoneInput } from '../ui/phone-input'
import { useAnswer } from './action-form'

interface Props {
  options: readonly CountryOption[]
  country?: string
  labels: { country: string; number: string; hint?: string }
}

/** `country` and `number` of an ActionForm: keeps what was typed when the form was refused, and shows why. */
export function PhoneField({ options, country, labels }: Props) {
  const typedCountry = useAnswer('country').value
  const { error, value } = useAnswer('number')
  return (
    <PhoneInput
      options={options}
      countryName="country"
      numberName="number"
      country={typedCountry ?? country}
      number={value}
      labels={labels}
      error={error}
    />
  )
}
