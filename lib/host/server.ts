/**
 * The HTTP server: judges each request, answers the hot and simple ones itself, hands /oidc to the
 * OpenID Provider and the rest to Next. Every answer, errors included, leaves with the same headers.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { log, logRequest, type RequestContext, withRequest } from '../base/log'
import { StoresDown } from '../base/refusals'
import { isMalformedCall } from '../base/requests'
import type { HandleOptions, Problem } from '../oidc'
import type { SessionFacts } from '../sessions'
import { STORES_DOWN, watchAnswer } from './answer'
import { Crowd } from './crowd'
import { answerForm, type Forms, handlerOf } from './forms'
import {
  bodyTrouble,
  fromOurPages,
  fromProvider,
  hasBody,
  identify,
  isLong,
  judge,
  methodsOf,
  rewriteHeaders,
} from './guard'
import { type HeaderSettings, inertHeaders, pagePolicy, setSecurityHeaders } from './headers'
import type { Health } from './health'
import { answerManagement, isManagement, type ManagementParts } from './management'
import { type HostRefusal, refuseRequest } from './plain-pages'
import { pause } from './processes'
import { answerProviderTokens, type ProviderTokenParts, providerAsked } from './provider-tokens'
import { answerSessionCheck } from './session-check'
import type { SessionEvents } from './session-events'
import { serveWellKnown } from './well-known'

type Handler = (req: IncomingMessage, res: ServerResponse) => Promise<void>

export interface HostParts {
  /** Next's request handler. */
  pages: Handler
  /** Forms that are answered here, by their paths. */
  forms: Forms
  /** The OpenID Provider: /oidc/* and the well-known documents. */
  oidc(req: IncomingMessage, res: ServerResponse, options: HandleOptions): Promise<void>
  /** Answers what the provider publishes for everybody (discovery, keys); false: it is something else. */
  documents(req: IncomingMessage, res: ServerResponse, pathname: string): boolean
  /** What a sealed parameter of the page after a sign-out loads in frames; null for what is not ours. */
  signedOut(apps: string): { frames: string[] } | null
  checkSession(cookies: Record<string, string>): Promise<SessionFacts | null>
  sessionEvents: SessionEvents
  avatar(key: string): Promise<{ bytes: Uint8Array; mimeType: string } | null>
  providerTokens: ProviderTokenParts
  management: ManagementParts
  statics(req: IncomingMessage, res: ServerResponse, pathname: string): boolean
  health: Health
}

export interface Host {
  server: Server
  /**
   * Says that it is leaving: `/readyz` is 503, and every answer ends its connection. Everything is still served,
   * for as long as a balancer may take to notice: what it sends meanwhile could not be sent again.
   */
  leave(noticeMs: number): Promise<void>
  /** Stops accepting and waits until what is in flight is done, at most `ms`; then cuts what is left. */
  drain(ms: number): Promise<void>
}

const REFUSALS = {
  405: { status: 405, code: 'method_not_allowed', text: 'method' },
  400: { status: 400, code: 'malformed', text: 'malformed' },
  421: { status: 421, code: 'misdirected', text: 'misdirected' },
  411: { status: 411, code: 'length_required', text: 'lengthRequired' },
  413: { status: 413, code: 'too_large', text: 'tooLarge' },
} as const satisfies Record<number, HostRefusal>

const CROSS_SITE: HostRefusal = { status: 403, code: 'csrf', text: 'crossSite' }
const SIGNED_OUT: HostRefusal = { status: 401, code: 'session_required', text: 'signedOut' }
const NOT_FOUND: HostRefusal = { status: 404, code: 'not_found', text: 'notFound' }
const NO_UPGRADE: HostRefusal = { status: 400, code: 'no_upgrade', text: 'upgrade' }
const ERROR: HostRefusal = { status: 500, code: 'server_error', title: 'errorTitle', text: 'error' }
const CROWDED: HostRefusal = {
  status: 503,
  code: 'busy',
  title: 'crowdedTitle',
  text: 'crowded',
  retryAfterSeconds: 2,
}

const OIDC = /^\/(oidc(\/|$)|\.well-known\/(openid-configuration|oauth-authorization-server)(\/|$))/
/** What the provider answers from memory, also while the database is away. */
const OIDC_STATIC = /^\/(oidc\/(jwks|\.well-known\/)|\.well-known\/)/
/** Where a person's browser may get a page or a redirect from the provider. */
const OIDC_PAGE = /^\/oidc\/(auth|session|device)(\/|$)/
const PROBLEM_PAGE = '/problem'
const SIGNED_OUT_PAGE = '/signed-out'
const AVATAR = /^\/avatars\/([\w-]{16,128})$/

