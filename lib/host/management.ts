/**
 * /api/admin/clients: apps managed by programs. JSON over the functions that the command line and the administration
 * pages use, so no rule is written twice. Answered without Next, never cached, never from a browser of another site.
 * Who calls is decided before anything of a body is read; problems are told as RFC 9457 has it, with the field that
 * they are about.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { isStorable } from '../base/clean'
import { isUuid } from '../base/ids'
import { log, logRequest } from '../base/log'
import { type Refusal, type Result, StoresDown } from '../base/refusals'
import type * as oidc from '../oidc'

type Clients = Pick<
  typeof oidc.clients,
  | 'add'
  | 'disable'
  | 'enable'
  | 'get'
  | 'list'
  | 'readChanges'
  | 'remove'
  | 'removeSecret'
  | 'rotateSecret'
  | 'update'
>

export interface ManagementParts {
  admit: typeof oidc.admit
  challenge: typeof oidc.challenge
  clients: Clients
}

/** Everything below it is the API's, found or not. */
export const isManagement = (pathname: string): boolean => /^\/api\/admin(\/|$)/.test(pathname)

const MAX_BODY_BYTES = 64 * 1024
const MAX_PAGE = 200
/** Ninety days: longer, and nobody remembers that the old one is good. */
const MAX_OVERLAP_SECONDS = 90 * 86_400

interface Answer {
  status: number
  body?: object
  headers?: Record<string, string>
}

interface Call {
  req: IncomingMessage
  query: URLSearchParams
  /** The parts of the path that name things. */
  ids: string[]
  clients: Clients
  by: { actor: string; caller: Caller; hand: oidc.Hand }
}

interface Operation {
  needs: oidc.ManagementScope
  run(call: Call): Promise<Answer>
}

/** Thrown to answer at once with a problem (RFC 9457). */
class Problem extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    readonly detail?: string,
    readonly more: { field?: string; headers?: Record<string, string> } = {},
  ) {
    super(code)
  }
}

const TITLES: Record<number, string> = {
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  409: 'Conflict',
  411: 'Length Required',
  412: 'Precondition Failed',
  413: 'Content Too Large',
  415: 'Unsupported Media Type',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  500: 'Internal Server Error',
  503: 'Service Unavailable',
}

// ── what can be done ─────────────────────────────────────────────────────────

const CLIENTS = '/api/admin/clients'
const address = (id: string): string => `${CLIENTS}/${encodeURIComponent(id)}`
const etag = (version: string): string => `"${version}"`

/** An app as it is told: all that operators see, but the version, which is its ETag. */
function told({ version, ...client }: oidc.ClientView, more: object = {}): Answer {
  return { status: 200, body: { ...client, ...more }, headers: { ETag: etag(version) } }
}

/** @throws Problem for a refusal */
function settled<T>(result: Result<T>): T {
  if (result.ok) return result.value
  const { code, status, field, values, retryAfterSeconds } = result.refusal as Refusal
  const detail = typeof values?.message === 'string' ? values.message : undefined
  throw new Problem(status, code, detail, {
    ...(field && { field }),
    ...(retryAfterSeconds !== undefined && { headers: { 'Retry-After': String(retryAfterSeconds) } }),
  })
}

async function found({ ids: [id = ''], clients }: Call): Promise<oidc.ClientView> {
  const client = await clients.get(id)
  if (!client) throw new Problem(404, 'not_found', 'there is no such app')
  return client
}

async function list({ query, clients }: Call): Promise<Answer> {
  const limit = Number(query.get('limit') ?? 50)
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_PAGE)
    throw new Problem(400, 'invalid_input', `limit: must be from 1 to ${MAX_PAGE}`, { field: 'limit' })
  const after = query.get('after') ?? ''
  if (!isStorable(after) || after.length > 2000)
    throw new Problem(400, 'invalid_input', 'after: must be a clientId', { field: 'after' })
  const page = await clients.list({ limit, ...(after && { after }) })
  const last = page.length === limit ? (page.at(-1)?.clientId ?? null) : null
  const next = last && `${CLIENTS}?${new URLSearchParams({ limit: String(limit), after: last })}`
  return {
    status: 200,
    body: { clients: page.map(({ version: _, ...client }) => client), next: last },
    ...(next && { headers: { Link: `<${next}>; rel="next"` } }),
  }
}

const read = async (call: Call): Promise<Answer> => told(await found(call))

async function create(call: Call): Promise<Answer> {
  const input = settled(call.clients.readChanges(await bodyOf(call.req), 'registration'))
  if (input.name === undefined)
    throw new Problem(400, 'invalid_input', 'name: must not be empty', { field: 'name' })
  const made = settled(await call.clients.add(input as unknown as oidc.NewClient, call.by))
  const { clientId, ...secret } = made
  const answer = told(await found({ ...call, ids: [clientId] }), secret)
  return { ...answer, status: 201, headers: { ...answer.headers, Location: address(clientId) } }
}

