import { afterEach, describe, expect, it } from 'vitest'
import {
  callerFrom,
  canonicalIp,
  cleanText,
  clientIp,
  firstSpoken,
  ipPrefix,
  localeOf,
  matchLocale,
  parseCookies,
} from './caller'
import { reloadEnv } from './env'

function trust(spec: string): void {
  process.env.TRUSTED_PROXIES = spec
  reloadEnv()
}
afterEach(() => trust(''))

describe('the client address', () => {
  it('every_spelling_of_an_address_is_one_bucket', () => {
    expect(canonicalIp('::ffff:1.2.3.4')).toBe('1.2.3.4')
    expect(canonicalIp('2001:DB8:0:0:0:0:0:1')).toBe('2001:db8::1')
    expect(canonicalIp('[2001:db8::1]')).toBe('2001:db8::1')
    expect(canonicalIp('fe80::1%eth0')).toBe('fe80::1')
    const prefixes = ['2001:db8::1', '2001:db8:0:0:ffff::2', '2001:0DB8::dead:beef'].map((ip) =>
      ipPrefix(canonicalIp(ip) ?? ''),
    )
    expect(new Set(prefixes).size).toBe(1)
    expect(ipPrefix('2001:db8:0:1::1')).not.toBe(prefixes[0])
  })

  it('forwarded_header_from_an_untrusted_peer_changes_nothing', () => {
    for (const value of ['9.9.9.9', 'a', '9.9.9.9, 8.8.8.8', '', '::1', 'unknown', '"9.9.9.9"']) {
      expect(clientIp('203.0.113.9', value)).toBe('203.0.113.9')
    }
  })

  it('comes from the right of the list, past trusted hops only', () => {
    trust('10.0.0.0/8')
    expect(clientIp('10.0.0.1', '198.51.100.7')).toBe('198.51.100.7')
    expect(clientIp('10.0.0.1', '6.6.6.6, 198.51.100.7, 10.0.0.2')).toBe('198.51.100.7')
    expect(clientIp('203.0.113.9', '198.51.100.7')).toBe('203.0.113.9')
  })

  it('garbage_in_the_forwarded_list_ends_at_the_last_trusted_hop', () => {
    trust('10.0.0.0/8')
    expect(clientIp('10.0.0.1', 'a')).toBe('10.0.0.1')
    expect(clientIp('10.0.0.1', '198.51.100.7, a')).toBe('10.0.0.1')
    expect(clientIp('10.0.0.1', 'a, 198.51.100.7')).toBe('198.51.100.7')
  })

  it('a_certificate_counts_from_a_trusted_peer_and_in_the_header_that_is_named', () => {
    const header = (name: string) =>
      ({ 'client-cert': ':QQ==:', 'x-ssl-client-cert': 'QQ==', 'x-forwarded-for': '10.0.0.1' })[name]
    const shownBy = (peer: string) => callerFrom(header, peer).certificate
    trust('10.0.0.0/8')
    expect(shownBy('10.0.0.1')).toBeUndefined()
    process.env.CLIENT_CERTIFICATE_HEADER = 'Client-Cert'
    reloadEnv()
    expect(shownBy('10.0.0.1')).toBe(':QQ==:')
    // Whomever it speaks for: who hands it over is what counts.
    for (const peer of ['203.0.113.9', '127.0.0.1', '']) expect(shownBy(peer)).toBeUndefined()
    delete process.env.CLIENT_CERTIFICATE_HEADER
  })

  it('is local only when it came through no proxy', () => {
    const header = (headers: Record<string, string>) => (name: string) => headers[name]
    expect(callerFrom(header({}), '127.0.0.1').local).toBe(true)
    expect(callerFrom(header({ 'x-forwarded-for': '127.0.0.1' }), '127.0.0.1').local).toBe(false)
    expect(callerFrom(header({ forwarded: 'for=127.0.0.1' }), '127.0.0.1').local).toBe(false)
    expect(callerFrom(header({ via: '1.1 proxy' }), '127.0.0.1').local).toBe(false)
    expect(callerFrom(header({ 'x-real-ip': '192.0.2.1' }), '127.0.0.1').local).toBe(false)
    expect(callerFrom(header({}), '192.0.2.1').local).toBe(false)
  })
})

describe('what a request says', () => {
  it('control_characters_never_reach_a_log_or_an_event', () => {
    expect(cleanText('a\r\nSet-Cookie: x\u001b[31mred\u202e\u0000', 100)).toBe('a Set-Cookie: x [31mred')
    expect(cleanText('x'.repeat(1000), 10)).toHaveLength(10)
  })

  it('cookies: the first of a name counts, and no name is special', () => {
    const cookies = parseCookies('a=1; a=2; __proto__=x; b="q"; broken; =y')
    expect(cookies.a).toBe('1')
    expect(cookies.b).toBe('"q"')
    expect(Object.getPrototypeOf(cookies)).toBeNull()
  })

  it('language: the best of those we speak', () => {
    expect(matchLocale('de-CH, en;q=0.5', ['en', 'de'])).toBe('de')
    expect(matchLocale('fr, *;q=0.1', ['en', 'de'])).toBe('en')
    expect(matchLocale(undefined)).toBe('en')
  })

  it('is the one chosen here, else the one the app asked for, else the browser’s', () => {
    const [chosen, app] = [{ 'gatehouse.locale': 'en' }, { 'gatehouse.app_locale': 'de' }]
    expect(localeOf({ ...chosen, ...app }, 'de')).toBe('en')
    expect(localeOf(app, 'en')).toBe('de')
    expect(localeOf({ 'gatehouse.app_locale': 'tlh' }, 'de')).toBe('de')
    expect(firstSpoken(['fr-CA', 'de-AT', 'en'])).toBe('de')
    expect(firstSpoken(['tlh', '', '../../etc', '__proto__'])).toBeNull()
  })
})
