import { describe, expect, test } from 'vitest'
import { reloadEnv } from '../base/env'
import { LANGUAGES } from '../texts'
import { composeSms, plainName, type SmsName, type SmsProps, septets } from './sms-text'

const ORIGIN = 'https://identity.some-long-company.example.com'
const token = 'A'.repeat(43)

const SAMPLES: SmsProps = {
  verify_phone: { code: '482913', minutes: 10 },
  sign_in_code: { code: '482913', minutes: 10 },
  number_taken: {},
  recovery_requested: { url: `${ORIGIN}/recovery/stop?t=${token}`, hours: 72 },
  security_notice: { url: `${ORIGIN}/lockdown?t=${token}` },
  sign_in_notice: { url: `${ORIGIN}/lockdown?t=${token}` },
}
const NAMES = Object.keys(SAMPLES) as SmsName[]

function named(productName: string, origin = ORIGIN) {
  Object.assign(process.env, { GATEHOUSE_URL: origin, GATEHOUSE_PRODUCT_NAME: productName })
  reloadEnv()
}

describe.each(LANGUAGES)('text messages in %s', (locale) => {
  test.each(NAMES)('%s is in the 7-bit alphabet', (name) => {
    for (const product of ['Gatehouse', 'Müller & Söhne GmbH', 'Crédit “Élan” – Łódź', 'Ворота', '門番']) {
      named(product)
      const { text } = composeSms(name, locale, SAMPLES[name])
      expect(septets(text), text).not.toBeNull()
      expect(text).not.toMatch(/undefined|\{[a-z]+\}|\[object/)
    }
  })

  test.each(['verify_phone', 'sign_in_code'] as const)('%s fits one message', (name) => {
    named('Twenty-four letters long', 'https://identity.example.com')
    expect(septets(composeSms(name, locale, SAMPLES[name]).text)).toBeLessThanOrEqual(160)
  })

  test('notices fit two messages', () => {
    named('Twenty-four letters long')
    for (const name of NAMES) {
      expect(septets(composeSms(name, locale, SAMPLES[name]).text)).toBeLessThanOrEqual(306)
    }
  })
})

describe('a code in a text message', () => {
  test('is bound to our host in the last line, once, so that phones fill it in here alone', () => {
    named('Gatehouse', 'https://id.example.com:8443')
    const { text, code } = composeSms('sign_in_code', 'en', SAMPLES.sign_in_code)
    expect(text.split('\n').slice(-2)).toEqual(['', '@id.example.com #482913'])
    expect(text).toMatch(/^482913 /)
    expect(code).toBe('482913')
  })

  test('link_to_elsewhere_is_refused', () => {
    named('Gatehouse')
    const url = 'https://evil.example/lockdown'
    expect(() => composeSms('security_notice', 'en', { url })).toThrow('public origin')
  })
})

describe('the 7-bit alphabet', () => {
  test('counts as networks do', () => {
    expect(septets('a'.repeat(160))).toBe(160)
    expect(septets('äöüß€')).toBe(6)
    expect(septets('’')).toBeNull()
    expect(septets('😀')).toBeNull()
  })

  test('a name keeps the letters it has, drops accents it has not, or gives way to the host', () => {
    expect(plainName('Müller')).toBe('Müller')
    expect(plainName('Šárka’s “Čaj”')).toBe('Sarka\'s "Caj"')
    expect(plainName('Ворота')).toBeNull()
    named('Ворота', 'https://id.example.com')
    expect(composeSms('number_taken', 'en', {}).text).toMatch(/^id\.example\.com: /)
  })
})
