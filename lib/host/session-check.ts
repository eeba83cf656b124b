/**
 * GET /api/session: who is signed in with these cookies, for apps and reverse proxies on the same site
 * (nginx auth_request, Traefik forwardAuth). Answered without Next, and without the database when warm. A guest is
 * nobody to whoever did not ask for guests too (`?guests=allow`).
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { parseCookies } from '../base/caller'
import { StoresDown } from '../base/refusals'
import type { SessionFacts } from '../sessions'

type Check = (cookies: Record<string, string>) => Promise<SessionFacts | null>

/** `authTime` in seconds since the epoch, as OpenID Connect's auth_time; `expiresAt` in ISO 8601. */
export function sessionJson(facts: SessionFacts): string {
  const idleEnd = facts.lastActiveAt + facts.idleSeconds * 1000
  return JSON.stringify({
    userId: facts.userId,
    sid: facts.sid,
    roles: facts.roles,
    defaultRole: facts.defaultRole,
    method: facts.method,
    amr: facts.amr,
    acr: facts.acr,
    authTime: Math.floor(facts.authAt / 1000),
    expiresAt: new Date(Math.min(facts.expiresAt, idleEnd)).toISOString(),
  })
}

/** Said in the address that the proxy or app asks at, never by the person. */
const takesGuests = (url = ''): boolean => new URLSearchParams(url.split('?')[1]).get('guests') === 'allow'

const NOBODY = '{"error":"session_required"}'
const DOWN = '{"error":"stores_down"}'

/** @param headers what every answer carries (`inertHeaders`) */
export async function answerSessionCheck(
  req: IncomingMessage,
  res: ServerResponse,
  headers: Record<string, string>,
  check: Check,
): Promise<void> {
  let status = 401
  let body = NOBODY
  const extra: Record<string, string> = {}
  try {
    const facts = await check(parseCookies(req.headers.cookie))
    if (facts && (!facts.guest || takesGuests(req.url))) {
      status = 200
      body = sessionJson(facts)
      // For proxies that pass headers on to what they guard.
      extra['X-Gatehouse-User'] = facts.userId
      extra['X-Gatehouse-Roles'] = facts.roles.join(',')
    }
  } catch (error) {
    if (!(error instanceof StoresDown)) throw error
    status = 503
    body = DOWN
    extra['Retry-After'] = '2'
  }
  res.writeHead(status, {
    ...headers,
    ...extra,
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
    Vary: 'Cookie',
  })
  res.end(req.method === 'HEAD' ? undefined : body)
}
