import { expect, it } from 'vitest'
import { type Brand, brandOf } from './brand-of'

const brand: Brand = {
  name: 'Notes',
  brandColor: null,
  welcome: {},
  supportUri: null,
  policyUri: 'https://notes.example/privacy',
  tosUri: 'https://notes.example/terms',
}

it.each(['open', 'document'] as const)(
  'links_of_an_app_that_nobody_vouched_for_stay_off_the_sign_in_pages: %s',
  (registered) => {
    expect(brandOf({ ...brand, registered })).toEqual({ ...brand, policyUri: null, tosUri: null })
  },
)

it.each([null, 'token'] as const)('those of an app that somebody looked at are shown: %s', (registered) => {
  expect(brandOf({ ...brand, registered })).toEqual(brand)
})
