/**
 * Code that connects an app, with the app's own values in it, to be pasted. Only what fits the app as it is registered, and
 * never a secret: that is read from the environment. The README's "Connect an app" shows the same texts. Pure.
 */
import type { ClientView } from '@/lib/oidc'

export type Library = 'openid-client' | 'next-auth' | 'oidc-client-ts' | 'curl'

export interface Snippet {
  library: Library
  /** In order: what is installed, what is configured, the code. */
  files: { name: string; text: string }[]
  /** A redirect URI that it comes back to and that is not registered. */
  missing?: string
}

export type SnippetApp = Pick<
  ClientView,
  | 'clientId'
  | 'redirectUris'
  | 'postLogoutRedirectUris'
  | 'authMethod'
  | 'grants'
  | 'security'
  | 'certificateBound'
  | 'native'
  | 'signedRequests'
  | 'idTokenAlg'
  | 'idTokenEncryption'
  | 'userinfoEncryption'
  | 'claimsInIdToken'
  | 'resources'
  | 'serves'
  | 'personalTokens'
>

/** An API: it asks what tokens are good for. */
export const introspects = ({ serves, personalTokens }: Pick<SnippetApp, 'serves' | 'personalTokens'>) =>
  serves.length > 0 || personalTokens

export const SCOPE = 'openid profile email'

/** What fits this app, the likeliest first. */
export function snippetsFor(app: SnippetApp, issuer: string): Snippet[] {
  const people = app.grants.includes('authorization_code')
  // openid-client says where it is without the query (RFC 6749 section 4.1.3 compares the whole).
  const uri = app.redirectUris.find((one) => /^https?:/.test(one) && !one.includes('?'))
  const hasSecret = app.authMethod.startsWith('client_secret_')
  const all: Snippet[] = []
  // Which certificate it shows, and how, is between it and the proxy.
  if (app.certificateBound || app.authMethod.endsWith('tls_client_auth')) return all
  // What is signed or read with a key needs the key that only its developer has.
  const ownKey = app.signedRequests || app.idTokenEncryption || app.userinfoEncryption
  if (people && uri && !ownKey) {
    if (hasSecret && app.security === 'standard') all.push(nextAuth(app, issuer, uri))
    if (hasSecret || app.authMethod === 'private_key_jwt' || app.native)
      all.push(openidClient(app, issuer, uri))
    else if (app.security === 'standard') all.push(oidcClientTs(app, issuer, uri))
  }
  if (hasSecret && (app.grants.includes('client_credentials') || introspects(app)))
    all.push(curl(app, issuer))
  return all
}

// ── how values stand in code ─────────────────────────────────────────────────

const js = (text: string): string =>
  `'${text.replace(/[\\']/g, '\\$&').replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)}'`
