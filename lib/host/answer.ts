/**
 * Watches an answer that Next or the OpenID Provider makes, and changes it at the last moment where
 * only the host knows better:
 * - a page that failed because a store is away says 503, not 500, and a body that no server action
 *   could read is the sender's fault, 400;
 * - a form of a page whose build is gone says so, on a page instead of in three words;
 * - what is no public file is never stored by anyone;
 * - a form's answer that leads out of the house goes by a page of its own. Chromium applies the form's
 *   `form-action` to every redirect that follows it, the relying app's own ones included, so a strict
 *   policy would stop the way back to the app.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { onwardPage, refusalPage } from './plain-pages'

interface Watch {
  pathname: string
  origin: string
  /** True when a store failed during this request. */
  storesFailed: () => boolean
  /** True when what failed is the call itself: the body of a server action that reached none. */
  malformed: () => boolean
  /** The status of a page that tells of an error; Next itself would say 200. */
  status?: number
}

const LASTING = /\.(svg|png|jpg|jpeg|webp|avif|ico|woff2?|txt|webmanifest)$/

/** A redirect after a form that ends, here or further on, at a relying app. */
function leavesHouse(location: string, origin: string): boolean {
  if (!URL.canParse(location, origin)) return false
  const url = new URL(location, origin)
  return url.origin !== origin || /^\/(oidc|signin\/(start|done))(\/|$)/.test(url.pathname)
}

/** A person's browser sending a form, as opposed to a script or a program. */
const isFormNavigation = (req: IncomingMessage): boolean =>
  req.method === 'POST' && req.headers['sec-fetch-mode'] === 'navigate'

export function watchAnswer(req: IncomingMessage, res: ServerResponse, watch: Watch): void {
  const { writeHead, write, end } = res
  const form = isFormNavigation(req)
  const byScript = req.headers['next-action'] !== undefined
  let instead: string | null = null
  let begun = false

  const judge = () => {
    const status = res.statusCode
    // Next hands headers over as lists.
    const [location] = [res.getHeader('location')].flat()
    if (form && status >= 300 && status < 400 && typeof location === 'string') {
      if (leavesHouse(location, watch.origin)) {
        res.statusCode = 200
        res.removeHeader('Location')
        return onwardPage(req, location)
      }
    } else if (status === OUTDATED.status && !byScript && res.hasHeader(ACTION_NOT_FOUND)) {
      return refusalPage(req, OUTDATED)
    } else if (status >= 500 && status !== 503 && watch.storesFailed()) {
      res.statusCode = 503
      res.setHeader('Retry-After', '2')
      return refusalPage(req, STORES_DOWN)
    } else if (status >= 500 && status !== 503 && watch.malformed()) {
      res.statusCode = BAD_CALL.status
      return refusalPage(req, BAD_CALL)
    }
    return null
  }

  const begin = (args: unknown[]) => {
    begun = true
    applyArguments(res, args)
    if (watch.status && res.statusCode === 200) res.statusCode = watch.status
    instead = judge()
    const kept = String(res.getHeader('cache-control') ?? '')
    if (!(kept.startsWith('public') && res.statusCode < 400 && LASTING.test(watch.pathname))) {
      res.setHeader('Cache-Control', 'no-store')
    }
    res.removeHeader('X-Powered-By')
    if (instead === null) return
    for (const name of ['Content-Encoding', 'Transfer-Encoding', 'ETag']) res.removeHeader(name)
    res.setHeader('Content-Type', 'text/html; charset=utf-8')
    res.setHeader('Content-Length', Buffer.byteLength(instead))
  }

  res.writeHead = ((...args: unknown[]) => {
    if (!begun) begin(args)
    return writeHead.call(res, res.statusCode)
  }) as typeof writeHead
  res.write = ((...args: Parameters<typeof write>) => {
    if (!res.headersSent) res.writeHead(res.statusCode)
    return instead === null ? write.apply(res, args) : true
  }) as typeof write
  res.end = ((...args: Parameters<typeof end>) => {
    if (!res.headersSent) res.writeHead(res.statusCode)
    if (instead === null) return end.apply(res, args)
    const body = req.method === 'HEAD' ? '' : instead
    instead = ''
    return end.call(res, body, 'utf8')
  }) as typeof end
}

export const STORES_DOWN = {
  status: 503,
  code: 'stores_down',
  title: 'storesDownTitle',
  text: 'storesDown',
  retryAfterSeconds: 2,
} as const

/** What Next says of an action that this build does not have; its own script reads the header. */
const ACTION_NOT_FOUND = 'x-nextjs-action-not-found'

const OUTDATED = { status: 409, code: 'outdated', title: 'outdatedTitle', text: 'outdated' } as const

const BAD_CALL = { status: 400, code: 'malformed', text: 'badCall' } as const

/** writeHead(status, [message], [headers]) said with setHeader, so that it can be judged. */
function applyArguments(res: ServerResponse, [status, ...rest]: unknown[]): void {
  if (typeof status === 'number') res.statusCode = status
  const headers = rest.find((value) => typeof value === 'object' && value !== null)
  if (!headers) return
  if (Array.isArray(headers)) {
    const pairs: [string, string][] = []
    if (Array.isArray(headers[0])) for (const pair of headers) pairs.push(pair as [string, string])
    else for (let i = 0; i < headers.length; i += 2) pairs.push([String(headers[i]), String(headers[i + 1])])
    for (const [name] of pairs) res.removeHeader(name)
    for (const [name, value] of pairs) res.appendHeader(name, value)
    return
  }
  for (const [name, value] of Object.entries(headers)) {
    if (value !== undefined) res.setHeader(name, value as string | string[])
  }
}
