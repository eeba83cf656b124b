/**
 * Node's HTTP in front of the library: pins the origin, says who is signed in, keeps the library's own
 * cookies inside, serves documents from memory, and shows what went wrong.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { type Caller, callerFrom } from '../base/caller'
import { env } from '../base/env'
import { log } from '../base/log'
import { StoresDown } from '../base/refusals'
import { caller as callerFromHost, HOST_HEADERS } from '../base/requests'
import * as sessions from '../sessions'
import { CERTIFICATE_PATH, certificateSeen } from './certificates'
import { begin, type Problem, stateOf } from './context'
import { type Document, makeDocument, sendDocument } from './documents'
import { endCookie, isBound, resumeCookie } from './interactions'
import { type KeySet, setPublished } from './keys'
import { errors, type KoaContextWithOIDC, type Provider } from './library'
import * as logout from './logout'
import { showProblem } from './problem'
import { buildProvider, LIBRARY_COOKIES, ROUTES } from './provider'
import { allowAnyOrigin } from './registration'

export interface HandleOptions {
  /** Judged by the host; else read from the host's headers or the socket. */
  caller?: Caller
  /** Shows a person what went wrong, with the problem's status. Programs get JSON without asking it. */
  renderProblem?: (req: IncomingMessage, res: ServerResponse, problem: Problem) => void | Promise<void>
}

const DISCOVERY = new Set([
  '/oidc/.well-known/openid-configuration',
  '/oidc/.well-known/oauth-authorization-server',
  // RFC 8414 section 3.1 puts the well-known part before the issuer's path.
  '/.well-known/oauth-authorization-server/oidc',
  '/.well-known/openid-configuration/oidc',
])
const JWKS = `/oidc${ROUTES.jwks}`
const AUTHORIZATION = `/oidc${ROUTES.authorization}`
const LOGOUT = `/oidc${ROUTES.end_session}`
const DEVICE = `/oidc${ROUTES.code_verification}`
const MAX_FORM_BYTES = 56 * 1024

type Callback = (req: IncomingMessage, res: ServerResponse) => Promise<void>

/** A provider with its documents: all that depends on the signing keys, replaced as a whole. */
export interface Instance {
  provider: Provider
  version: string
  jwks: Document
  discovery: Document
  callback: Callback
  /** Our origin, as the library is to see it in headers. */
  origin: { host: string; proto: string }
}

export async function makeInstance(keys: KeySet): Promise<Instance> {
  const provider = buildProvider(keys)
  provider.use(async (ctx, next) => {
    await (ctx.path === ROUTES.registration ? allowAnyOrigin(ctx as KoaContextWithOIDC, next) : next())
    keepCookies(ctx as KoaContextWithOIDC)
    if (!ctx.response.get('Cache-Control')) ctx.set('Cache-Control', 'no-store')
    if (ctx.status === 404 && ctx.body === undefined && ctx.respond !== false)
      notFound(ctx as KoaContextWithOIDC)
  })
  setPublished(keys.signing.map((key) => key.kid))
  const { host, protocol } = new URL(env().url)
  return {
    provider,
    version: keys.version,
    jwks: makeDocument(keys.jwks, 'application/jwk-set+json; charset=utf-8'),
    discovery: makeDocument(await readDiscovery(provider), 'application/json; charset=utf-8'),
    callback: provider.callback() as Callback,
    origin: { host, proto: protocol.slice(0, -1) },
  }
}

/** The library's own discovery document, asked for once. */
async function readDiscovery(provider: Provider): Promise<object> {
  let found: unknown
  provider.use(async (ctx, next) => {
    await next()
    if (ctx.path === '/.well-known/openid-configuration') found ??= ctx.body
  })
  const { IncomingMessage, ServerResponse } = await import('node:http')
  const { Socket } = await import('node:net')
  const req = new IncomingMessage(new Socket())
  Object.assign(req, {
    method: 'GET',
    url: '/.well-known/openid-configuration',
    headers: { host: new URL(env().url).host },
  })
  begin(req, {
    caller: callerFrom(() => undefined, undefined),
    facts: null,
    granted: new Map(),
    setCookies: [],
  })
  await provider.callback()(req, new ServerResponse(req))
  if (!found || typeof found !== 'object') throw new Error('the provider has no discovery document')
  return found
}