const shell = (text: string): string =>
  /^[\w./:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`
const envLine = (name: string, value: string): string =>
  `${name}=${/^[\w./:@%+=-]+$/.test(value) ? value : `"${value}"`}`

const SECRET = 'CLIENT_SECRET=…  # it was shown when it was made; a new one is made on the app’s page'

// ── Node ─────────────────────────────────────────────────────────────────────

const PROOFS: Record<string, string> = {
  client_secret_basic: 'client.ClientSecretBasic(CLIENT_SECRET)',
  client_secret_post: 'client.ClientSecretPost(CLIENT_SECRET)',
  private_key_jwt: 'client.PrivateKeyJwt({ key, kid: jwk.kid })',
  none: 'client.None()',
}

function openidClient(app: SnippetApp, issuer: string, uri: string): Snippet {
  const [after] = app.postLogoutRedirectUris
  const url = new URL(uri)
  const local = url.protocol === 'http:'
  const secret = app.authMethod.startsWith('client_secret_')
  const key = app.authMethod === 'private_key_jwt'
  const pushed = app.security !== 'standard'
  const bound = app.security === 'dpop' || app.security === 'fapi2'
  const names = ['ISSUER', 'CLIENT_ID', ...(secret ? ['CLIENT_SECRET'] : []), ...(key ? ['PRIVATE_JWK'] : [])]
  const code = `// app.mjs
import { randomUUID } from 'node:crypto'
import { createServer } from 'node:http'
import * as client from 'openid-client'

const { ${names.join(', ')} } = process.env
const REDIRECT_URI = ${js(uri)}
${
  key
    ? `// The private half of the key that is registered, here one for ES256.
const jwk = JSON.parse(PRIVATE_JWK)
const key = await crypto.subtle.importKey('jwk', jwk, { name: 'ECDSA', namedCurve: 'P-256' }, false, ['sign'])
`
    : ''
}const portal = await client.discovery(new URL(ISSUER), CLIENT_ID, {}, ${PROOFS[app.authMethod]}, {
  // Signatures are checked, too; plain http is for your own machine only.
  execute: [
    client.enableNonRepudiationChecks,
    ...(/^http:\\/\\/(localhost|127\\.0\\.0\\.1)[:/]/.test(ISSUER) ? [client.allowInsecureRequests] : []),
  ],
})
${
  bound
    ? `// Tokens are bound to this key; keep it where they are kept.
const DPoP = client.getDPoPHandle(portal, await client.randomDPoPKeyPair())
`
    : ''
}const sessions = new Map() // by cookie; keep them in your own store

async function handle(req, res) {
  const url = new URL(req.url, REDIRECT_URI)
  const id = /(?:^|; )app=([\\w-]+)/.exec(req.headers.cookie)?.[1]
  const session = sessions.get(id)
  const go = (location) => res.writeHead(303, { Location: location }).end()
  // A new id at every step, so that an id planted before sign-in is worth nothing.
  const keep = (value) => {
    sessions.delete(id)
    const fresh = randomUUID()
    sessions.set(fresh, value)
    res.setHeader('Set-Cookie', \`app=\${fresh}; HttpOnly; SameSite=Lax; Path=/${local ? '' : '; Secure'}\`)
  }
  if (url.pathname === '/login') {
    const checks = {
      pkceCodeVerifier: client.randomPKCECodeVerifier(),
      expectedState: client.randomState(),
      expectedNonce: client.randomNonce(),
    }
    keep({ checks })
    const start = ${pushed ? 'await client.buildAuthorizationUrlWithPAR' : 'client.buildAuthorizationUrl'}(portal, {
      redirect_uri: REDIRECT_URI,
      scope: ${js(SCOPE)},
      code_challenge: await client.calculatePKCECodeChallenge(checks.pkceCodeVerifier),
      code_challenge_method: 'S256',
      state: checks.expectedState,
      nonce: checks.expectedNonce,
    }${bound ? ', { DPoP }' : ''})
    return go(start.href)
  }
  if (url.pathname === new URL(REDIRECT_URI).pathname && session?.checks) {
    const tokens = await client.authorizationCodeGrant(portal, url, session.checks${bound ? ', {}, { DPoP }' : ''})
    const user = await client.fetchUserInfo(portal, tokens.access_token, tokens.claims().sub${bound ? ', { DPoP }' : ''})
    keep({ user, idToken: tokens.id_token })
    return go('/')
  }
  if (url.pathname === '/logout' && session?.user) {
    sessions.delete(id)
    const end = { id_token_hint: session.idToken${after ? `, post_logout_redirect_uri: ${js(after)}` : ''} }
    return go(client.buildEndSessionUrl(portal, end).href)
  }
  res.setHeader('Content-Type', 'application/json')
  res.end(JSON.stringify(session?.user ?? { nobody: 'open /login' }))
}

createServer((req, res) => {
  handle(req, res).catch((error) => res.writeHead(500).end(error.message))
}).listen(${local ? url.port || 80 : 'process.env.PORT ?? 8080'})
`
  const settings = [
    envLine('ISSUER', issuer),
    envLine('CLIENT_ID', app.clientId),
    ...(secret ? [SECRET] : []),
    ...(key ? ['PRIVATE_JWK=…  # as JSON in one line'] : []),
  ]
  return {
    library: 'openid-client',
    files: [
      { name: 'sh', text: 'npm install openid-client\nnode --env-file=.env app.mjs\n' },
      { name: '.env', text: `${settings.join('\n')}\n` },
      { name: 'app.mjs', text: code },
    ],
  }
}

// ── Next.js ──────────────────────────────────────────────────────────────────

const NEXT_AUTH_PATH = /^\/api\/auth\/callback\/([\w-]+)$/

function nextAuth(app: SnippetApp, issuer: string, uri: string): Snippet {
  const itsOwn = app.redirectUris.find(
    (one) => /^https?:/.test(one) && NEXT_AUTH_PATH.test(new URL(one).pathname),
  )
  const { origin, pathname } = new URL(itsOwn ?? uri)
  const id = NEXT_AUTH_PATH.exec(pathname)?.[1] ?? 'gatehouse'
  const differs = [
    ...(app.idTokenAlg === 'RS256' ? [] : [`id_token_signed_response_alg: ${js(app.idTokenAlg)}`]),
    ...(app.authMethod === 'client_secret_basic'
      ? []
      : [`token_endpoint_auth_method: ${js(app.authMethod)}`]),
  ]
  const code = `// app/api/auth/[...nextauth]/route.ts
import NextAuth from 'next-auth'

const handler = NextAuth({
  providers: [
    {
      id: ${js(id)},
      name: 'Gatehouse',
      type: 'oauth',
      wellKnown: \`\${process.env.ISSUER}/.well-known/openid-configuration\`,
      clientId: process.env.CLIENT_ID,
      clientSecret: process.env.CLIENT_SECRET,
${differs.length > 0 ? `      client: { ${differs.join(', ')} },\n` : ''}      authorization: { params: { scope: ${js(SCOPE)} } },
      idToken: true,
${app.claimsInIdToken ? '' : '      userinfo: { request: ({ client, tokens }) => client.userinfo(tokens) },\n'}      checks: ['pkce', 'state', 'nonce'],
      profile: (claims) => ({
        id: claims.sub,
        name: claims.name,
        email: claims.email,
        image: claims.picture ?? null,
      }),
    },
  ],
})

export { handler as GET, handler as POST }
`
  const settings = [
    envLine('NEXTAUTH_URL', origin),
    'NEXTAUTH_SECRET=…  # openssl rand -base64 32',
    envLine('ISSUER', issuer),
    envLine('CLIENT_ID', app.clientId),
    SECRET,
  ]
  return {
    library: 'next-auth',
    files: [
      { name: 'sh', text: 'npm install next-auth@4\n' },
      { name: '.env.local', text: `${settings.join('\n')}\n` },
      { name: 'app/api/auth/[...nextauth]/route.ts', text: code },
    ],
    ...(!itsOwn && { missing: `${origin}/api/auth/callback/${id}` }),
  }
}

// ── a single-page app ────────────────────────────────────────────────────────

function oidcClientTs(app: SnippetApp, issuer: string, uri: string): Snippet {
  const [after] = app.postLogoutRedirectUris
  const code = `// auth.ts
import { UserManager } from 'oidc-client-ts'

const manager = new UserManager({
  authority: ${js(issuer)},
  client_id: ${js(app.clientId)},
  redirect_uri: ${js(uri)},
${after ? `  post_logout_redirect_uri: ${js(after)},\n` : ''}  scope: ${js(SCOPE)},
${app.claimsInIdToken ? '' : '  loadUserInfo: true,\n'}})

/** Call it when a page opens: finishes a sign-in that comes back, and says who is signed in. */
export async function signedIn() {
  if (new URLSearchParams(location.search).has('state')) {
    await manager.signinCallback()
    history.replaceState(null, '', location.pathname)
  }
  return manager.getUser()
}

export const signIn = () => manager.signinRedirect()
export const signOut = () => manager.signoutRedirect()
`
  return {
    library: 'oidc-client-ts',
    files: [
      { name: 'sh', text: 'npm install oidc-client-ts@3\n' },
      { name: 'auth.ts', text: code },
    ],
  }
}

// ── without people ───────────────────────────────────────────────────────────

function curl(app: SnippetApp, issuer: string): Snippet {
  const proof =
    app.authMethod === 'client_secret_basic'
      ? [`--user ${shell(app.clientId)}:"$CLIENT_SECRET"`]
      : [
          `--data-urlencode ${shell(`client_id=${app.clientId}`)}`,
          '--data-urlencode client_secret="$CLIENT_SECRET"',
        ]
  const call = (path: string, fields: string[]) =>
    `curl ${[...proof, ...fields, shell(issuer + path)].join(' \\\n  ')}\n`
  const files: Snippet['files'] = []
  if (app.grants.includes('client_credentials')) {
    const [api] = app.resources
    const fields = [
      '--data grant_type=client_credentials',
      ...(api ? [`--data-urlencode ${shell(`resource=${api.resource}`)}`] : []),
      ...(api?.scopes ? [`--data-urlencode ${shell(`scope=${api.scopes.join(' ')}`)}`] : []),
    ]
    files.push({ name: 'sh', text: call('/token', fields) })
  }
  if (introspects(app))
    files.push({ name: 'sh', text: call('/introspection', ['--data-urlencode token="$TOKEN"']) })
  return { library: 'curl', files }
}