/** RFC 7396: what is not named stays, null takes away. Of two that saw the same, one wins (RFC 9110 section 13.1.1). */
async function change(call: Call): Promise<Answer> {
  const versions = versionsIn(call.req.headers['if-match'])
  const input = settled(call.clients.readChanges(await bodyOf(call.req), 'changes'))
  const {
    ids: [id = ''],
    clients,
    by,
  } = call
  return told(settled(await clients.update(id, input, { ...by, ...(versions && { versions }) })))
}

/** What If-Match names; null: whatever it is. */
function versionsIn(header: string | undefined): string[] | null {
  if (header === undefined)
    throw new Problem(
      428,
      'version_required',
      'send If-Match with the ETag of what you read, so that nobody’s change is lost',
    )
  if (header.trim() === '*') return null
  return [...header.matchAll(/(?:^|,)\s*"([^"]*)"\s*(?=,|$)/g)].map(([, version = '']) => version)
}

async function remove({ ids: [id = ''], clients, by }: Call): Promise<Answer> {
  settled(await clients.remove(id, by))
  return { status: 204 }
}

const toggle =
  (how: 'disable' | 'enable') =>
  async (call: Call): Promise<Answer> => {
    settled(await call.clients[how](call.ids[0] ?? '', call.by))
    return told(await found(call))
  }

async function addSecret(call: Call): Promise<Answer> {
  const { overlapSeconds = 86_400, ...unknown } = await bodyOf(call.req, {})
  const [wrong] = Object.keys(unknown)
  if (wrong) throw new Problem(400, 'invalid_input', `${wrong}: is not known`, { field: wrong })
  if (!isWhole(overlapSeconds, MAX_OVERLAP_SECONDS))
    throw new Problem(
      400,
      'invalid_input',
      `overlapSeconds: must be a whole number, ${MAX_OVERLAP_SECONDS} at most`,
      { field: 'overlapSeconds' },
    )
  const {
    ids: [id = ''],
    clients,
    by,
  } = call
  const { secretId, clientSecret } = settled(await clients.rotateSecret(id, { ...by, overlapSeconds }))
  return {
    status: 201,
    body: { id: secretId, clientSecret },
    headers: { Location: `${address(id)}/secrets/${secretId}` },
  }
}

const isWhole = (value: unknown, max: number): value is number =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= max

async function endSecret({ ids: [id = '', secret = ''], clients, by }: Call): Promise<Answer> {
  // At the command line its last characters will do; a program knows its name.
  if (!isUuid(secret)) throw new Problem(404, 'not_found', 'there is no such secret')
  settled(await clients.removeSecret(id, secret, by))
  return { status: 204 }
}

const may = (needs: oidc.ManagementScope, run: Operation['run']): Operation => ({ needs, run })
const READ = 'clients:read'
const WRITE = 'clients:write'

/** Paths, whose parens are names of things, and what can be done there. */
const TABLE: [RegExp, Record<string, Operation>][] = [
  [/^\/api\/admin\/clients$/, { GET: may(READ, list), POST: may(WRITE, create) }],
  [
    /^\/api\/admin\/clients\/([^/]+)$/,
    { GET: may(READ, read), PATCH: may(WRITE, change), DELETE: may(WRITE, remove) },
  ],
  [/^\/api\/admin\/clients\/([^/]+)\/disable$/, { POST: may(WRITE, toggle('disable')) }],
  [/^\/api\/admin\/clients\/([^/]+)\/enable$/, { POST: may(WRITE, toggle('enable')) }],
  [/^\/api\/admin\/clients\/([^/]+)\/secrets$/, { POST: may(WRITE, addSecret) }],
  [/^\/api\/admin\/clients\/([^/]+)\/secrets\/([^/]+)$/, { DELETE: may(WRITE, endSecret) }],
]

function find(pathname: string, method: string): { operation: Operation; ids: string[] } {
  for (const [path, methods] of TABLE) {
    const parts = path.exec(pathname)
    if (!parts) continue
    const operation = methods[method === 'HEAD' ? 'GET' : method]
    if (!operation) {
      const allowed = Object.keys(methods).flatMap((name) => (name === 'GET' ? ['GET', 'HEAD'] : [name]))
      throw new Problem(405, 'method_not_allowed', undefined, { headers: { Allow: allowed.join(', ') } })
    }
    return { operation, ids: parts.slice(1).map(named) }
  }
  throw new Problem(404, 'not_found', 'there is nothing at this address')
}

/** What a part of a path names; what names nothing that could be kept is not there. */
function named(part: string): string {
  try {
    const name = decodeURIComponent(part)
    if (isStorable(name) && name.length <= 2000) return name
  } catch {}
  throw new Problem(404, 'not_found', 'there is no such app')
}

