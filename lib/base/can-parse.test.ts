import { expect, test } from 'vitest'
import './env'

test('an_address_with_an_umlaut_is_one_however_often_it_is_asked_about', () => {
  const asked = (url: string, base?: string): boolean => URL.canParse(url, base)
  for (let n = 0; n < 50_000; n++)
    if (!asked('https://bücher.example/über')) throw new Error(`not the ${n}th time`)
  expect([asked('über', 'https://app.example'), asked('über'), asked('https://'), asked('')]).toEqual([
    true,
    false,
    false,
    false,
  ])
})
