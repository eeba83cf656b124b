/** Words for a browser, from its user agent and its client hints (W3C User-Agent Client Hints). */
import Bowser from 'bowser'
import { parseItem, parseList, Token } from 'structured-headers'
import { cleanText } from './clean'

export interface Agent {
  browser: string | null
  os: string | null
  /** desktop, mobile, tablet, tv, bot; null when unknown. */
  kind: string | null
  /** What its maker calls it, such as "Pixel 8". */
  model: string | null
}

/** Client hints as they came, each a structured field (RFC 9651). */
export interface AgentHints {
  brands?: string
  mobile?: string
  platform?: string
  platformVersion?: string
  model?: string
}

const HINT_HEADERS = {
  brands: 'sec-ch-ua',
  mobile: 'sec-ch-ua-mobile',
  platform: 'sec-ch-ua-platform',
  platformVersion: 'sec-ch-ua-platform-version',
  model: 'sec-ch-ua-model',
} as const satisfies Record<keyof AgentHints, string>

/** What browsers tell only to those who ask: a page's `Accept-CH`. */
export const ACCEPT_CH = 'Sec-CH-UA-Platform-Version, Sec-CH-UA-Model'

/** Longer ones are no hints of a browser. */
const LONGEST = 300

/** The client hints among a request's headers; undefined when there are none. */
export function hintsFrom(header: (name: string) => string | undefined): AgentHints | undefined {
  let found: AgentHints | undefined
  for (const name of Object.keys(HINT_HEADERS) as (keyof AgentHints)[]) {
    const value = header(HINT_HEADERS[name])
    if (value && value.length <= LONGEST) {
      found ??= {}
      found[name] = value
    }
  }
  return found
}

const NOBODY: Agent = { browser: null, os: null, kind: null, model: null }

/** What a browser claims to be. A claim, not a proof: shown to people, never used to decide. */
export function describeAgent(userAgent: string, hints: AgentHints = {}): Agent {
  if (!userAgent) return NOBODY
  const ua = userAgent.slice(0, 400)
  const mobile = parsed(hints.mobile, parseItem)?.[0] === true
  const platform = words(hints.platform)
  const agent = look(ua, brandsOf(hints.brands))
  return {
    browser: clean([agent.browser.name, majorOf(agent.browser.version)]),
    os: clean(osOf(agent.os, ua, platform, words(hints.platformVersion))),
    kind: kindOf(agent.platform.type, platform, hints.mobile === undefined ? null : mobile),
    model: clean([words(hints.model)]),
  }
}

type Parsed = Pick<Bowser.Parser.ParsedResult, 'browser' | 'os' | 'platform'>

function look(ua: string, brands: { brand: string; version: string }[]): Parsed {
  try {
    return Bowser.parse(ua, { brands })
  } catch {
    // Whoever sends nonsense is unknown; a label is no reason to fail a sign-in.
    return { browser: {}, os: {}, platform: {} }
  }
}

/** A structured field, or null when it is none. */
function parsed<T>(value: string | undefined, parse: (text: string) => T): T | null {
  if (!value) return null
  try {
    return parse(value)
  } catch {
    return null
  }
}

function words(value: string | undefined): string | null {
  const item = parsed(value, parseItem)?.[0]
  return typeof item === 'string' ? cleanText(item, 60) || null : null
}

function brandsOf(value: string | undefined): { brand: string; version: string }[] {
  return (parsed(value, parseList) ?? []).flatMap(([item, parameters]) => {
    const version = parameters.get('v')
    const brand = item instanceof Token ? item.toString() : item
    return typeof brand === 'string' && typeof version === 'string' ? [{ brand, version }] : []
  })
}

const clean = (parts: (string | null | undefined)[]): string | null =>
  cleanText(parts.filter(Boolean).join(' '), 60) || null

const majorOf = (version: string | undefined): string | undefined => /^\d{1,4}/.exec(version ?? '')?.[0]

/**
 * Name and version of the operating system. Browsers say the same old version for ever in their user agent (Windows
 * NT 10.0, Mac OS X 10_15_7, Android 10; K): such a one is not told on, and only the hint knows better.
 */
function osOf(
  os: Parsed['os'],
  ua: string,
  platform: string | null,
  version: string | null,
): (string | null | undefined)[] {
  const major = version ? Number(majorOf(version)) : Number.NaN
  if (platform === 'Windows' && major >= 1) return ['Windows', major >= 13 ? '11' : '10']
  if ((platform === 'macOS' || platform === 'Android') && major >= 1) return [platform, String(major)]
  if (platform === 'Chrome OS' || platform === 'Chromium OS') return ['ChromeOS']
  if (/Windows NT 10\.0/.test(ua)) return ['Windows']
  if (/Mac OS X 10[._]15([._]7)?[;)]/.test(ua)) return ['macOS']
  if (/Android 10; K\)/.test(ua)) return ['Android']
  // Since version 26, Safari says the iOS of the year before for ever.
  if (os.name === 'iOS' && Number(/Version\/(\d{1,3})/.exec(ua)?.[1]) >= 26) return ['iOS']
  return [os.name, os.name === 'macOS' ? majorOf(os.version) : (os.versionName ?? majorOf(os.version))]
}

function kindOf(type: string | undefined, platform: string | null, mobile: boolean | null): string | null {
  if (mobile === true && type !== 'tv' && type !== 'bot') return 'mobile'
  if (mobile === false && platform === 'Android' && type === 'mobile') return 'tablet'
  return type ?? null
}
