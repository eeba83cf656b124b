/** A relying app in a few lines of plain HTTP, to send what good clients never would. */
import { createHash, randomBytes } from 'node:crypto'
import * as oidc from '../index'
import type { Browser, Portal, Stopped } from './harness'

export const CALLBACK = 'http://localhost:4999/cb'

export interface App {
  clientId: string
  clientSecret: string | undefined
  redirectUri: string
}

export async function newApp(input: Partial<oidc.NewClient> = {}): Promise<App> {
  const made = await oidc.clients.add({ name: 'Test app', redirectUris: [CALLBACK], ...input })
  if (!made.ok) throw new Error(JSON.stringify(made.refusal))
  return {
    ...made.value,
    clientSecret: made.value.clientSecret,
    redirectUri: input.redirectUris?.[0] ?? CALLBACK,
  }
}

export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString('base64url')
  return { verifier, challenge: createHash('sha256').update(verifier).digest('base64url') }
}

export interface Asked {
  url: URL
  verifier: string
  state: string
}

/** An authorization request; `null` values leave a parameter out. */
export function ask(portal: Portal, app: App, params: Record<string, string | null> = {}): Asked {
  const { verifier, challenge } = pkce()
  const state = randomBytes(8).toString('hex')
  const all: Record<string, string | null> = {
    response_type: 'code',
    client_id: app.clientId,
    redirect_uri: app.redirectUri,
    scope: 'openid profile email',
    state,
    nonce: randomBytes(8).toString('hex'),
    code_challenge: challenge,
    code_challenge_method: 'S256',
    ...params,
  }
  const url = new URL(`${portal.issuer}/auth`)
  for (const [name, value] of Object.entries(all)) if (value !== null) url.searchParams.set(name, value)
  return { url, verifier, state }
}

export interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: JSON from the wire, judged by the test
  json: any
  headers: Headers
}

/** POSTs a form to an endpoint as the app (client_secret_basic, or client_id alone). */
export async function call(
  portal: Portal,
  path: string,
  app: App | null,
  fields: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Answer> {
  const body = new URLSearchParams(fields)
  const all: Record<string, string> = { ...headers }
  if (app?.clientSecret) {
    all.authorization = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`
  } else if (app) body.set('client_id', app.clientId)
  const res = await fetch(`${portal.issuer}${path}`, { method: 'POST', body, headers: all })
  const text = await res.text()
  return { status: res.status, json: text.startsWith('{') ? JSON.parse(text) : text, headers: res.headers }
}

export const redeem = (
  portal: Portal,
  app: App,
  code: string,
  verifier: string,
  more: Record<string, string> = {},
) =>
  call(portal, '/token', app, {
    grant_type: 'authorization_code',
    code,
    redirect_uri: app.redirectUri,
    code_verifier: verifier,
    ...more,
  })

export const refresh = (portal: Portal, app: App, token: string) =>
  call(portal, '/token', app, { grant_type: 'refresh_token', refresh_token: token })

export async function userinfo(portal: Portal, accessToken: string): Promise<Answer> {
  const res = await fetch(`${portal.issuer}/userinfo`, {
    headers: { authorization: `Bearer ${accessToken}` },
  })
  const text = await res.text()
  return { status: res.status, json: text.startsWith('{') ? JSON.parse(text) : text, headers: res.headers }
}

export const introspect = (portal: Portal, app: App, token: string) =>
  call(portal, '/introspection', app, { token })

export interface SignedIn extends Answer {
  code: string
  verifier: string
  landed: Stopped
}

/** Walks a browser through sign-in and consent to a code. */
export async function obtainCode(
  browser: Browser,
  app: App,
  userId: string,
  params: Record<string, string | null> = {},
): Promise<{ code: string; verifier: string; landed: Stopped }> {
  const asked = ask(browser.portal, app, params)
  let at = await browser.go(asked.url)
  if (at.url.pathname === '/signin/start') at = await browser.signIn(userId, at)
  if (at.url.pathname === '/consent') at = await browser.allow(at)
  const code = at.url.searchParams.get('code')
  if (!code) throw new Error(`no code: ${at.status} ${at.url} ${at.body}`)
  return { code, verifier: asked.verifier, landed: at }
}

/** The whole way: a user signed in at an app, with its tokens. */
export async function signInTo(
  browser: Browser,
  app: App,
  userId: string,
  params: Record<string, string | null> = {},
) {
  const got = await obtainCode(browser, app, userId, params)
  const answer = await redeem(browser.portal, app, got.code, got.verifier)
  if (answer.status !== 200) throw new Error(`no tokens: ${JSON.stringify(answer.json)}`)
  return { ...got, ...answer }
}
