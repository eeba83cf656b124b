/**
 * Who is calling, from a request's socket and headers. Forwarded headers count only from trusted
 * proxies; addresses are canonical, so no spelling of one gets a second bucket (RL2, RL3).
 */
import ipaddr from 'ipaddr.js'
import { LRUCache } from 'lru-cache'
import proxyaddr from 'proxy-addr'
import { type AgentHints, hintsFrom } from './agent'
import { cleanText } from './clean'
import { env } from './env'
import { uuid } from './ids'
import { type Place, placeOf } from './place'

export { cleanText } from './clean'

export interface Caller {
  requestId: string
  /** Canonical text of the client's address. */
  ip: string
  /** What limits count by: the address for IPv4, its /64 for IPv6. */
  ipPrefix: string
  userAgent: string
  /** What the browser says of itself besides, as it came; `describeAgent` reads it. */
  hints?: AgentHints
  /** Where the address is; null when unknown. */
  place: Place | null
  cookies: Record<string, string>
  /** The language chosen in this browser, else the best match of Accept-Language; a BCP 47 tag. */
  locale: string
  /** The request came straight from this machine, through no proxy. */
  local: boolean
  /** In which a trusted proxy handed over the client's certificate (RFC 8705), as it came; the provider reads it. */
  certificate?: string | undefined
}

interface Address {
  canonical: string
  prefix: string
  loopback: boolean
}

/** The same few addresses ask again and again; what is too long to be one is not remembered. */
const seen = new LRUCache<string, Address>({ max: 5000 })
const LONGEST = 64

function addressOf(text: string): Address | null {
  const known = seen.get(text)
  if (known) return known
  const bare = text
    .trim()
    .replace(/^\[|\]$/g, '')
    .replace(/%.*$/, '')
  if (!ipaddr.isValid(bare)) return null
  const parsed = ipaddr.process(bare)
  const canonical = parsed.toString()
  const prefix = parsed instanceof ipaddr.IPv6 ? network(parsed) : canonical
  const address = { canonical, prefix, loopback: parsed.range() === 'loopback' }
  if (text.length <= LONGEST) seen.set(text, address)
  return address
}

const network = (ip: ipaddr.IPv6): string =>
  `${ip.parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`

/** Canonical text of an address: IPv4-mapped IPv6 is IPv4, IPv6 lower-case and compressed; null when it is none. */
export const canonicalIp = (text: string | undefined): string | null =>
  text ? (addressOf(text)?.canonical ?? null) : null

/**
 * The address for IPv4, the /64 network for IPv6.
 * @throws Error when it is no address
 */
export function ipPrefix(ip: string): string {
  const address = addressOf(ip)
  if (!address) throw new Error('not an address')
  return address.prefix
}

let trust: { spec: string; fn: (addr: string, i: number) => boolean } | null = null

function trusted(): (addr: string, i: number) => boolean {
  const names = env().trustedProxies
  const spec = names.join(',')
  if (trust?.spec !== spec) trust = { spec, fn: names.length ? proxyaddr.compile(names) : () => false }
  return trust.fn
}

/** True when the peer at this socket address may speak for others. */
export const isTrustedProxy = (address: string): boolean => trusted()(address, 0)

/**
 * The client's canonical address: walks X-Forwarded-For from the right while the hops are trusted.
 * Anything that is not an address ends the walk at the last trusted hop.
 */
export function clientIp(socketAddress: string | undefined, forwardedFor: string | undefined): string {
  const peer = canonicalIp(socketAddress) ?? '0.0.0.0'
  if (!isTrustedProxy(peer) || !forwardedFor) return peer
  const hops = forwardedFor.split(',').map(canonicalIp).reverse()
  let last = peer
  for (const [index, hop] of hops.entries()) {
    if (!hop) return last
    last = hop
    if (!trusted()(hop, index + 1)) return hop
  }
  return last
}

