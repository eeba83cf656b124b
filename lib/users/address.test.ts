import { describe, expect, test } from 'vitest'
import { normalizeEmail } from './address'

const good: [string, string][] = [
  ['mara@example.com', 'mara@example.com'],
  ['  mara@example.com ', 'mara@example.com'],
  ['Mara.Voss+news@Example.COM', 'Mara.Voss+news@example.com'],
  ["o'brien_{x}@sub.example.co.uk", "o'brien_{x}@sub.example.co.uk"],
  ['mara@bücher.de', 'mara@xn--bcher-kva.de'],
  ['mara@BÜCHER.de', 'mara@xn--bcher-kva.de'],
  ['mara@bu\u0308cher.de', 'mara@xn--bcher-kva.de'],
  ['mara@xn--bcher-kva.de', 'mara@xn--bcher-kva.de'],
  ['mara@例え.テスト', 'mara@xn--r8jz45g.xn--zckzah'],
  // Cyrillic а: another domain, and visibly so.
  ['mara@аpple.com', 'mara@xn--pple-43d.com'],
  // The Kelvin sign is canonically the letter K: one form is stored.
  ['mara@\u212aexample.com', 'mara@kexample.com'],
  [`${'a'.repeat(64)}@example.com`, `${'a'.repeat(64)}@example.com`],
]

const bad: [string, unknown][] = [
  ['two recipients', 'victim@x.com,evil@y.com'],
  ['two recipients by semicolon', 'victim@x.com;evil@y.com'],
  ['two recipients by blank', 'victim@x.com evil@y.com'],
  ['quoted local part', '"evil@y.com"@victim.com'],
  ['quoted plain', '"mara"@example.com'],
  ['display name', 'Mara <mara@example.com>'],
  ['angle brackets', '<mara@example.com>'],
  ['comment', 'mara(evil@y.com)@example.com'],
  ['fullwidth at', 'victim＠corp.com@evil.com'],
  ['fullwidth at alone', 'mara＠example.com'],
  ['small at', 'mara﹫example.com'],
  ['fullwidth letters', 'ｍara@example.com'],
  ['fullwidth domain', 'mara@ｅxample.com'],
  ['ligature', 'oﬃce@example.com'],
  ['ideographic full stop', 'mara@example。com'],
  ['fullwidth full stop', 'mara@example．com'],
  ['homoglyph local part', 'аdmin@example.com'],
  ['CRLF header', 'mara@example.com\r\nBcc: evil@y.com'],
  ['trailing newline', 'mara@example.com\n'],
  ['leading newline', '\nmara@example.com'],
  ['tab', 'mara\t@example.com'],
  ['NUL', 'mara\0@example.com'],
  ['zero width space', 'mara\u200b@example.com'],
  ['zero width joiner in domain', 'mara@exa\u200dmple.com'],
  ['soft hyphen in domain', 'mara@exa\u00admple.com'],
  ['right-to-left override', 'mara\u202e@example.com'],
  ['no-break space', 'mara@example.com\u00a0'],
  ['percent route', 'victim%corp.com@relay.com'],
  ['bang route', 'corp!victim@relay.com'],
  ['percent escape in domain', 'mara@ex%61mple.com'],
  ['path in domain', 'mara@example.com/x'],
  ['port', 'mara@example.com:25'],
  ['IP literal', 'mara@[127.0.0.1]'],
  ['bare IP', 'mara@127.0.0.1'],
  ['short IP', 'mara@1.2'],
  ['hex IP', 'mara@0x7f.1'],
  ['no dot', 'mara@localhost'],
  ['numeric top label', 'mara@example.123'],
  ['empty label', 'mara@example..com'],
  ['trailing dot', 'mara@example.com.'],
  ['leading hyphen', 'mara@-example.com'],
  ['underscore', 'mara@ex_ample.com'],
  ['broken punycode', 'mara@xn--a.com'],
  ['leading dot', '.mara@example.com'],
  ['double dot', 'ma..ra@example.com'],
  ['dot before at', 'mara.@example.com'],
  ['no local part', '@example.com'],
  ['no domain', 'mara@'],
  ['no at', 'mara'],
  ['empty', ''],
  ['local part over 64', `${'a'.repeat(65)}@example.com`],
  ['label over 63', `mara@${'a'.repeat(64)}.com`],
  ['over 254', `mara@${'a'.repeat(60)}.${'b'.repeat(60)}.${'c'.repeat(60)}.${'d'.repeat(60)}.example.com`],
  ['over 320', `${'a'.repeat(64)}@${'b'.repeat(255)}.com`],
  ['a megabyte', `${'a'.repeat(1_000_000)}@example.com`],
  ['backslash', 'mara\\@example.com'],
  ['array', ['mara@example.com']],
  ['object', { contains: '' }],
  ['null', null],
  ['number', 7],
]

describe('normalizeEmail', () => {
  test.each(good)('%s is stored as %s', (input, stored) => {
    expect(normalizeEmail(input)).toEqual({ ok: true, value: stored })
    expect(normalizeEmail(stored)).toEqual({ ok: true, value: stored })
  })

  test.each(bad)('address_with_%s_is_refused', (_, input) => {
    expect(normalizeEmail(input)).toMatchObject({ ok: false, refusal: { code: 'invalid_email' } })
  })
})
