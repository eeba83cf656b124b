import { readdirSync, readFileSync } from 'node:fs'
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

it('every_page_of_a_sign_in_that_an_app_waits_for_wears_its_brand', () => {
  const pages = readdirSync('app/(login)', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('page.tsx'))
    .map((path) => [path, readFileSync(`app/(login)/${path}`, 'utf8')] as const)
    .filter(([, text]) => /signin\.expect\(|oidc\.device\(/.test(text))
  expect(pages.length).toBeGreaterThan(8)
  expect(pages.filter(([, text]) => !text.includes('<Branded')).map(([path]) => path)).toEqual([])
})

it('where_the_code_of_a_device_is_typed_nothing_of_an_app_is_known', () => {
  const text = readFileSync('app/(login)/device/page.tsx', 'utf8')
  for (const door of ['oidc', 'Branded', 'brandOf', 'waitingClient']) expect(text).not.toContain(door)
})
