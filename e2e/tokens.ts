/** A relying app without an app: walks the code flow for a signed-in visitor and keeps the tokens. */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import type { Portal } from './portal'
import type { Answer, Visitor } from './visitor'

export interface Tokens {
  access: string
  refresh: string
}

export interface Client {
  clientId: string
  clientSecret: string
}

/** A portal with its demo app, or any other place and the app that stands for it there. */
type At = Pick<Portal, 'url' | 'port' | 'demoUrl'> & ({ data: string } | { client: Client })

const demoClient = (portal: At): Client =>
  'client' in portal
    ? portal.client
    : JSON.parse(readFileSync(path.join(portal.data, 'demo.json'), 'utf8')).client

/** A request to the token endpoint as the demo app makes it. */
export function askToken(portal: At, by: Visitor, fields: Record<string, string>): Promise<Answer> {
  const { clientId, clientSecret } = demoClient(portal)
  const basic = Buffer.from(`${clientId}:${encodeURIComponent(clientSecret)}`).toString('base64')
  return by.send(
    'POST',
    '/oidc/token',
    {
      authorization: `Basic ${basic}`,
      'content-type': 'application/x-www-form-urlencoded',
      cookie: undefined,
    },
    String(new URLSearchParams(fields)),
  )
}

/** Walks the code flow up to the code. @returns how the app redeems it */
export async function codeFor(
  visitor: Visitor,
  portal: At,
): Promise<{ redeem: (at: At) => Promise<Answer> }> {
  const { clientId } = demoClient(portal)
  const verifier = randomBytes(32).toString('base64url')
  const redirect_uri = `${portal.demoUrl}/callback`
  let next = `/oidc/auth?${new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri,
    scope: 'openid email offline_access',
    prompt: 'consent',
    state: 's',
    nonce: 'n',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })}`
  for (let hops = 0; hops < 10 && next.startsWith('/'); hops++) {
    const request = /^\/consent\?request=([^&]+)/.exec(next)?.[1]
    const answer = request
      ? await visitor.post('/consent/submit', { request: decodeURIComponent(request), decision: 'allow' })
      : await visitor.get(next)
    next = answer.location
  }
  const code = new URL(next).searchParams.get('code') ?? ''
  const fields = { grant_type: 'authorization_code', code, redirect_uri, code_verifier: verifier }
  return { redeem: (at) => askToken(at, visitor, fields) }
}

export async function tokensFor(visitor: Visitor, portal: At): Promise<Tokens> {
  const { redeem } = await codeFor(visitor, portal)
  const answer = await redeem(portal)
  const { access_token, refresh_token } = JSON.parse(answer.body)
  if (!access_token || !refresh_token) throw new Error(`no tokens: ${answer.status} ${answer.body}`)
  return { access: access_token, refresh: refresh_token }
}
