/**
 * Front-channel logout (OpenID Connect Front-Channel Logout 1.0), for apps that have nothing better: the page after an
 * interactive sign-out loads their addresses in frames, in the browser that was signed out. What the page may load
 * travels sealed in its address, so nobody else can make it frame anything.
 */
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { open, seal } from '../base/secrets'
import * as store from './store'

const PURPOSE = 'signed-out'
const LIFE_MS = 10 * 60_000
/** Of the sealed text; addresses beyond it are left out. */
const MAX_LENGTH = 6000

export interface SignedOutView {
  /** Addresses to load in frames. */
  frames: string[]
  /** Where the browser goes on to afterwards; null: it stays. */
  returnTo: string | null
}

/** The addresses of a session's front-channel apps, with the issuer and the name each knows the session by (section 3). */
export async function framesOf(sessionId: string): Promise<string[]> {
  const apps = await store.frontChannelOf(sessionId)
  return apps.map(({ uri, sid }) => {
    const url = new URL(uri)
    url.searchParams.set('iss', env().issuer)
    url.searchParams.set('sid', sid)
    return url.href
  })
}

/** The address of the page that loads `frames`. */
export function signedOutUrl(frames: string[], returnTo: string | null): string {
  let kept = frames
  let sealed = ''
  do {
    sealed = seal(PURPOSE, '', JSON.stringify([nowMs() + LIFE_MS, returnTo, kept]))
    kept = kept.slice(0, -1)
  } while (sealed.length > MAX_LENGTH && kept.length > 0)
  return `${env().url}/signed-out?apps=${sealed}`
}

/** What a sealed address says; null for one that is not ours, or old. */
export function signedOut(apps: string): SignedOutView | null {
  if (apps.length === 0 || apps.length > MAX_LENGTH) return null
  try {
    const [until, returnTo, frames] = JSON.parse(open(PURPOSE, '', apps)) as [number, string | null, string[]]
    return until > nowMs() ? { frames, returnTo } : null
  } catch {
    return null
  }
}