const isLibraryCookie = (line: string): boolean =>
  Object.values(LIBRARY_COOKIES).some((name) => line.startsWith(name))

/** What the library wants to remember in the browser stays here; ours go out. */
function keepCookies(ctx: KoaContextWithOIDC): void {
  const lines = [ctx.res.getHeader('set-cookie') ?? []].flat().map(String)
  const kept = [...lines.filter((line) => !isLibraryCookie(line)), ...stateOf(ctx.req).setCookies]
  if (kept.length > 0) ctx.res.setHeader('Set-Cookie', kept)
  else ctx.res.removeHeader('Set-Cookie')
}

function notFound(ctx: KoaContextWithOIDC): void {
  const state = stateOf(ctx.req)
  state.problem = {
    status: 404,
    error: 'not_found',
    description: 'there is nothing at this address',
    requestId: state.caller.requestId,
  }
  ctx.respond = false
}

function callerOf(req: IncomingMessage): Caller {
  const header = (name: string) => [req.headers[name]].flat()[0]
  if (header(HOST_HEADERS.ip)) return callerFromHost({ get: (name) => header(name) ?? null })
  return callerFrom(header, req.socket.remoteAddress)
}

/** Answers discovery and keys, which are the same for everybody; false when `pathname` is neither. */
export function sendPublished(
  { discovery, jwks }: Instance,
  req: IncomingMessage,
  res: ServerResponse,
  pathname: string,
): boolean {
  const document = pathname === JWKS ? jwks : DISCOVERY.has(pathname) ? discovery : null
  if (document) sendDocument(req, res, document)
  return document !== null
}

/** Serves one request to the provider. Answers always; throws only what the host has to see. */
export async function serve(
  instance: Instance,
  req: IncomingMessage,
  res: ServerResponse,
  options: HandleOptions,
): Promise<void> {
  const target = req.url ?? '/'
  const [pathname = '/'] = target.split('?', 1)
  if (sendPublished(instance, req, res, pathname)) return

  const caller = options.caller ?? callerOf(req)
  const tell = (problem: Problem) => showProblem(req, res, problem, options.renderProblem)
  try {
    const problem = await route(instance, req, res, pathname, target, caller)
    if (problem) await tell(problem)
  } catch (error) {
    if (res.headersSent) throw error
    await tell(problemOf(error, caller))
  }
}

function problemOf(error: unknown, caller: Caller): Problem {
  const { requestId } = caller
  if (error instanceof StoresDown)
    return { status: 503, error: 'temporarily_unavailable', requestId, retryAfterSeconds: 2 }
  if (error instanceof errors.OIDCProviderError && error.expose) {
    log().info(
      { error: error.error, description: error.error_description, detail: error.error_detail },
      'oidc request refused',
    )
    return {
      status: error.statusCode,
      error: error.error,
      requestId,
      ...(error.error_description && { description: error.error_description }),
    }
  }
  log().error({ err: error }, 'oidc request failed')
  return { status: 500, error: 'server_error', requestId }
}

