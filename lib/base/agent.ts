/** Words for a browser, from its user agent. */
import Bowser from 'bowser'
import { cleanText } from './caller'

export interface Agent {
  browser: string | null
  os: string | null
  /** desktop, mobile, tablet, tv, bot; null when unknown. */
  kind: string | null
}

/** What a user agent claims to be. A claim, not a proof: shown to people, never used to decide. */
export function describeAgent(userAgent: string): Agent {
  if (!userAgent) return { browser: null, os: null, kind: null }
  const parsed = Bowser.parse(userAgent)
  const major = parsed.browser.version?.split('.')[0]
  const browser = parsed.browser.name ? [parsed.browser.name, major].filter(Boolean).join(' ') : null
  const osVersion = parsed.os.versionName ?? parsed.os.version?.split('.')[0]
  const os = parsed.os.name ? [parsed.os.name, osVersion].filter(Boolean).join(' ') : null
  return {
    browser: browser && cleanText(browser, 60),
    os: os && cleanText(os, 60),
    kind: parsed.platform.type ?? null,
  }
}
