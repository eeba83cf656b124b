/**
 * Where an address is: as the operator's CDN says it (GEO_HEADERS, from trusted proxies alone), else as the
 * operator's database of places does (GEOIP_FILE, MaxMind DB). Whoever cannot tell says null; nothing is guessed.
 */
import { stat } from 'node:fs/promises'
import { LRUCache } from 'lru-cache'
import { open as openDatabase, type Reader } from 'maxmind'
import { cleanText } from './clean'
import { ConfigError, env } from './env'
import { log } from './log'

export interface Place {
  /** ISO 3166-1 alpha-2. */
  country: string | null
  /** Its English name. */
  city: string | null
  /** A name of the IANA time zone database. */
  timezone: string | null
  latitude: number | null
  longitude: number | null
}

type Read = (name: string) => string | undefined

/** The headers in which a CDN tells of the visitor. */
const GEO_HEADERS = {
  // https://developers.cloudflare.com/rules/transform/managed-transforms/reference/
  cloudflare: {
    country: 'cf-ipcountry',
    city: 'cf-ipcity',
    timezone: 'cf-timezone',
    latitude: 'cf-iplatitude',
    longitude: 'cf-iplongitude',
  },
  // https://docs.aws.amazon.com/AmazonCloudFront/latest/DeveloperGuide/adding-cloudfront-headers.html
  cloudfront: {
    country: 'cloudfront-viewer-country',
    city: 'cloudfront-viewer-city',
    timezone: 'cloudfront-viewer-time-zone',
    latitude: 'cloudfront-viewer-latitude',
    longitude: 'cloudfront-viewer-longitude',
  },
} as const satisfies Record<string, Record<keyof Place, string>>

/** What stands for "unknown" among the country codes: nobody's (XX, ZZ), Tor (T1), somewhere in Europe or Asia. */
const NO_COUNTRY = new Set(['XX', 'ZZ', 'T1', 'EU', 'AP'])

const zones = new LRUCache<string, boolean>({ max: 600 })

function isZone(name: string): boolean {
  if (name.length > 60) return false
  const known = zones.get(name)
  if (known !== undefined) return known
  let good = /^[A-Za-z][\w+-]*(\/[\w+-]+)*$/.test(name)
  try {
    new Intl.DateTimeFormat('en', { timeZone: name })
  } catch {
    good = false
  }
  zones.set(name, good)
  return good
}

const text = (value: unknown, max: number): string | null =>
  typeof value === 'string' && value.length <= 400 ? cleanText(value, max) || null : null

function degrees(value: unknown, most: number): number | null {
  const number = typeof value === 'string' && value.trim() ? Number(value) : value
  return typeof number === 'number' && Math.abs(number) <= most ? number : null
}

/** What was said of a place, as far as it has the form of one; null when nothing is left. */
function judged(said: Record<keyof Place, unknown>): Place | null {
  const code = text(said.country, 10)?.toUpperCase() ?? ''
  const zone = text(said.timezone, 80)
  const [latitude, longitude] = [degrees(said.latitude, 90), degrees(said.longitude, 180)]
  const place: Place = {
    country: /^[A-Z]{2}$/.test(code) && !NO_COUNTRY.has(code) ? code : null,
    city: text(said.city, 80),
    timezone: zone && isZone(zone) ? zone : null,
    latitude: longitude === null ? null : latitude,
    longitude: latitude === null ? null : longitude,
  }
  // A city without its country is no place.
  return place.country ? place : null
}

/** Node reads headers as Latin-1; CDNs send the names of cities in UTF-8. */
const utf8 = (value: string | undefined): string | undefined =>
  value === undefined ? undefined : Buffer.from(value, 'latin1').toString('utf8')

function fromHeaders(read: Read): Place | null {
  const { geoHeaders } = env()
  if (!geoHeaders) return null
  const names = GEO_HEADERS[geoHeaders]
  return judged({
    country: read(names.country),
    city: utf8(read(names.city)),
    timezone: read(names.timezone),
    latitude: read(names.latitude),
    longitude: read(names.longitude),
  })
}

// ── the database ─────────────────────────────────────────────────────────────

