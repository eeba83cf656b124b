/**
 * What every answer carries, whoever makes it: pages, redirects, errors, JSON, files.
 * A page gets a Content-Security-Policy with a nonce of its own; Next finds the nonce in the request's
 * header of the same name and puts it on its scripts and styles.
 */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { ACCEPT_CH } from '../base/agent'
import { PLAIN_STYLE } from './plain-pages'

export interface HeaderSettings {
  https: boolean
  /** Where the operator's logo comes from, if from elsewhere. */
  logoUrl: string | undefined
}

const ALWAYS: Record<string, string> = {
  'X-Content-Type-Options': 'nosniff',
  'X-Frame-Options': 'DENY',
  // Browsers send `Origin: null` with form posts under no-referrer, and posts need their Origin.
  'Referrer-Policy': 'same-origin',
  'Permissions-Policy':
    'accelerometer=(), browsing-topics=(), camera=(), display-capture=(), geolocation=(), gyroscope=(), magnetometer=(), microphone=(), midi=(), payment=(), usb=()',
  'Cross-Origin-Opener-Policy': 'same-origin',
  'Cross-Origin-Resource-Policy': 'same-origin',
  'Origin-Agent-Cluster': '?1',
  'X-DNS-Prefetch-Control': 'off',
}

/** For answers that are no page: nothing in them may load, run, frame or post anything. */
const INERT = `default-src 'none'; style-src ${PLAIN_STYLE}; base-uri 'none'; form-action 'none'; frame-ancestors 'none'`

/** A mail shown in the development mailbox: its own styles, no scripts, and only inside the mailbox. */
const MAIL_BODY =
  "sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'; img-src 'self' data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"

export interface Policy {
  /** The header's value. */
  csp: string
  nonce: string
  /** May be framed by our own pages. */
  framed: boolean
}

const isMailBody = (pathname: string): boolean => /^\/dev\/mailbox\/[\w-]+\/body$/.test(pathname)
// A page that is reached without a new document keeps the policy of the first one, so these hold for a
// whole part of the house, never for one page of it.
const showsAppLogos = (pathname: string): boolean => /^\/(consent|account|admin)(\/|$)/.test(pathname)
const readsPictures = (pathname: string): boolean => /^\/account(\/|$)/.test(pathname)
/** The form_post answer: its only form goes to the relying app (and wherever that redirects to). */
const postsToApp = (pathname: string): boolean => /^\/oidc\/auth(\/|$)/.test(pathname)

/**
 * The policy of a page at `pathname`, with a fresh nonce.
 * @param frames addresses of apps that this one answer loads in frames
 */
export function pagePolicy(
  pathname: string,
  settings: HeaderSettings,
  frames: readonly string[] = [],
): Policy {
  const nonce = randomBytes(18).toString('base64')
  if (isMailBody(pathname)) return { csp: MAIL_BODY, nonce, framed: true }
  const images = ["'self'", 'data:', 'blob:']
  if (showsAppLogos(pathname)) images.push('https:')
  else if (settings.logoUrl?.startsWith('https://')) images.push(new URL(settings.logoUrl).origin)
  const csp = [
    "default-src 'none'",
    `script-src 'self' 'nonce-${nonce}' 'strict-dynamic'`,
    `style-src 'self' 'nonce-${nonce}' ${PLAIN_STYLE}`,
    `img-src ${images.join(' ')}`,
    "font-src 'self'",
    `connect-src 'self'${readsPictures(pathname) ? ' blob:' : ''}`,
    "manifest-src 'self'",
    "object-src 'none'",
    // Of our own, mails in the development mailbox alone let themselves be framed.
    ["frame-src 'self'", ...new Set(frames.map((address) => new URL(address).origin))].join(' '),
    "base-uri 'none'",
    `form-action ${postsToApp(pathname) ? 'https: http:' : "'self'"}`,
    "frame-ancestors 'none'",
    ...(settings.https ? ['upgrade-insecure-requests'] : []),
  ].join('; ')
  return { csp, nonce, framed: false }
}

/** The headers of an answer that is no page, ready for writeHead. */
export function inertHeaders(settings: HeaderSettings): Record<string, string> {
  return {
    ...ALWAYS,
    ...(settings.https && { 'Strict-Transport-Security': HSTS }),
    'Content-Security-Policy': INERT,
    'Cache-Control': 'no-store',
  }
}

const HSTS = 'max-age=63072000; includeSubDomains'

/** Sets what every answer carries, before anyone else writes to it. */
export function setSecurityHeaders(
  res: ServerResponse,
  settings: HeaderSettings,
  policy: Policy | null,
): void {
  for (const name in ALWAYS) res.setHeader(name, ALWAYS[name] ?? '')
  if (settings.https) res.setHeader('Strict-Transport-Security', HSTS)
  res.setHeader('Content-Security-Policy', policy?.csp ?? INERT)
  // So that the sign-in that follows knows Windows 11 from 10, and a phone by its name.
  if (policy) res.setHeader('Accept-CH', ACCEPT_CH)
  if (policy?.framed) res.setHeader('X-Frame-Options', 'SAMEORIGIN')
  res.setHeader('Cache-Control', 'no-store')
}
