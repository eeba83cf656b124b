import { describe, expect, test } from 'vitest'
import { reloadEnv } from '../base/env'
import { LANGUAGES } from '../texts'
import { inert, mailbox, masked, ours } from './safe'
import { type MailName, type MailProps, render } from './templates'
import { moment, spoken } from './words'

process.env.GATEHOUSE_URL = 'http://localhost:3000'
reloadEnv()

const asker = {
  device: 'Chrome on Linux',
  place: '203.0.113.7',
  at: new Date(Date.UTC(2026, 10, 20, 17, 8)),
}
const SAMPLES: MailProps = {
  verify_email: {
    ...asker,
    code: '482913',
    link: 'http://localhost:3000/verify/link?flow=a&code=482913',
    expiresMinutes: 10,
  },
  address_taken: { ...asker, signInUrl: 'http://localhost:3000/signin' },
  welcome: { name: 'Ada Lovelace' },
  sign_in_code: {
    ...asker,
    code: '482913',
    link: 'http://localhost:3000/verify/link?flow=a&code=482913',
    expiresMinutes: 10,
  },
  no_account: asker,
  address_claimed: { ...asker, signInUrl: 'http://localhost:3000/signin' },
  security_notice: {
    ...asker,
    what: 'email_primary_changed',
    address: 'new@example.com',
    lockdownUrl: 'http://localhost:3000/lockdown?token=a',
    undo: { url: 'http://localhost:3000/undo?token=a', hours: 72 },
  },
  password_reset: {
    ...asker,
    link: 'http://localhost:3000/reset?token=a',
    address: 'ada@example.com',
    expiresMinutes: 30,
  },
  reset_refused: asker,
  recovery_started: { ...asker, stopUrl: 'http://localhost:3000/recover/stop?token=a', readyAt: new Date() },
  recovery_soon: { ...asker, stopUrl: 'http://localhost:3000/recover/stop?token=a', readyAt: new Date() },
  recovery_vouch: {
    ...asker,
    name: 'Ada Lovelace',
    address: 'ada@example.com',
    vouchUrl: 'http://localhost:3000/account/vouch/a',
  },
  contact_invitation: {
    ...asker,
    name: '<b>evil.example</b>',
    address: 'ada@example.com',
    link: 'http://localhost:3000/account/vouch/accept?token=a',
    days: 7,
  },
  rehearsal_code: { ...asker, code: '482913', expiresMinutes: 10 },
  second_code: { ...asker, code: '482913', expiresMinutes: 10 },
}
const NAMES = Object.keys(SAMPLES) as MailName[]

const EVERY = NAMES.flatMap((name) => LANGUAGES.map((locale) => [name, locale] as const))

const hrefs = (html: string) => [...html.matchAll(/(?:href|src)="([^"]+)"/g)].map((m) => m[1] ?? '')