/** A record as MaxMind and DB-IP nest it, or flat as others do. */
interface Told {
  country?: { iso_code?: unknown }
  city?: { names?: { en?: unknown } } | unknown
  location?: { time_zone?: unknown; latitude?: unknown; longitude?: unknown }
  country_code?: unknown
  timezone?: unknown
  latitude?: unknown
  longitude?: unknown
}

let database: { reader: Reader<object>; seen: LRUCache<string, { place: Place | null }> } | null = null

function fromDatabase(ip: string): Place | null {
  if (!database) return null
  const known = database.seen.get(ip)
  if (known) return known.place
  const place = lookUp(database.reader, ip)
  database.seen.set(ip, { place })
  return place
}

function lookUp(reader: Reader<object>, ip: string): Place | null {
  let told: Told | null
  try {
    told = reader.get(ip) as Told | null
  } catch {
    // An IPv6 address and a database of IPv4, or a page of the file that is bent.
    return null
  }
  if (!told) return null
  return judged({
    country: told.country?.iso_code ?? told.country_code,
    city: (told.city as { names?: { en?: unknown } } | undefined)?.names?.en ?? told.city,
    timezone: told.location?.time_zone ?? told.timezone,
    latitude: told.location?.latitude ?? told.latitude,
    longitude: told.location?.longitude ?? told.longitude,
  })
}

/** Reads the file anew. @throws Error when it is none, or one of other things than places */
async function load(file: string): Promise<void> {
  const reader = await openDatabase<object>(file, { cache: { max: 1 } })
  const { databaseType } = reader.metadata
  if (!/city|country|enterprise|location/i.test(databaseType)) {
    throw new Error(`it is of the type "${cleanText(databaseType, 60)}"`)
  }
  database = { reader, seen: new LRUCache({ max: 10_000 }) }
}

/**
 * Opens the database of GEOIP_FILE, if there is one, and looks every few seconds whether it was replaced; a
 * replacement that is none leaves the old one in use.
 * @returns the way to stop
 * @throws ConfigError when the file cannot be used: one sentence
 */
export async function openPlaces(lookEveryMs = 10_000): Promise<() => void> {
  const file = env().geoipFile
  if (!file) return () => {}
  // Before it is read: `watchFile` begins with a look of its own, some time later, and would take what came between for known.
  let seen = await markOf(file)
  try {
    await load(file)
  } catch (error) {
    throw new ConfigError(
      `GEOIP_FILE is ${file}, and that cannot be used as a database of places (${(error as Error).message}): name a file in the MaxMind DB format with cities or countries, such as GeoLite2-City.mmdb.`,
    )
  }
  let timer: NodeJS.Timeout
  let stopped = false
  const look = async () => {
    const now = await markOf(file)
    // Gone for a moment while it is replaced.
    if (now && now !== seen) {
      seen = now
      await load(file).then(
        () => log().info({ file }, 'the database of places was replaced'),
        (error: Error) =>
          log().warn({ file, err: error.message }, 'the new database of places is none; the old one is used'),
      )
    }
    if (!stopped) lookLater()
  }
  const lookLater = () => {
    timer = setTimeout(() => void look(), lookEveryMs).unref()
  }
  lookLater()
  return () => {
    stopped = true
    clearTimeout(timer)
    database = null
  }
}

/** What another file in this place would not have; null while there is none. */
const markOf = (file: string): Promise<string | null> =>
  stat(file, { bigint: true }).then(
    ({ ino, size, mtimeNs }) => `${ino} ${size} ${mtimeNs}`,
    () => null,
  )

/**
 * Where this address is.
 * @param headers of the request, when a trusted proxy sent it; null from anybody else
 * @returns null when nobody knows
 */
export const placeOf = (ip: string, headers: Read | null): Place | null =>
  (headers && fromHeaders(headers)) ?? fromDatabase(ip)

/** For the header in which the host hands a place on to pages. */
export const placeText = (place: Place): string => encodeURIComponent(JSON.stringify(place))

/** Reads what `placeText` wrote. */
export function readPlace(value: string | undefined): Place | null {
  return value ? (JSON.parse(decodeURIComponent(value)) as Place) : null
}