async function route(
  { provider, callback, origin }: Instance,
  req: IncomingMessage,
  res: ServerResponse,
  pathname: string,
  target: string,
  caller: Caller,
): Promise<Problem | undefined> {
  const gone = { status: 404, error: 'not_found', requestId: caller.requestId }
  if (!pathname.startsWith('/oidc/')) return gone
  if (pathname === CERTIFICATE_PATH) return tellCertificate(req, res, caller)
  // The library's own sign-out pages are never shown; see logout.ts.
  if (pathname.startsWith(`${LOGOUT}/`)) return gone
  if (req.method === 'POST' && (pathname === AUTHORIZATION || pathname === LOGOUT)) {
    return asGet(req, res, pathname)
  }
  // Nor are its pages for device codes; see device.ts.
  if (pathname === DEVICE) return gone
  if (pathname === LOGOUT) {
    if (req.method !== 'GET') return gone
    const facts = await sessions.check(caller.cookies)
    const outcome = await logout.ask(provider, new URL(target, env().url).searchParams, facts, caller)
    redirect(res, outcome.url, outcome.setCookies)
    return undefined
  }
  const at = [AUTHORIZATION, DEVICE].find((path) => pathname.startsWith(`${path}/`))
  const resumed = at ? pathname.slice(at.length + 1) : null
  const personal = pathname === AUTHORIZATION || resumed !== null
  const facts = personal ? await sessions.check(caller.cookies) : null
  const setCookies = resumed && isBound(resumed, caller.cookies) ? [endCookie(resumed)] : []
  begin(req, { caller, facts, granted: new Map(), setCookies })
  prepare(req, origin, target.slice('/oidc'.length), setCookies.length > 0 ? resumed : null)
  await callback(req, res)
  return stateOf(req).problem
}

/** Tells a caller which certificate of theirs arrived: for whoever sets up a proxy or an app, and for `gatehouse doctor`. */
function tellCertificate(req: IncomingMessage, res: ServerResponse, caller: Caller): Problem | undefined {
  const seen = req.method === 'GET' ? certificateSeen(caller) : null
  if (!seen) return { status: 404, error: 'not_found', requestId: caller.requestId }
  const body = JSON.stringify(seen)
  res.writeHead(200, {
    'Content-Type': 'application/json; charset=utf-8',
    'Cache-Control': 'no-store',
    'Content-Length': Buffer.byteLength(body),
  })
  res.end(body)
  return undefined
}

/** What the library gets to see: our origin, no forwarded headers, no cookie but the one it looks for. */
function prepare(
  req: IncomingMessage,
  { host, proto }: Instance['origin'],
  url: string,
  resumed: string | null,
): void {
  const { header: handover } = env().certificates
  for (const name of Object.keys(req.headers)) {
    if (name === 'forwarded' || name.startsWith('x-forwarded-') || name === 'cookie' || name === handover)
      delete req.headers[name]
  }
  req.headers.host = host
  req.headers['x-forwarded-proto'] = proto
  if (resumed) req.headers.cookie = resumeCookie(LIBRARY_COOKIES.resume, resumed)
  req.url = url
}

/**
 * POST at the authorization and sign-out endpoints (Core 3.1.2.1, RP-Initiated Logout 2): a form from
 * another site brings no SameSite=Lax cookie with it, the GET it is turned into does. So single sign-on
 * works and there is one path to judge. 303, never 307 (OP9).
 */
async function asGet(req: IncomingMessage, res: ServerResponse, pathname: string): Promise<undefined> {
  if (!/^application\/x-www-form-urlencoded\b/i.test(req.headers['content-type'] ?? '')) {
    throw new errors.InvalidRequest('only application/x-www-form-urlencoded bodies are supported')
  }
  const chunks: Buffer[] = []
  let size = 0
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length
    if (size > MAX_FORM_BYTES)
      throw Object.assign(new errors.InvalidRequest('the form is too large', 413), { expose: true })
    chunks.push(chunk)
  }
  const query = new URLSearchParams(Buffer.concat(chunks).toString('utf8')).toString()
  redirect(res, `${env().url}${pathname}${query ? `?${query}` : ''}`, [])
}

function redirect(res: ServerResponse, url: string, setCookies: string[]): void {
  if (setCookies.length > 0) res.setHeader('Set-Cookie', setCookies)
  res.writeHead(303, { Location: url, 'Cache-Control': 'no-store', 'Content-Length': '0' })
  res.end()
}