export function createHost(parts: HostParts): Host {
  const { url, https, logoUrl } = env()
  const settings: HeaderSettings = { https, logoUrl }
  const inert = inertHeaders(settings)
  let leaving = false
  let inFlight = 0
  const crowd = new Crowd()
  let idle: (() => void) | null = null

  const refuse = (req: IncomingMessage, res: ServerResponse, refusal: HostRefusal, requestId = '') => {
    setSecurityHeaders(res, settings, null)
    refuseRequest(req, res, refusal, { requestId })
  }

  const json = (req: IncomingMessage, res: ServerResponse, status: number, body: unknown) => {
    const text = JSON.stringify(body)
    res.writeHead(status, {
      ...inert,
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    })
    res.end(req.method === 'HEAD' ? undefined : text)
  }

  async function route(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const judgement = judge(req)
    if (!judgement.ok) return refuse(req, res, REFUSALS[judgement.status])
    const { pathname } = judgement.target
    req.url = judgement.target.url
    if (req.headers.upgrade?.toLowerCase() === 'websocket') return refuse(req, res, NO_UPGRADE)
    if (pathname === '/healthz') return json(req, res, 200, { status: 'ok' })
    if (pathname === '/readyz') {
      if (leaving) return json(req, res, 503, { ready: false, stopping: true })
      const state = await parts.health.readiness()
      return json(req, res, state.ready ? 200 : 503, state)
    }
    if (pathname === '/api/session' && (req.method === 'GET' || req.method === 'HEAD')) {
      return answerSessionCheck(req, res, inert, parts.checkSession)
    }
    if (pathname === '/api/session/events') {
      if (req.method !== 'GET') return refuse(req, res, REFUSALS[405])
      return parts.sessionEvents.answer(req, res, inert, identify(req))
    }
    if (pathname.startsWith('/_next/static/')) {
      setSecurityHeaders(res, settings, null)
      if (!parts.statics(req, res, pathname)) refuseRequest(req, res, NOT_FOUND)
      return
    }
    if (serveWellKnown(req, res, pathname, inert)) return
    if (OIDC_STATIC.test(pathname)) {
      setSecurityHeaders(res, settings, null)
      if (parts.documents(req, res, pathname)) return
    }
    const avatar = AVATAR.exec(pathname)
    if (avatar?.[1]) return sendAvatar(req, res, avatar[1])
    const caller = identify(req)
    res.setHeader('X-Request-Id', caller.requestId)
    const context: RequestContext = { requestId: caller.requestId }
    if (isManagement(pathname)) {
      const asked = { pathname, caller, parts: parts.management }
      return withRequest(context, () => answerManagement(req, res, inert, asked))
    }
    const provider = providerAsked(pathname)
    await withRequest(context, () =>
      provider
        ? answerProviderTokens(req, res, inert, { provider, caller, parts: parts.providerTokens })
        : serve(req, res, pathname, caller, context),
    )
  }

  /** Pages and the provider: what a person's browser or a relying app asks for. */
  async function serve(
    req: IncomingMessage,
    res: ServerResponse,
    pathname: string,
    caller: Caller,
    context: RequestContext,
  ): Promise<void> {
    const began = performance.now()
    const failuresBefore = parts.health.failures()
    const oidc = OIDC.test(pathname)
    if (!oidc) {
      const methods = methodsOf(pathname)
      if (methods && !methods.includes(req.method ?? '')) {
        res.setHeader('Allow', methods.join(', '))
        return refuse(req, res, REFUSALS[405])
      }
      const trouble = bodyTrouble(req, pathname)
      if (trouble) return refuse(req, res, REFUSALS[trouble])
      if (!fromOurPages(req) && !fromProvider(req, pathname)) return refuse(req, res, CROSS_SITE)
    }
    if (parts.health.databaseDown() && !OIDC_STATIC.test(pathname)) return refuse(req, res, STORES_DOWN)
    // Pictures come from people who are signed in; nobody else has anything that long to say.
    if (!oidc && isLong(req)) {
      const who = await parts.checkSession(caller.cookies)
      if (!who || who.guest) return refuse(req, res, SIGNED_OUT)
    }
    if (crowd.full && !oidc) return refuse(req, res, CROWDED)
    if (hasBody(req) && crowd.owes(caller.ipPrefix)) return refuse(req, res, CROWDED)
    // What the provider answers to programs is no page and needs neither a nonce nor a watch.
    const page = !oidc || OIDC_PAGE.test(pathname)
    const storesFailed = () => parts.health.failures() !== failuresBefore
    const frames = pathname === SIGNED_OUT_PAGE ? framesOf(req) : []
    const policy = page ? pagePolicy(pathname, settings, frames) : null
    setSecurityHeaders(res, settings, policy)
    const form = handlerOf(req, pathname, parts.forms)
    // The provider has its own idea of the headers it may see.
    if (!oidc && !form) rewriteHeaders(req, caller, policy?.csp ?? null)
    if (page) {
      const { method, headers } = req
      const call = { 'next-action': headers['next-action'], 'content-type': headers['content-type'] }
      const malformed = () => isMalformedCall(method, call, context)
      watchAnswer(req, res, { pathname, origin: url, storesFailed, malformed })
    }
    crowd.enter(req, caller.ipPrefix)
    res.once('close', () => {
      crowd.leave(req)
      logRequest({
        method: req.method ?? '',
        path: pathname,
        status: res.statusCode,
        ms: Math.round(performance.now() - began),
        requestId: caller.requestId,
      })
    })
    try {
      if (form) await answerForm(req, res, form, caller)
      else if (!oidc) await parts.pages(req, res)
      else await parts.oidc(req, res, { caller, renderProblem: (...told) => showProblem(caller, ...told) })
    } catch (error) {
      fail(req, res, error, caller.requestId)
    }
  }

  /** What the provider cannot tell to the app, told to the person on a page of the house. */
  async function showProblem(
    caller: Caller,
    req: IncomingMessage,
    res: ServerResponse,
    problem: Problem,
  ): Promise<void> {
    const policy = pagePolicy(PROBLEM_PAGE, settings)
    setSecurityHeaders(res, settings, policy)
    watchAnswer(req, res, {
      pathname: PROBLEM_PAGE,
      origin: url,
      storesFailed: () => false,
      malformed: () => false,
      status: problem.status,
    })
    // Read once by the provider, there is no body left for anyone.
    for (const name of ['content-length', 'content-type', 'transfer-encoding']) delete req.headers[name]
    req.method = 'GET'
    req.url = PROBLEM_PAGE
    rewriteHeaders(req, caller, policy.csp)
    req.headers['x-gatehouse-problem'] = problem.error
    if (problem.client) req.headers['x-gatehouse-problem-app'] = encodeURIComponent(problem.client.name)
    await parts.pages(req, res)
  }

  const framesOf = (req: IncomingMessage): string[] =>
    parts.signedOut(new URL(req.url ?? '/', url).searchParams.get('apps') ?? '')?.frames ?? []

  async function sendAvatar(req: IncomingMessage, res: ServerResponse, key: string): Promise<void> {
    if (req.method !== 'GET' && req.method !== 'HEAD') return refuse(req, res, REFUSALS[405])
    const picture = await parts.avatar(key)
    if (!picture) return refuse(req, res, NOT_FOUND)
    res.writeHead(200, {
      ...inert,
      // The key is made of the bytes: what it names never changes. Relying apps show it on their pages.
      'Cache-Control': 'public, max-age=31536000, immutable',
      'Cross-Origin-Resource-Policy': 'cross-origin',
      'Content-Type': picture.mimeType,
      'Content-Length': picture.bytes.byteLength,
    })
    res.end(req.method === 'HEAD' ? undefined : picture.bytes)
  }

  function fail(req: IncomingMessage, res: ServerResponse, error: unknown, requestId: string): void {
    const down = error instanceof StoresDown
    if (!down) log().error({ err: error, requestId }, 'request failed')
    if (res.headersSent) res.destroy()
    else refuse(req, res, down ? STORES_DOWN : ERROR, requestId)
  }

  const server = createServer({ requestTimeout: 60_000, headersTimeout: 15_000 }, (req, res) => {
    inFlight++
    // What nobody read of a body would keep the next request of this connection waiting, and behind a
    // proxy that may be somebody else's.
    res.once('finish', () => {
      if (!req.complete) req.resume()
    })
    res.once('close', () => {
      inFlight--
      if (inFlight === 0) idle?.()
    })
    if (leaving) res.setHeader('Connection', 'close')
    route(req, res).catch((error) => fail(req, res, error, ''))
  })
  server.keepAliveTimeout = 65_000
  server.on('clientError', (error: NodeJS.ErrnoException, socket: Socket) => {
    const status = NO_HTTP[error.code ?? ''] ?? '400 Bad Request'
    // Browsers connect before they have anything to ask. Whatever is said on such a connection would be taken
    // for the answer to what they ask just then; one that only ends makes them ask again.
    if (socket.writable && socket.bytesRead > 0) socket.end(noHttp(status))
    else socket.destroy()
  })

  return {
    server,
    leave: async (noticeMs) => {
      leaving = true
      if (noticeMs > 0) await pause(noticeMs)
    },
    drain: async (ms) => {
      leaving = true
      parts.sessionEvents.close()
      server.close()
      server.closeIdleConnections()
      if (inFlight > 0) {
        await new Promise<void>((resolve) => {
          idle = resolve
          setTimeout(resolve, ms).unref()
        })
      }
      server.closeAllConnections()
    },
  }
}

/** By the parser's word for it: too slow (RFC 9110 section 15.5.9), too long a head (RFC 6585 section 5). */
const NO_HTTP: Record<string, string> = {
  ERR_HTTP_REQUEST_TIMEOUT: '408 Request Timeout',
  HPE_HEADER_OVERFLOW: '431 Request Header Fields Too Large',
}

/** What is no HTTP, or not all of it, gets this much and no more. */
const noHttp = (status: string) =>
  `HTTP/1.1 ${status}\r\nContent-Length: 0\r\nContent-Security-Policy: default-src 'none'; frame-ancestors 'none'\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n`
