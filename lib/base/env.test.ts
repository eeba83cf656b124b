import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { TLS } from '../testing/tls'
import { ConfigError, readEnv } from './env'

/** Of nobody, and no authority. */
const LEAF = `-----BEGIN CERTIFICATE-----
MIIBPjCB5aADAgECAgEBMAoGCCqGSM49BAMCMCYxJDAiBgNVBAMTG21hZGUgdXAgYnkgZ2F0ZWhvdXNlIGRvY3Rvcj
AgFw0yMDAxMDEwMDAwMDBaGA8yMTIwMDEwMTAwMDAwMFowJjEkMCIGA1UEAxMbbWFkZSB1cCBieSBnYXRlaG91c2Ug
ZG9jdG9yMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEpJbAFUdhhC8WVdu6Y/5gQs8E2xRIbgs+DeScO9LNkSTQDb
dDdq5HxEn7d0wzwVzKnyf8Oq+tv/NV+gg4RDmB/aMCMAAwCgYIKoZIzj0EAwIDSAAwRQIgX7zGqZQtRLkyLcSaFSl1
qBa5udYQCT1EFj5BWed7wvYCIQDxHLoquXcM9DmxiUQZKu6qSBGc/Lz62t1cAaF5moC2ZA==
-----END CERTIFICATE-----`

const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-env-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('certificates of apps', () => {
  const proxied = { TRUSTED_PROXIES: 'loopback', CLIENT_CERTIFICATE_HEADER: 'X-SSL-Client-Cert' }
  const read = (source: Record<string, string>) =>
    readEnv({ GATEHOUSE_URL: 'https://id.example.com', ...source })

  test('are off unless a header is named, which is read without letter case', () => {
    expect(readEnv({}).certificates).toEqual({ header: undefined, authorities: [], origin: undefined })
    expect(read(proxied).certificates.header).toBe('x-ssl-client-cert')
  })

  test('have authorities by value or by file, and a name where they are asked for', () => {
    const file = path.join(folder, 'authorities.pem')
    writeFileSync(file, `two of them\n${TLS.cert}\n${TLS.cert}\n`)
    expect(read({ ...proxied, CLIENT_CERTIFICATE_CA_FILE: file }).certificates.authorities).toHaveLength(2)
    const at = (origin: string) => read({ ...proxied, CLIENT_CERTIFICATE_ORIGIN: origin }).certificates.origin
    expect(at('https://apps.id.example.com/')).toBe('https://apps.id.example.com')
    expect(at('https://id.example.com')).toBeUndefined()
  })

  test.each([
    [{ CLIENT_CERTIFICATE_CA: TLS.cert }, 'set CLIENT_CERTIFICATE_HEADER'],
    [{ CLIENT_CERTIFICATE_ORIGIN: 'https://apps.id.example.com' }, 'set CLIENT_CERTIFICATE_HEADER'],
    [{ ...proxied, CLIENT_CERTIFICATE_CA: 'authority' }, 'must hold certificates of authorities'],
    [
      { ...proxied, CLIENT_CERTIFICATE_CA: TLS.cert.replace('MIIB', 'AAAA') },
      'must hold certificates of authorities',
    ],
    [{ ...proxied, CLIENT_CERTIFICATE_CA: LEAF }, 'must hold certificates of authorities'],
    [
      // What is cut off would be missing without a word.
      { ...proxied, CLIENT_CERTIFICATE_CA: `${TLS.cert}\n${TLS.cert.slice(0, -30)}` },
      'must hold certificates of authorities',
    ],
    [
      { ...proxied, CLIENT_CERTIFICATE_CA: `${TLS.key}\n${TLS.cert}` },
      'must hold certificates of authorities',
    ],
    [{ ...proxied, CLIENT_CERTIFICATE_ORIGIN: 'http://apps.id.example.com' }, 'as secure as GATEHOUSE_URL'],
    [{ ...proxied, CLIENT_CERTIFICATE_ORIGIN: 'https://apps.id.example.com/oidc' }, 'must be an origin'],
    [{ ...proxied, CLIENT_CERTIFICATE_ORIGIN: 'apps' }, 'must be an origin'],
  ])('configured by halves or wrongly are refused: %j', (source, says) => {
    expect(() => read(source as Record<string, string>)).toThrow(says)
  })
})

