import { copyFileSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest'
import { callerFrom } from './caller'
import { ConfigError, reloadEnv } from './env'
import { log } from './log'
import { openPlaces, placeOf, placeText, readPlace } from './place'

const DATABASES = path.resolve(import.meta.dirname, '../testing/geoip')
const CITIES = path.join(DATABASES, 'GeoLite2-City-Test.mmdb')
const NETWORKS = path.join(DATABASES, 'GeoLite2-ASN-Test.mmdb')
const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-places-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const NAMES = ['GEOIP_FILE', 'GEO_HEADERS', 'TRUSTED_PROXIES'] as const
let stop = () => {}

function set(values: Partial<Record<(typeof NAMES)[number], string>>): void {
  for (const name of NAMES) delete process.env[name]
  Object.assign(process.env, values)
  reloadEnv()
}
afterEach(() => {
  stop()
  stop = () => {}
  set({})
})

async function withDatabase(file = CITIES, lookEveryMs?: number): Promise<void> {
  set({ GEOIP_FILE: file })
  stop = await openPlaces(lookEveryMs)
}

const reader = (headers: Record<string, string>) => (name: string) => headers[name]

const LONDON = {
  country: 'GB',
  city: 'London',
  timezone: 'Europe/London',
  latitude: 51.5142,
  longitude: -0.0931,
}

describe('a database of places', () => {
  it('says country, city, time zone and coordinates of an address', async () => {
    await withDatabase()
    expect(placeOf('81.2.69.160', null)).toEqual(LONDON)
    expect(placeOf('2001:218::1', null)).toMatchObject({ country: 'JP', city: null, timezone: 'Asia/Tokyo' })
    expect(callerFrom(reader({}), '81.2.69.160').place).toEqual(LONDON)
  })

  it('place_that_nobody_knows_is_null_and_never_guessed', async () => {
    expect(placeOf('81.2.69.160', null)).toBeNull()
    await withDatabase()
    // Not in the file; this machine; a private network; a record that names a zone but no country.
    for (const ip of ['198.51.100.7', '127.0.0.1', '10.0.0.1', '::1', '2a02:d500::1']) {
      expect(placeOf(ip, null)).toBeNull()
    }
  })

  it('names in other scripts and with accents come through', async () => {
    await withDatabase()
    expect(placeOf('89.160.20.112', null)?.city).toBe('Linköping')
  })

  it.each([
    ['one that is not there', path.join(folder, 'gone.mmdb')],
    ['one of other things', NETWORKS],
    ['text', path.join(folder, 'text.mmdb')],
    ['a folder', folder],
  ])('wrong_file_is_refused_at_start_in_a_sentence: %s', async (_what, file) => {
    writeFileSync(path.join(folder, 'text.mmdb'), 'no database')
    set({ GEOIP_FILE: file })
    const refused = openPlaces()
    await expect(refused).rejects.toThrow(ConfigError)
    await expect(refused).rejects.toThrow(/^GEOIP_FILE is .+ name a file in the MaxMind DB format/)
  })

  it('is read anew when it is replaced, and a wrong replacement changes nothing', async () => {
    const file = path.join(folder, 'places.mmdb')
    copyFileSync(CITIES, file)
    await withDatabase(file, 5)
    const replaceBy = (source: string | Buffer) => {
      const next = path.join(folder, 'next.mmdb')
      if (typeof source === 'string') copyFileSync(source, next)
      else writeFileSync(next, source)
      renameSync(next, file)
    }
    const said: unknown[] = []
    vi.spyOn(log(), 'warn').mockImplementation(((about: unknown) => said.push(about)) as never)
    replaceBy(NETWORKS)
    await vi.waitFor(() => expect(said).toHaveLength(1), 15_000)
    expect(placeOf('81.2.69.160', null)).toEqual(LONDON)
    // The answer of before is not believed once there is a new file: here one that knows no London.
    replaceBy(Buffer.from(readFileSync(CITIES, 'latin1').replaceAll('London', 'Londyn'), 'latin1'))
    await vi.waitFor(() => expect(placeOf('81.2.69.160', null)?.city).toBe('Londyn'), 15_000)
  })
})

describe('headers of a CDN', () => {
  const cloudflare = {
    'cf-ipcountry': 'de',
    'cf-ipcity': Buffer.from('München').toString('latin1'),
    'cf-timezone': 'Europe/Berlin',
    'cf-iplatitude': '48.13743',
    'cf-iplongitude': '11.57549',
  }

  it('count from a trusted proxy', () => {
    set({ GEO_HEADERS: 'cloudflare', TRUSTED_PROXIES: '10.0.0.0/8' })
    expect(callerFrom(reader(cloudflare), '10.0.0.1').place).toEqual({
      country: 'DE',
      city: 'München',
      timezone: 'Europe/Berlin',
      latitude: 48.13743,
      longitude: 11.57549,
    })
    set({ GEO_HEADERS: 'cloudfront', TRUSTED_PROXIES: '10.0.0.0/8' })
    const viewer = { 'cloudfront-viewer-country': 'PL', 'cloudfront-viewer-time-zone': 'Europe/Warsaw' }
    expect(callerFrom(reader(viewer), '10.0.0.1').place).toMatchObject({ country: 'PL', city: null })
  })

  it('forged_geo_headers_from_anybody_else_change_nothing', () => {
    set({ GEO_HEADERS: 'cloudflare', TRUSTED_PROXIES: '10.0.0.0/8' })
    expect(callerFrom(reader(cloudflare), '203.0.113.9').place).toBeNull()
    // Those of another CDN than the operator's, and any while none is named.
    expect(callerFrom(reader({ 'cloudfront-viewer-country': 'PL' }), '10.0.0.1').place).toBeNull()
    set({ TRUSTED_PROXIES: '10.0.0.0/8' })
    expect(callerFrom(reader(cloudflare), '10.0.0.1').place).toBeNull()
  })

  it('hostile_geo_headers_are_no_place', () => {
    set({ GEO_HEADERS: 'cloudflare', TRUSTED_PROXIES: '10.0.0.0/8' })
    const of = (headers: Record<string, string>) => callerFrom(reader(headers), '10.0.0.1').place
    for (const country of ['XX', 'T1', '', 'DEU', '<b', 'd', 'X'.repeat(10_000), '\u0000D']) {
      expect(of({ ...cloudflare, 'cf-ipcountry': country })).toBeNull()
    }
    expect(
      of({
        'cf-ipcountry': 'DE',
        'cf-ipcity': `a\r\nb\u001b[31m${'x'.repeat(300)}`,
        'cf-timezone': '../../etc/passwd',
        'cf-iplatitude': '1e9',
        'cf-iplongitude': 'NaN',
      }),
    ).toEqual({
      country: 'DE',
      city: `a b [31m${'x'.repeat(72)}`,
      timezone: null,
      latitude: null,
      longitude: null,
    })
  })

  it('a proxy that says nothing leaves it to the database', async () => {
    set({ GEO_HEADERS: 'cloudflare', TRUSTED_PROXIES: '10.0.0.0/8', GEOIP_FILE: CITIES })
    stop = await openPlaces()
    const forwarded = { 'x-forwarded-for': '81.2.69.160' }
    expect(callerFrom(reader(forwarded), '10.0.0.1').place).toEqual(LONDON)
    expect(callerFrom(reader({ ...forwarded, 'cf-ipcountry': 'PL' }), '10.0.0.1').place?.country).toBe('PL')
  })
})

it('travels from the host to pages in a header', () => {
  const place = { ...LONDON, city: 'Linköping\r\n', country: 'SE' }
  expect(placeText(place)).toMatch(/^[\x21-\x7e]+$/)
  expect(readPlace(placeText(place))).toEqual(place)
  expect(readPlace(undefined)).toBeNull()
})
