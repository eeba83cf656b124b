/**
 * The cookies of the house and nothing else about them:
 * `gatehouse.session` names a session row and its generation, sealed; `gatehouse.device` remembers a
 * browser between sign-ins; `gatehouse.trust` spares a known browser the second step; `gatehouse.browser`
 * binds login attempts to the browser that began them; `gatehouse.later` keeps that somebody there wants
 * no offer to set something up for now; `gatehouse.provider` names the provider that was last signed in with
 * there, and nobody.
 * On https all carry `__Host-` (ASVS 3.3).
 */
import { env } from '../base/env'
import { open, seal } from '../base/secrets'

type CookieName = 'session' | 'device' | 'trust' | 'browser' | 'later' | 'provider'

export const cookieName = (name: CookieName): string => `${env().https ? '__Host-' : ''}gatehouse.${name}`

/** As long as browsers keep any cookie. */
export const DEVICE_COOKIE_SECONDS = 400 * 86_400

const TOKEN = /^[\w-]{43}$/

/** The random value of one of our cookies, or null when the browser has none of that form. */
export function tokenIn(
  cookies: Record<string, string>,
  name: 'device' | 'trust' | 'browser',
): string | null {
  const value = cookies[cookieName(name)]
  return value && TOKEN.test(value) ? value : null
}

export const deviceCookie = (cookies: Record<string, string>): string | null => tokenIn(cookies, 'device')

/** A Set-Cookie line; `maxAgeSeconds` 0 deletes. */
export function setCookie(name: CookieName, value: string, maxAgeSeconds: number): string {
  const parts = [
    `${cookieName(name)}=${value}`,
    'Path=/',
    'HttpOnly',
    'SameSite=Lax',
    `Max-Age=${maxAgeSeconds}`,
  ]
  if (env().https) parts.push('Secure')
  return parts.join('; ')
}

const PURPOSE = 'session-cookie'

/** What the session cookie says. Names a row; decides nothing. */
export interface SessionTicket {
  sid: string
  generation: number
  /** Whose it is, so that both keys of Redis are asked at once; null in cookies of older versions. */
  userId: string | null
}

export const sealTicket = (ticket: SessionTicket): string =>
  seal(PURPOSE, '', JSON.stringify([ticket.sid, ticket.generation, ticket.userId]))

/** The ticket inside a cookie, or null when it was not sealed by us. */
export function openTicket(value: string): SessionTicket | null {
  if (value.length > 300) return null
  try {
    const [sid, generation, userId] = JSON.parse(open(PURPOSE, '', value)) as unknown[]
    if (typeof sid !== 'string' || typeof generation !== 'number') return null
    return { sid, generation, userId: typeof userId === 'string' ? userId : null }
  } catch {
    return null
  }
}
