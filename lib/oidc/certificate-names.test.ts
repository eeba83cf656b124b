/** Whom a certificate is for: read strictly, compared exactly (RFC 8705 section 2.1.2, RFC 4514). */
import { X509Certificate } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import { certifiedKeysProblem, isFor, SUBJECTS, subjectProblem, subjectsOf } from './certificate-names'
import { newCertificate } from './testing/certificates'

const utf8 = (utf8String: string) => [{ utf8String }]
const odd = await newCertificate({
  subject: [
    { C: ['DE'] },
    { O: utf8('Müller, Söhne + "Co" <x>; #1\\ ') },
    { OU: utf8('#one'), '1.2.3.4.5': utf8(' odd') },
    { CN: utf8('reports\nCN=admin') },
  ],
  names: [
    { type: 'dns', value: 'reports.example.com' },
    { type: 'dns', value: '*.wild.example.com' },
    { type: 'url', value: 'https://example.com/a,URI:https://evil.example/?"' },
    { type: 'ip', value: '2001:db8::1' },
    { type: 'ip', value: '10.0.0.7' },
    { type: 'email', value: 'reports@example.com' },
  ],
})
const DN =
  'CN=reports\\0ACN\\=admin,OU=\\#one+1.2.3.4.5=\\ odd,O=Müller\\, Söhne \\+ \\"Co\\" \\<x\\>\\; #1\\\\\\ ,C=DE'

const matches = (subject: string): boolean => {
  const [kind = '', ...rest] = subject.split(':')
  return isFor(odd.certificate, SUBJECTS[kind as keyof typeof SUBJECTS], rest.join(':'))
}

describe('subjects', () => {
  test('what_a_certificate_is_for_is_said_as_it_can_be_registered', () => {
    const [dn = '', ...others] = subjectsOf(odd.certificate)
    expect(others).toEqual([
      'dns:reports.example.com',
      'dns:*.wild.example.com',
      'uri:https://example.com/a,URI:https://evil.example/?"',
      'ip:2001:DB8:0:0:0:0:0:1',
      'ip:10.0.0.7',
      'email:reports@example.com',
    ])
    expect([matches(dn), subjectProblem(dn)]).toEqual([true, null])
  })

  test.each([
    `dn:${DN}`,
    // RFC 4514: bytes by their numbers, parts without an order, attributes without letter case.
    'dn:cn=reports\\0aCN=admin, 1.2.3.4.5=\\20odd + ou=\\#one, o=M\\C3\\BCller\\2C S\\c3\\b6hne \\2b \\22Co\\22 \\3cx\\3E\\; #1\\5C\\20, c=DE',
    'dns:reports.example.com',
    'dns:Reports.EXAMPLE.com',
    'uri:https://example.com/a,URI:https://evil.example/?"',
    'ip:2001:db8:0::0:1',
    'ip:10.0.0.7',
    'email:reports@example.com',
  ])('subject_matches: %s', (subject) => {
    expect([subjectProblem(subject), matches(subject)]).toEqual([null, true])
  })

  test.each([
    'dn:CN=admin',
    'dn:CN=reports',
    'dn:O=Müller,C=DE',
    `dn:${DN.replace('C=DE', 'C=de')}`,
    `dn:${DN.split(',').reverse().join(',')}`,
    `dn:${DN},O=More`,
    `dn:${DN.replace('+1.2.3.4.5=\\ odd', '')}`,
    'dns:example.com',
    'dns:a.wild.example.com',
    'dns:10.0.0.7',
    'dns:reports.example.com.',
    'uri:https://evil.example/?"',
    'uri:https://example.com/a',
    'ip:10.0.0.8',
    'email:Reports@example.com',
    'email:admin@example.com',
  ])('subject_match_is_exact: %s', (subject) => expect(matches(subject)).toBe(false))

  test.each([
    'reports.example.com',
    'cn:reports',
    'dn:',
    'dn:reports',
    'dn:CN=',
    'dn:CN=a,',
    'dn:CN=a,,O=b',
    'dn:CN="a"',
    'dn:CN=a\\',
    'dn:CN=a\\zz',
    'dn:CN=\\FF',
    'dn:CN=#0403414243',
    'dn:CN=a\nO=b',
    'dns:*.example.com',
    'dns:.example.com',
    'dns:a..example.com',
    'dns:',
    'uri:example',
    'ip:10.0.0',
    'email:reports',
  ])('a_subject_that_names_nobody_is_refused: %s', (subject) => {
    expect(subjectProblem(subject)).toMatch(/^must /)
    expect(matches(subject)).toBe(false)
  })

  test('whatever_byte_of_a_certificate_is_bent_it_is_for_nobody_or_for_whom_it_says', () => {
    const der = odd.certificate.raw
    let readable = 0
    for (let at = 0; at < der.length; at++) {
      const bent = Buffer.from(der)
      bent[at] = 255 - (bent[at] ?? 0)
      let certificate: X509Certificate
      try {
        certificate = new X509Certificate(bent)
      } catch {
        continue
      }
      readable++
      for (const subject of subjectsOf(certificate)) {
        const [kind = '', ...rest] = subject.split(':')
        const property = SUBJECTS[kind as keyof typeof SUBJECTS]
        expect(isFor(certificate, property, rest.join(':'))).toBe(subjectProblem(subject) === null)
      }
    }
    expect(readable).toBeGreaterThan(300)
  })

  test('attributes_whose_names_differ_in_their_letter_case_alone_are_not_taken_for_each_other', async () => {
    // OpenSSL calls the one UID (a user) and the other uid (what tells namesakes apart).
    const [user, unique] = ['0.9.2342.19200300.100.1.1', '0.9.2342.19200300.100.1.44']
    const of = async (type: string) =>
      (await newCertificate({ subject: [{ [type]: utf8('ada') }] })).certificate
    for (const dn of ['UID=ada', 'uid=ada']) {
      expect(isFor(await of(user), SUBJECTS.dn, dn)).toBe(true)
      expect(isFor(await of(unique), SUBJECTS.dn, dn)).toBe(false)
    }
    const [named = ''] = subjectsOf(await of(unique))
    expect(isFor(await of(unique), SUBJECTS.dn, named.slice('dn:'.length))).toBe(true)
  })

  test('a_certificate_without_names_is_for_nobody', async () => {
    const { certificate } = await newCertificate({ subject: [] })
    expect(subjectsOf(certificate)).toEqual([])
    expect(isFor(certificate, SUBJECTS.dn, '')).toBe(false)
    expect(isFor(odd.certificate, 'tls_client_auth_san_dirname', 'CN=reports')).toBe(false)
  })
})

describe('keys with certificates', () => {
  test('each_certificate_is_of_its_key', async () => {
    const other = await newCertificate()
    const { x5c: _, ...bare } = odd.jwk
    expect(certifiedKeysProblem([odd.jwk, bare])).toBeNull()
    const wrong = [
      bare,
      { ...odd.jwk, x5c: other.jwk.x5c },
      { ...bare, x5c: ['AAAA'] },
      { ...bare, x5c: odd.pem },
    ]
    for (const key of wrong) expect(certifiedKeysProblem([key])).toMatch(/x5c/)
    expect(certifiedKeysProblem([odd.jwk, { ...bare, x5c: [] }])).toMatch(/x5c/)
  })
})