describe('a wrong variable', () => {
  test.each([
    ['PORT', 'abc', 'PORT must be a whole number.'],
    ['PORT', '1.5', 'PORT must be a whole number.'],
    ['PORT', '70000', 'PORT must be at most 65535.'],
    ['PASSWORD_MIN_LENGTH', '3', 'PASSWORD_MIN_LENGTH must be at least 8.'],
    ['ARGON2_MEMORY_KIB', '8', 'ARGON2_MEMORY_KIB must be at least 19456.'],
    ['SIGN_UP', 'perhaps', 'SIGN_UP must be on or off.'],
    [
      'GATEHOUSE_URL',
      'https://id.example.com/x',
      'GATEHOUSE_URL must be an origin such as https://id.example.com, without a path.',
    ],
    [
      'DATABASE_URL',
      'mysql://x',
      'DATABASE_URL must be a URL that begins with postgres:// or postgresql://.',
    ],
    [
      'TRUSTED_PROXIES',
      '10.0.0.0/8, proxy.internal',
      'TRUSTED_PROXIES must list addresses, networks (10.0.0.0/8) or loopback, linklocal, uniquelocal.',
    ],
    ['GEO_HEADERS', 'akamai', 'GEO_HEADERS must be cloudflare or cloudfront.'],
    [
      'GEO_HEADERS',
      'cloudflare',
      'GEO_HEADERS counts from trusted proxies alone, and TRUSTED_PROXIES names none: name those through which the CDN reaches the portal.',
    ],
    [
      'CLIENT_CERTIFICATE_HEADER',
      'client-cert',
      'CLIENT_CERTIFICATE_HEADER counts from trusted proxies alone, and TRUSTED_PROXIES names none: name the proxy that asks apps for their certificates.',
    ],
    ...['authorization', 'x-forwarded-for', 'client_cert', 'client cert', 'x-gatehouse-cert', '-cert'].map(
      (name): [string, string, string] => [
        'CLIENT_CERTIFICATE_HEADER',
        name,
        'CLIENT_CERTIFICATE_HEADER must be the name of a header with cert in it, such as client-cert.',
      ],
    ),
    ['SECOND_FACTOR', 'always', 'SECOND_FACTOR must be optional, encouraged or required.'],
    ['SECOND_FACTOR_FROM', 'soon', 'SECOND_FACTOR_FROM must be a date such as 2027-03-01.'],
    [
      'SIGN_IN_METHODS',
      'password,fax',
      'SIGN_IN_METHODS must be a list with commas of password, email_code, sms_code, passkey.',
    ],
    [
      'SIGN_IN_METHODS',
      'sms_code',
      'SIGN_IN_METHODS must name password, email_code or passkey: text messages reach only some people.',
    ],
    ['GATEHOUSE_BRAND_COLOR', 'red', 'GATEHOUSE_BRAND_COLOR must be a colour such as #3b5bdb.'],
  ])('%s=%s is refused in one sentence that says how to mend it', (name, value, sentence) => {
    expect(() => readEnv({ [name]: value })).toThrow(new ConfigError(sentence))
  })

  test.each(['http://login.example.org', 'https://login.example.org/x', '*', 'https://*.example.org'])(
    'WEBAUTHN_ORIGINS=%s is refused',
    (WEBAUTHN_ORIGINS) => {
      expect(() => readEnv({ WEBAUTHN_ORIGINS })).toThrow(
        new ConfigError('WEBAUTHN_ORIGINS must list at most 5 origins such as https://login.example.org.'),
      )
    },
  )

  test('policy_that_nobody_could_meet_is_refused', () => {
    expect(() => readEnv({ SECOND_FACTOR: 'required', SECOND_FACTOR_METHODS: 'backup_code' })).toThrow(
      /SECOND_FACTOR_METHODS must name totp, passkey or security_key/,
    )
    expect(() => readEnv({ SIGN_IN_METHODS: 'passkey', SECOND_FACTOR_METHODS: 'totp' })).toThrow(
      /SECOND_FACTOR_METHODS must name passkey/,
    )
  })

  test('does not hide the others', () => {
    expect(() => readEnv({ PORT: 'abc', DEMO_PORT: '-1' })).toThrow(
      new ConfigError('PORT must be a whole number.\nDEMO_PORT must be at least 0.'),
    )
  })

  test('short_or_monotonous_secret_is_refused', () => {
    const secrets = `${'a'.repeat(32)},short`
    expect(() => readEnv({ GATEHOUSE_SECRET: secrets })).toThrow(/at least 32 characters/)
    expect(() => readEnv({ GATEHOUSE_SECRET: 'ab'.repeat(40) })).toThrow(/more than a few different/)
  })
})

describe('a variable given as a file', () => {
  test('is read as its value, without the newline at the end', () => {
    const file = path.join(folder, 'secret')
    const secret = 'zB3-kept-in-a-file-of-its-own-and-long-enough'
    writeFileSync(file, `${secret}\n`)
    expect(readEnv({ GATEHOUSE_SECRET_FILE: file }).secrets).toEqual([secret])
  })

  test('gives way to the value', () => {
    const file = path.join(folder, 'port')
    writeFileSync(file, '4000')
    expect(readEnv({ PORT_FILE: file, PORT: '5000' }).port).toBe(5000)
  })

  test('that is not there is named', () => {
    expect(() => readEnv({ SMTP_URL_FILE: path.join(folder, 'none') })).toThrow(
      /^SMTP_URL_FILE names a file that cannot be read/,
    )
  })
})

test('an empty variable counts as not set', () => {
  expect(readEnv({ PORT: '', GATEHOUSE_URL: '' }).url).toBe('http://localhost:3000')
})

describe('limits of roles', () => {
  const limits = (text: string) =>
    Object.fromEntries(readEnv({ SESSION_ROLE_LIMITS: text }).sessionRoleLimits)

  test('are read with their units', () => {
    expect(limits('')).toEqual({})
    expect(limits('admin: idle=30m max=12h sessions=3; support: idle=2d')).toEqual({
      admin: { idleSeconds: 1800, maxSeconds: 43_200, count: 3 },
      support: { idleSeconds: 172_800 },
    })
  })

  test.each([
    'admin',
    'admin:',
    'admin: idle=30',
    'admin: idle=0m',
    'admin: sessions=3h',
    'a b: idle=1m',
    'admin: foo=1m',
    'a: idle=1m; a: idle=2m',
    'a: b: idle=1m',
  ])('a wrong one ends the start: %s', (text) => {
    expect(() => limits(text)).toThrow(/SESSION_ROLE_LIMITS must look like/)
  })
})