/** Parses a Cookie header (RFC 6265 section 5.4); the first of a repeated name counts. */
export function parseCookies(header: string | undefined): Record<string, string> {
  const cookies: Record<string, string> = Object.create(null)
  for (const pair of (header ?? '').split(';')) {
    const at = pair.indexOf('=')
    if (at < 1) continue
    const name = pair.slice(0, at).trim()
    if (name && !(name in cookies)) cookies[name] = pair.slice(at + 1).trim()
  }
  return cookies
}

/** The languages of the house; the first is the fallback. Each has a catalogue in lib/texts. BCP 47. */
export const SPOKEN = ['en', 'de'] as const

/** Keeps the language chosen in a browser, for people who are not signed in. */
export const LOCALE_COOKIE = 'gatehouse.locale'

/** Keeps the language that the app asked for from which somebody came (OpenID Connect, `ui_locales`). */
export const APP_LOCALE_COOKIE = 'gatehouse.app_locale'

/** The language for whoever is not signed in: as chosen in this browser, else as the app asked for it, else as the browser does. */
export function localeOf(cookies: Record<string, string>, acceptLanguage: string | undefined): string {
  const spoken = (name: string) => SPOKEN.find((tag) => tag === cookies[name])
  return spoken(LOCALE_COOKIE) ?? spoken(APP_LOCALE_COOKIE) ?? matchLocale(acceptLanguage)
}

/** The first of these languages (BCP 47, best first) that the house speaks; null when it speaks none. */
export function firstSpoken(tags: readonly string[]): string | null {
  for (const tag of tags.slice(0, 20)) {
    const base = tag.toLowerCase().split('-')[0]
    const match = SPOKEN.find((spoken) => spoken === base)
    if (match) return match
  }
  return null
}

/** The first language of Accept-Language that the house speaks; else English. */
export function matchLocale(header: string | undefined, spoken: readonly string[] = SPOKEN): string {
  const wanted = (header ?? '')
    .slice(0, 200)
    .split(',')
    .map((part) => {
      const [tag = '', ...rest] = part.trim().split(';')
      const q = rest.map((r) => /^\s*q=([\d.]+)$/.exec(r)?.[1]).find(Boolean)
      return { tag: tag.toLowerCase(), q: q ? Number(q) : 1 }
    })
    .filter(({ tag, q }) => tag && q > 0)
    .sort((a, b) => b.q - a.q)
  for (const { tag } of wanted) {
    const match = spoken.find((s) => tag === s.toLowerCase() || tag.startsWith(`${s.toLowerCase()}-`))
    if (match) return match
  }
  return spoken[0] ?? 'en'
}

/** What a proxy adds to what it passes on (RFC 9110 section 7.6.3, RFC 7239, and what is in use). */
const PROXY_MARKS = [
  'via',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-proto',
  'x-real-ip',
]

type HeaderReader = (name: string) => string | undefined

const saidByProxy = (header: HeaderReader, socketAddress: string | undefined): HeaderReader | null =>
  isTrustedProxy(canonicalIp(socketAddress) ?? '0.0.0.0') ? header : null

/**
 * Builds the Caller of a request.
 * @param header reads one header by its lower-case name
 * @param socketAddress the peer's address; inside Next, the host passes what it judged in `x-gatehouse-ip`
 * @param place where that is, when it was found out already
 */
export function callerFrom(
  header: HeaderReader,
  socketAddress: string | undefined,
  requestId = uuid(),
  place?: Place | null,
): Caller {
  const ip = clientIp(socketAddress, header('x-forwarded-for'))
  const cookies = parseCookies(header('cookie'))
  const { header: handover } = env().certificates
  return {
    requestId,
    ip,
    ipPrefix: ipPrefix(ip),
    userAgent: cleanText(header('user-agent') ?? '', 400),
    hints: hintsFrom(header),
    place: place === undefined ? placeOf(ip, saidByProxy(header, socketAddress)) : place,
    cookies,
    locale: localeOf(cookies, header('accept-language')),
    local: addressOf(ip)?.loopback === true && !PROXY_MARKS.some(header),
    certificate: handover && saidByProxy(header, socketAddress)?.(handover),
  }
}
