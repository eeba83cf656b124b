/**
 * The Caller of a request inside Next. The host has judged the socket and the proxies already and
 * handed over what it found in headers of its own, which it strips from anything that comes in.
 */
import { type Caller, callerFrom } from './caller'
import { currentRequest } from './log'
import { readPlace } from './place'

export { APP_LOCALE_COOKIE, firstSpoken, LOCALE_COOKIE } from './caller'
export { nowMs } from './clock'

import { env } from './env'

export const HOST_HEADERS = {
  ip: 'x-gatehouse-ip',
  local: 'x-gatehouse-local',
  requestId: 'x-request-id',
  place: 'x-gatehouse-place',
} as const

/** The Caller from the headers that Next gives to pages, actions and route handlers. */
export function caller(headers: { get(name: string): string | null }): Caller {
  const read = (name: string) => headers.get(name) ?? undefined
  const found = callerFrom(
    (name) =>
      name.startsWith('x-forwarded') || name === 'forwarded' || name === env().certificates.header
        ? undefined
        : read(name),
    read(HOST_HEADERS.ip),
    read(HOST_HEADERS.requestId),
    readPlace(read(HOST_HEADERS.place)),
  )
  const cookies = { ...found.cookies, ...currentRequest()?.renewedCookies }
  return { ...found, cookies, local: read(HOST_HEADERS.local) === '1' }
}

/**
 * Keeps a cookie that an action sets for the rest of the request: Next makes the page anew with the headers
 * that came in, and a session that was just renewed would be over there.
 */
export function renewCookie(name: string, value: string): void {
  const request = currentRequest()
  if (request) request.renewedCookies = { ...request.renewedCookies, [name]: value }
}

/**
 * True when a state-changing request came from our own pages: Origin equals the public origin.
 * `null` and a missing Origin are refused (browsers send it with every POST). CSRF1.
 */
export function sameOrigin(headers: { get(name: string): string | null }): boolean {
  const site = headers.get('sec-fetch-site')
  return headers.get('origin') === env().url && (site === null || site === 'same-origin')
}

/** Said by every server action before anything else. */
export function reachAction(): void {
  const request = currentRequest()
  if (request) request.inAction = true
}

/**
 * True for a call of a server action that failed before it reached one: its body was no call at all.
 * That is the sender's fault (400), and no line in the log that wakes anyone.
 */
export const isMalformedCall = (
  method: string | undefined,
  headers: Record<string, string | string[] | undefined>,
  request = currentRequest(),
): boolean =>
  method === 'POST' &&
  !request?.inAction &&
  (headers['next-action'] !== undefined ||
    String(headers['content-type']).toLowerCase().startsWith('multipart/form-data'))

/** What pages may know of the configuration. */
export function settings() {
  const {
    productName,
    brandColor,
    logoUrl,
    url,
    signUp,
    passwordMinLength,
    https,
    loopback,
    smtpUrl,
    recovery,
  } = env()
  return {
    productName,
    brandColor,
    logoUrl,
    url,
    signUp,
    passwordMinLength,
    https,
    mailbox: loopback && !smtpUrl,
    /** Waiting time of a delayed recovery; 0: there is none. */
    recoverySeconds: recovery.waitSeconds,
  }
}