// ── the body ─────────────────────────────────────────────────────────────────

/**
 * A JSON object, bounded before it is read.
 * @param empty what no body at all means; left out: a body is needed
 * @throws Problem
 */
async function bodyOf(
  req: IncomingMessage,
  empty?: Record<string, unknown>,
): Promise<Record<string, unknown>> {
  if (req.headers['transfer-encoding'] !== undefined) throw new Problem(411, 'length_required')
  const length = Number(req.headers['content-length'] ?? 0)
  if (length === 0 && empty) return empty
  if (!/^application\/(merge-patch\+)?json\s*(;|$)/i.test(req.headers['content-type'] ?? ''))
    throw new Problem(415, 'unsupported_media_type', 'send application/json')
  if (length > MAX_BODY_BYTES)
    throw new Problem(413, 'too_large', `a body has at most ${MAX_BODY_BYTES} bytes`)
  const chunks: Buffer[] = []
  for await (const chunk of req as AsyncIterable<Buffer>) chunks.push(chunk)
  const value = parsed(Buffer.concat(chunks))
  if (typeof value !== 'object' || value === null || Array.isArray(value) || !isStorable(value))
    throw new Problem(400, 'malformed', 'the body must be a JSON object of text that can be kept')
  return value as Record<string, unknown>
}

function parsed(bytes: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch {
    return null
  }
}

// ── the answer ───────────────────────────────────────────────────────────────

async function judge(
  req: IncomingMessage,
  res: ServerResponse,
  { pathname, caller, parts }: { pathname: string; caller: Caller; parts: ManagementParts },
): Promise<Answer> {
  const admission = await parts.admit(req, res, { pathname, caller })
  if (!admission.ok) {
    const { status, error, description, headers } = admission.challenge
    throw new Problem(status, error, description, { headers })
  }
  const { clientId, scopes } = admission.manager
  const { operation, ids } = find(pathname, req.method ?? '')
  if (!scopes.includes(operation.needs)) {
    const scheme = /^DPoP /i.test(req.headers.authorization ?? '') ? 'DPoP' : 'Bearer'
    const said = { error: 'insufficient_scope', scope: operation.needs }
    throw new Problem(403, 'insufficient_scope', `this needs the scope ${operation.needs}`, {
      headers: { 'WWW-Authenticate': parts.challenge(scheme, said) },
    })
  }
  const hand = scopes.includes('clients:trust') ? 'trusting_app' : 'app'
  const by = { actor: `app:${clientId}`, caller, hand } as const
  const query = new URLSearchParams(req.url?.split('?')[1])
  try {
    return await operation.run({ req, query, ids, clients: parts.clients, by })
  } catch (error) {
    // Whoever reaches for more than the operator gave is told of to operators.
    if (error instanceof Problem && error.code === 'rights_missing')
      await record(null, {
        type: 'client.change_refused',
        outcome: 'failure',
        actor: by.actor,
        caller,
        data: { client: ids[0] ?? null, field: error.more.field, why: error.detail },
      })
    throw error
  }
}

function asAnswer(error: unknown, requestId: string): Answer {
  const problem =
    error instanceof Problem
      ? error
      : error instanceof StoresDown
        ? new Problem(503, 'stores_down', 'a store does not answer', { headers: { 'Retry-After': '2' } })
        : new Problem(500, 'server_error')
  if (problem.status === 500) log().error({ err: error }, 'management call failed')
  const { status, code, detail, more } = problem
  return {
    status,
    body: {
      type: 'about:blank',
      title: TITLES[status] ?? 'Error',
      status,
      code,
      ...(detail && { detail }),
      ...(more.field && { errors: [{ field: more.field, ...(detail && { detail }) }] }),
      requestId,
    },
    headers: { 'Content-Type': 'application/problem+json', ...more.headers },
  }
}

/**
 * Answers a call of the management API.
 * @param headers what every answer carries (`inertHeaders`)
 */
export async function answerManagement(
  req: IncomingMessage,
  res: ServerResponse,
  headers: Record<string, string>,
  asked: { pathname: string; caller: Caller; parts: ManagementParts },
): Promise<void> {
  const began = performance.now()
  const { requestId } = asked.caller
  const answer = await judge(req, res, asked).catch((error: unknown) => asAnswer(error, requestId))
  const text = answer.body ? JSON.stringify(answer.body) : ''
  logRequest({
    method: req.method ?? '',
    path: asked.pathname,
    status: answer.status,
    ms: Math.round(performance.now() - began),
    requestId,
  })
  res.writeHead(answer.status, {
    ...headers,
    'Cache-Control': 'no-store',
    ...(text && {
      'Content-Type': 'application/json; charset=utf-8',
      'Content-Length': Buffer.byteLength(text),
    }),
    ...answer.headers,
  })
  res.end(req.method === 'HEAD' ? undefined : text)
}