describe('a mail', () => {
  test.each(EVERY)(
    '%s in %s names the product in HTML and text, and links to the portal only',
    (name, locale) => {
      const mail = render(name, locale, SAMPLES[name])
      expect(mail.subject).not.toBe('')
      expect(mail.html).toMatch(/^<!DOCTYPE html><html lang="(en|de)">/)
      expect(mail.html).toContain(`<html lang="${locale}">`)
      for (const part of [mail.html, mail.text]) {
        expect(part).toContain('Gatehouse')
        expect(part).not.toMatch(/undefined|\{[a-z]+\}|\[object/)
      }
      for (const href of hrefs(mail.html)) expect(new URL(href).origin).toBe('http://localhost:3000')
      for (const url of mail.text.match(/https?:\S+/g) ?? []) {
        expect(new URL(url).origin).toBe('http://localhost:3000')
      }
    },
  )

  test('that asks for something says who asked: device, place, time with its zone, and what to do if not you', () => {
    for (const name of ['verify_email', 'address_taken'] as const) {
      const { html, text } = render(name, 'en', SAMPLES[name])
      for (const part of [html, text]) {
        expect(part).toContain('Chrome on Linux')
        expect(part).toContain('203.0.113.7')
        expect(part).toContain('20 November 2026 at 17:08 UTC')
        expect(part).toContain('Not you?')
      }
    }
  })

  test('carries its code once in one piece, and not in the subject', () => {
    const { subject, text } = render('verify_email', 'en', SAMPLES.verify_email)
    expect(subject).not.toContain('482913')
    expect(text.split('\n').map((line) => line.trim())).toContain('482913')
  })

  test.each([
    [0, 'None is left;', 'Keiner ist übrig;'],
    [1, '1 is left;', 'Einer ist übrig;'],
    [7, '7 are left;', '7 sind übrig;'],
  ])('of a used backup code says how many are left: %i', (left, english, german) => {
    const used = { ...SAMPLES.security_notice, what: 'backup_code_used', left } as const
    expect(render('security_notice', 'en', used).text).toContain(english)
    expect(render('security_notice', 'de', used).text).toContain(german)
  })

  test('in a language without words is written in English', () => {
    expect(spoken('en-AU')).toBe('en')
    expect(spoken('de-CH')).toBe('de')
    expect(moment(asker.at, 'de-CH')).toBe('20. November 2026 um 17:08 UTC')
    expect(spoken('tlh')).toBe('en')
    expect(spoken('__proto__')).toBe('en')
    expect(moment(asker.at, 'tlh')).toBe('20 November 2026 at 17:08 UTC')
  })

  test('markup_and_addresses_in_names_are_inert', () => {
    for (const name of [
      '<a href=//evil.example>click</a>',
      'http://evil.example',
      'evil.example',
      'ｅｖｉｌ．example',
      'evil。example',
      'WWW.evil',
      'me@evil.example',
      'x/y',
    ]) {
      expect(inert(name)).toBeNull()
      const { html, text, subject } = render('welcome', 'en', { name })
      expect(html + text + subject).not.toMatch(/evil/i)
      expect(text).toContain('Hello,')
    }
    const { html } = render('verify_email', 'en', {
      ...SAMPLES.verify_email,
      device: '"><script>alert(1)</script>',
      place: '=1+1 & "Bad Place"',
    })
    expect(html).not.toContain('<script')
    expect(html).toContain('Unknown device')
    expect(html).toContain('=1+1 &amp; &quot;Bad Place&quot;')
  })

  test('keeps ordinary names as they are', () => {
    for (const name of ["Conan O'Brien", 'J.R.R. Tolkien', 'St. John', '李小龍', 'Łukasz Żółć', 'Ada {x}']) {
      expect(inert(name)).toBe(name)
      expect(render('welcome', 'en', { name }).text).toContain(`Hello ${name},`)
    }
    expect(inert('a\r\nBcc: x\u202e')).toBe('a Bcc: x')
  })

  test('a_link_to_another_origin_is_refused', () => {
    for (const link of [
      'https://evil.example/verify',
      'http://localhost:3000.evil.example/',
      'http://localhost:3000@evil.example/',
      'http://u@localhost:3000/',
      '//evil.example',
      'javascript:alert(1)',
      'http://localhost:3001/',
    ]) {
      expect(() => ours(link)).toThrow('public origin')
      expect(() => render('verify_email', 'en', { ...SAMPLES.verify_email, link })).toThrow()
    }
  })

  test('recipient_lists_quotes_and_line_breaks_are_refused', () => {
    for (const to of [
      'a@x.example,b@y.example',
      'a@x.example;b@y.example',
      'a@x.example b@y.example',
      '"e@evil.example"@victim.example',
      'victim@x.example\r\nBcc: evil@y.example',
      'Eve <eve@x.example>',
      'a(c)@x.example',
      'a@b@c.example',
      'a@[127.0.0.1]',
      'a\u0000@x.example',
      'a\u202e@x.example',
      '@x.example',
      'a@',
      `${'a'.repeat(250)}@x.example`,
    ]) {
      expect(() => mailbox(to)).toThrow('not one plain mailbox')
    }
    expect(mailbox('ada+tag@x.example')).toBe('ada+tag@x.example')
    expect(masked('ada@x.example')).toBe('a…@x.example')
  })
})
