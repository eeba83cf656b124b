/**
 * Judges a request before anyone acts on it: is it for this house (one origin, one spelling of it),
 * who really sent it, and did it come from our own pages where it must. What only we may say to
 * Next or to the rooms is stripped from what comes in and said anew.
 */
import type { IncomingMessage } from 'node:http'
import { type Caller, callerFrom, isTrustedProxy } from '../base/caller'
import { env } from '../base/env'
import { uuid } from '../base/ids'
import { placeText } from '../base/place'
import { HOST_HEADERS } from '../base/requests'
import * as federation from '../federation'

export interface Target {
  pathname: string
  /** Path and query, origin-form. */
  url: string
}

export type Judgement = { ok: true; target: Target } | { ok: false; status: 400 | 405 | 421 }

const no = (status: 400 | 405 | 421): Judgement => ({ ok: false, status })

const HEALTH = new Set(['/healthz', '/readyz'])
const LOOPBACK_HOST = /^(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?$/i
const METHODS = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

interface Authority {
  url: string
  /** Its spellings: with its default port and without. */
  hosts: Set<string>
  forwarded: Record<string, string>
}

let own: Authority | null = null

/** Our one authority, worked out once. */
function authority(): Authority {
  const { url } = env()
  if (own?.url === url) return own
  const { host, hostname, port, protocol } = new URL(url)
  const usual = protocol === 'https:' ? '443' : '80'
  own = {
    url,
    hosts: new Set(port ? [host] : [host, `${hostname}:${usual}`]),
    forwarded: {
      host,
      'x-forwarded-host': host,
      'x-forwarded-proto': protocol.slice(0, -1),
      'x-forwarded-port': port || usual,
    },
  }
  return own
}

/** The one Host header; null when it is missing or there are several (RFC 9112 section 3.2). */
function onlyHost(req: IncomingMessage): string | null {
  let found: string | null = null
  const raw = req.rawHeaders
  for (let i = 0; i < raw.length; i += 2) {
    const name = raw[i]
    if (name?.length !== 4 || name.toLowerCase() !== 'host') continue
    if (found !== null) return null
    found = raw[i + 1] ?? ''
  }
  return found
}

/** Splits a request-target; absolute-form must name our own origin, and then it is the one that counts. */
function targetOf(raw: string): { target: Target; host: string | null } | null {
  let url = raw
  let host: string | null = null
  if (!raw.startsWith('/')) {
    if (!URL.canParse(raw)) return null
    const parsed = new URL(raw)
    if (parsed.origin !== env().url) return { target: { pathname: '', url: '' }, host: '' }
    host = parsed.host
    url = parsed.pathname + parsed.search
  }
  // A second slash or a backslash would make a path into another authority for whoever redirects to it.
  if (url.startsWith('//') || /[\\\p{Cc}#]/u.test(url)) return null
  const at = url.indexOf('?')
  return { target: { pathname: at < 0 ? url : url.slice(0, at), url }, host }
}

/** Is this request for us, in a form that everyone behind us reads the same way? */
export function judge(req: IncomingMessage): Judgement {
  if (!METHODS.has(req.method ?? '')) return no(405)
  const split = targetOf(req.url ?? '')
  if (!split) return no(400)
  const host = onlyHost(req)
  if (host === null) return no(400)
  const known = authority().hosts
  const health = HEALTH.has(split.target.pathname) && LOOPBACK_HOST.test(host)
  if ((!known.has(host.toLowerCase()) && !health) || (split.host !== null && !known.has(split.host))) {
    return no(421)
  }
  return { ok: true, target: split.target }
}

/** Headers that steer Next, a proxy or the rooms from within; from outside they are an attack or an accident. */
const INTERNAL =
  /^(x-middleware-|x-nextjs-|x-next-|next-resume|next-hmr|x-now-|x-vercel-|x-matched-path|x-invoke-|x-gatehouse-|x-forwarded|forwarded$|x-real-ip|x-client-ip|true-client-ip|cf-|cloudfront-|x-original-|x-rewrite-|x-http-method|x-method-override|x-prerender-|x-action-|x-nonce|content-security-policy|x-request-id|x-edge-|client-cert|x-(ssl|client)-cert|x-ssl-client-|ssl-client-)/

const REQUEST_ID = /^[\w.:-]{8,64}$/

/**
 * Who sent it, and what Next and the rooms shall read about that: forwarded headers count only from
 * trusted proxies, and are then replaced by what they amount to.
 */
export function identify(req: IncomingMessage): Caller {
  const { headers, socket } = req
  const peer = socket.remoteAddress
  const given = headers[HOST_HEADERS.requestId]
  const requestId =
    typeof given === 'string' && REQUEST_ID.test(given) && isTrustedProxy(peer ?? '') ? given : uuid()
  const caller = callerFrom((name) => one(headers[name]), peer, requestId)
  // No browser speaks HTTP/1.0; proxies in their default configuration do, and name nobody they speak for.
  return req.httpVersionMajor === 1 && req.httpVersionMinor === 0 ? { ...caller, local: false } : caller
}

const one = (value: string | string[] | undefined): string | undefined =>
  Array.isArray(value) ? value.join(', ') : value

/** Replaces what came in under names that are ours to say. */
export function rewriteHeaders(req: IncomingMessage, caller: Caller, csp: string | null): void {
  const { headers } = req
  const { header: handover } = env().certificates
  for (const name in headers) if (INTERNAL.test(name) || name === handover) delete headers[name]
  Object.assign(headers, authority().forwarded)
  headers['x-forwarded-for'] = caller.ip
  headers[HOST_HEADERS.ip] = caller.ip
  headers[HOST_HEADERS.requestId] = caller.requestId
  headers[HOST_HEADERS.local] = caller.local ? '1' : '0'
  if (caller.place) headers[HOST_HEADERS.place] = placeText(caller.place)
  if (csp) headers['content-security-policy'] = csp
}

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/**
 * True unless a request that may change something came from elsewhere: Origin must be ours, `null`
 * and absent are refused (browsers send it with every post), and Sec-Fetch-Site may not contradict.
 */
export function fromOurPages(req: IncomingMessage): boolean {
  if (SAFE.has(req.method ?? '')) return true
  const { origin, 'sec-fetch-site': site } = req.headers
  return origin === env().url && (site === undefined || site === 'same-origin')
}

const FROM_PROVIDERS = /^\/api\/auth\/(?:callback|backchannel-logout)\/([\w-]+)$/

/**
 * True for the two posts that other providers send by themselves: an answer from a page of theirs (Apple's `form_post`),
 * and a logout token from their server. Of a provider that is configured, as a plain form, and nothing else. Neither
 * decides by cookies, so none is let along.
 */
export function fromProvider(req: IncomingMessage, pathname: string): boolean {
  const id = req.method === 'POST' ? FROM_PROVIDERS.exec(pathname)?.[1] : undefined
  if (!id || !/^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? '')) return false
  if (!federation.provider(id)) return false
  delete req.headers.cookie
  return true
}

const FILE = /\.\w{2,11}$/

/** What a path can be asked to do; what it cannot is refused here, because Next fails on some of it. */
export function methodsOf(pathname: string): readonly string[] | null {
  if (pathname.startsWith('/api/')) return null
  return FILE.test(pathname) ? ['GET', 'HEAD'] : ['GET', 'HEAD', 'POST']
}

/** A request that may bring a body; whether it has come is another question. */
export const hasBody = (req: IncomingMessage): boolean => !SAFE.has(req.method ?? '')

const BODY_LIMIT = 256 * 1024
const PICTURE_LIMIT = 8 * 1024 * 1024

/** Bodies are bounded before anyone reads them; their length must be said. */
export function bodyTrouble(req: IncomingMessage, pathname: string): 411 | 413 | null {
  if (SAFE.has(req.method ?? '')) return null
  if (req.headers['transfer-encoding'] !== undefined) return 411
  const length = Number(req.headers['content-length'] ?? 0)
  return length > (pathname === '/account/profile' ? PICTURE_LIMIT : BODY_LIMIT) ? 413 : null
}

/** A body that only a picture may have. */
export const isLong = (req: IncomingMessage): boolean =>
  Number(req.headers['content-length'] ?? 0) > BODY_LIMIT
