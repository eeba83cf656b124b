/**
 * GET /api/me/provider-tokens/{provider}: a relying app fetches the person's access token of another provider, to call
 * that provider's API for them. Off unless PROVIDER_TOKENS=on. The app shows an access token of ours (RFC 6750) that has
 * the scope `provider_tokens:{provider}`, which it must be registered for and the person must have allowed. The token
 * passes the same gate as at userinfo. Answered without Next.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { bucket } from '../base/limits'
import { logRequest } from '../base/log'
import type { Result } from '../base/refusals'
import { sha256 } from '../base/secrets'
import type { ProviderToken } from '../federation'
import type { Access } from '../oidc'

const PATH = /^\/api\/me\/provider-tokens\/([^/]{1,64})$/

/** How often an app may ask for one person: an access token is good for a while, and is meant to be kept that long. */
const ASKED = { capacity: 20, perMinute: 20 }
/** One line of the person's history for each app and provider in an hour: it is kept for ever. */
const TOLD = { capacity: 1, perMinute: 1 / 60 }

export interface ProviderTokenParts {
  access(token: string): Promise<Access | null>
  tokenOf(userId: string, provider: string): Promise<Result<ProviderToken>>
}

/** The provider that is asked for; null when the request is for something else, or the address does not exist here. */
export function providerAsked(pathname: string): string | null {
  const name = PATH.exec(pathname)?.[1]
  return name !== undefined && env().providerTokens ? name : null
}

interface Answer {
  status: number
  body: object
  headers?: Record<string, string>
}

/** RFC 6750 section 3: what is wrong stands in the header too; nothing, where no token was shown. */
function challenge(error?: string, scope?: string): Record<string, string> {
  const parts = [
    `realm="${env().url}"`,
    ...(error ? [`error="${error}"`] : []),
    ...(scope ? [`scope="${scope}"`] : []),
  ]
  return { 'WWW-Authenticate': `Bearer ${parts.join(', ')}` }
}

const insufficient = (provider: string): Answer => ({
  status: 403,
  body: { error: 'insufficient_scope' },
  headers: challenge('insufficient_scope', `provider_tokens:${provider}`),
})

async function judge(
  req: IncomingMessage,
  { provider, caller, parts }: { provider: string; caller: Caller; parts: ProviderTokenParts },
): Promise<Answer> {
  if (req.method !== 'GET') {
    return { status: 405, body: { error: 'method_not_allowed' }, headers: { Allow: 'GET' } }
  }
  const { authorization } = req.headers
  if (!authorization) return { status: 401, body: { error: 'invalid_token' }, headers: challenge() }
  // In the header alone: what stands in an address ends up in logs.
  const token = /^Bearer ([\w~+/.-]+=*)$/i.exec(authorization)?.[1]
  const access = token ? await parts.access(token) : null
  if (!access) return { status: 401, body: { error: 'invalid_token' }, headers: challenge('invalid_token') }
  // A guest has no other account, and nobody who could have allowed anything for good.
  if (access.guest || !access.mayHaveTokensOf(provider)) return insufficient(provider)
  const { userId, clientId, sid } = access
  const spent = await bucket(sha256(`${clientId}:${userId}`), ASKED, 'provider-tokens')
  if (!spent.ok) return refused('rate_limited', 429, spent.refusal.retryAfterSeconds)
  const found = await parts.tokenOf(userId, provider)
  if (!found.ok) {
    const { code, status, retryAfterSeconds } = found.refusal
    return refused(code, status, retryAfterSeconds ?? (status === 503 ? 30 : undefined))
  }
  await tell({ userId, clientId, sessionId: sid, caller, provider })
  const { accessToken, tokenType, expiresAt, scope } = found.value
  return {
    status: 200,
    body: {
      access_token: accessToken,
      token_type: tokenType,
      ...(expiresAt !== null && { expires_in: Math.max(0, Math.floor((expiresAt - nowMs()) / 1000)) }),
      ...(scope !== null && { scope }),
    },
  }
}

const refused = (error: string, status: number, retryAfterSeconds?: number): Answer => ({
  status,
  body: { error },
  ...(retryAfterSeconds !== undefined && { headers: { 'Retry-After': String(retryAfterSeconds) } }),
})

/** Before the token is handed over: what cannot be told to the person is not given away. */
async function tell(given: {
  userId: string
  clientId: string
  sessionId: string
  caller: Caller
  provider: string
}): Promise<void> {
  const { provider, ...who } = given
  const what = sha256(`${given.userId}:${given.clientId}:${provider}`)
  if (!(await bucket(what, TOLD, 'provider-token-told')).ok) return
  await record(null, { type: 'provider_token.given', ...who, data: { provider } })
}

/**
 * Answers with the token, or why there is none.
 * @param headers what every answer carries (`inertHeaders`)
 * @throws StoresDown
 */
export async function answerProviderTokens(
  req: IncomingMessage,
  res: ServerResponse,
  headers: Record<string, string>,
  asked: { provider: string; caller: Caller; parts: ProviderTokenParts },
): Promise<void> {
  const began = performance.now()
  const answer = await judge(req, asked)
  const body = JSON.stringify(answer.body)
  logRequest({
    method: req.method ?? '',
    path: `/api/me/provider-tokens/${asked.provider}`,
    status: answer.status,
    ms: Math.round(performance.now() - began),
    requestId: asked.caller.requestId,
  })
  res.writeHead(answer.status, {
    ...headers,
    ...answer.headers,
    'Cache-Control': 'no-store',
    'Content-Type': 'application/json; charset=utf-8',
    'Content-Length': Buffer.byteLength(body),
  })
  res.end(body)
}
