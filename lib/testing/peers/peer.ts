/**
 * Another provider, on this machine: a small and strict OAuth 2 server with a page to say yes or no on. What is right in
 * it is right as the standards have it (client authentication, exact redirect URIs, PKCE, a code once), so that what we do
 * wrong is refused; what a hostile or broken provider would do is bent on purpose. Needs nothing of the tests' runner.
 */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK, type JWTPayload, SignJWT } from 'jose'

/** Who "Continue as …" is: the claims that the provider has of them. */
export interface PeerPerson {
  sub: string
  name?: string
  email?: string
  [claim: string]: unknown
}

export type Endpoint = 'discovery' | 'jwks' | 'authorize' | 'token' | 'userinfo' | 'emails'

/** What goes wrong, until it is set to something else. */
export interface Bend {
  /** Answer 503. */
  down?: Endpoint[]
  /** Take the request and never answer. */
  silent?: Endpoint[]
  /** This provider's clock against ours. */
  skewSeconds?: number
  /** Claims of the ID token that are not what they should be; `undefined` leaves one out. */
  idToken?: Record<string, unknown>
  /** Sign with a key that is not in the JWKS. */
  foreignKey?: boolean
  /** `iss` beside the code (RFC 9207); null leaves it out. */
  responseIss?: string | null
  /** Claims that userinfo alone has, or has otherwise. */
  userinfo?: Record<string, unknown>
  /** Tokens cannot be refreshed any more. */
  refreshOver?: boolean
  /** What the provider says when it sends the browser back, instead of a code. */
  error?: { error: string; error_description?: string }
}

export interface Request {
  method: string
  path: string
  query: URLSearchParams
  form: URLSearchParams
  headers: IncomingMessage['headers']
}

interface Grant {
  params: URLSearchParams
  person: PeerPerson
}

interface Keys {
  alg: string
  kid: string
  privateKey: CryptoKey
  publicJwk: JWK
}

export interface PeerOptions {
  /** 0: any free one. */
  port?: number
  name: string
  person: PeerPerson
  clientId?: string
  clientSecret?: string
  /** Exact, as registered. */
  redirectUris: string[]
  alg?: 'RS256' | 'ES256' | 'PS256'
}

const b64 = (bytes = 24): string => randomBytes(bytes).toString('base64url')

const escaped = (text: string): string => text.replace(/[&<>"']/g, (letter) => `&#${letter.charCodeAt(0)};`)

const same = (a: string, b: string): boolean =>
  a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))

export abstract class Peer {
  readonly clientId: string
  readonly clientSecret: string
  readonly redirectUris: string[]
  readonly name: string
  person: PeerPerson
  bend: Bend = {}
  /** Every request that came, oldest first. */
  readonly requests: Request[] = []
  protected keys: Keys[] = []
  private readonly alg: string
  private foreign: Keys | null = null
  private readonly pending = new Map<string, URLSearchParams>()
  private readonly codes = new Map<string, Grant>()
  private readonly access = new Map<string, PeerPerson>()
  private readonly refresh = new Map<string, Grant>()
  private server: Server | null = null
  private port: number

  constructor(options: PeerOptions) {
    this.port = options.port ?? 0
    this.name = options.name
    this.person = options.person
    this.clientId = options.clientId ?? `client-${b64(6)}`
    this.clientSecret = options.clientSecret ?? b64()
    this.redirectUris = options.redirectUris
    this.alg = options.alg ?? 'RS256'
  }

  /** Another site than `localhost`, as a provider is. */
  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  get issuer(): string {
    return this.url
  }

  async start(): Promise<this> {
    if (this.keys.length === 0) await this.rotateKeys()
    this.server = createServer((req, res) => {
      this.serve(req, res).catch((error: Error) => {
        if (!res.headersSent) res.writeHead(500)
        res.end(error.message)
      })
    })
    this.server.listen(this.port, '127.0.0.1')
    await once(this.server, 'listening')
    this.port = (this.server.address() as AddressInfo).port
    return this
  }

  async stop(): Promise<void> {
    const closing = this.server
    this.server = null
    if (!closing) return
    closing.close()
    closing.closeAllConnections()
    await once(closing, 'close')
  }

  /** A new key signs from now on; `forget` takes the old ones out of the JWKS. */
  async rotateKeys(options: { forget?: boolean } = {}): Promise<void> {
    const fresh = await this.makeKeys()
    this.keys = options.forget ? [fresh] : [...this.keys, fresh]
  }

  private async makeKeys(): Promise<Keys> {
    const { privateKey, publicKey } = await generateKeyPair(this.alg, { extractable: true })
    const kid = b64(6)
    const publicJwk = { ...(await exportJWK(publicKey)), kid, alg: this.alg, use: 'sig' }
    return { alg: this.alg, kid, privateKey, publicJwk }
  }

  /** A JWT of this provider's, signed with its newest key. */
  protected async sign(payload: JWTPayload, typ = 'JWT'): Promise<string> {
    if (this.bend.foreignKey) this.foreign ??= await this.makeKeys()
    const keys = this.bend.foreignKey ? this.foreign : this.keys.at(-1)
    if (!keys) throw new Error('no key')
    return new SignJWT(payload)
      .setProtectedHeader({ alg: keys.alg, kid: this.keys.at(-1)?.kid ?? keys.kid, typ })
      .sign(keys.privateKey)
  }

  protected seconds(): number {
    return Math.floor(Date.now() / 1000) + (this.bend.skewSeconds ?? 0)
  }

  // ── for tests without a browser ──────────────────────────────────────────────

  /** Opens an authorization URL and presses a button; where the browser is sent back to, or the form it posts. */
  async press(
    authorizationUrl: string,
    decision: 'continue' | 'cancel' = 'continue',
  ): Promise<{ url: URL; form: Record<string, string> | null }> {
    const page = await (await fetch(authorizationUrl)).text()
    const request = /name="request" value="([\w-]+)"/.exec(page)?.[1]
    if (!request) throw new Error(`no page to decide on: ${page.slice(0, 200)}`)
    const answer = await fetch(`${this.url}/decision`, {
      method: 'POST',
      redirect: 'manual',
      body: new URLSearchParams({ request, decision }),
    })
    const location = answer.headers.get('location')
    if (location) return { url: new URL(location), form: null }
    const posted = await answer.text()
    const action = /action="([^"]+)"/.exec(posted)?.[1] ?? ''
    const fields = [...posted.matchAll(/name="(\w+)" value="([^"]*)"/g)]
    const plain = (text: string) => text.replace(/&#(\d+);/g, (_, code) => String.fromCharCode(Number(code)))
    return {
      url: new URL(plain(action)),
      form: Object.fromEntries(fields.map(([, name = '', value = '']) => [name, plain(value)])),
    }
  }

  /** A code of this provider's for somebody, as if they had said yes elsewhere. */
  issueCode(params: Record<string, string>, person: PeerPerson = this.person): string {
    const code = b64()
    this.codes.set(code, { params: new URLSearchParams(params), person })
    return code
  }

  // ── what the kinds differ in ─────────────────────────────────────────────────

  /** Everything beside authorize, decision and token; false: there is no such place. */
  protected abstract other(request: Request, res: ServerResponse): Promise<boolean>
  /** The body of a token answer beside the access token. */
  protected abstract tokensFor(grant: Grant, first: boolean): Promise<Record<string, unknown>>
  /** What goes back with the code beside it. */
  protected beside(_grant: Grant): Record<string, string> {
    return {}
  }
  /** What goes back in any case. */
  protected always(): Record<string, string> {
    return {}
  }
  protected get authorizePath(): string {
    return '/authorize'
  }
  protected get tokenPath(): string {
    return '/token'
  }
  /** How a client proves itself; `client_secret_basic` or `_post` unless the kind wants more. */
  protected async isClient(request: Request): Promise<boolean> {
    const basic = /^Basic (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const [id = '', secret = ''] = basic
      ? Buffer.from(basic, 'base64').toString().split(':').map(decodeURIComponent)
      : [request.form.get('client_id') ?? '', request.form.get('client_secret') ?? '']
    return same(id, this.clientId) && same(secret, this.clientSecret)
  }

  protected personOf(request: Request): PeerPerson | null {
    const token = /^(?:Bearer|token) (.+)$/i.exec(request.headers.authorization ?? '')?.[1]
    return (token && this.access.get(token)) || null
  }

  protected json(res: ServerResponse, status: number, body: unknown): void {
    res.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
    res.end(JSON.stringify(body))
  }

  protected html(res: ServerResponse, status: number, body: string): void {
    const title = escaped(this.name)
    res.writeHead(status, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' })
    res.end(
      `<!doctype html><html lang="en"><meta name="viewport" content="width=device-width"><title>${title}</title><body><main><h1>${title}</h1>${body}</main>`,
    )
  }

  /** True when the endpoint is bent out of use, and the answer (or none) was given. */
  protected unwell(endpoint: Endpoint, res: ServerResponse): boolean {
    if (this.bend.silent?.includes(endpoint)) return true
    if (!this.bend.down?.includes(endpoint)) return false
    res.writeHead(503, { 'content-type': 'text/html' }).end('<h1>Service Unavailable</h1>')
    return true
  }

  // ── the server ───────────────────────────────────────────────────────────────

  private async serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of req) chunks.push(chunk as Buffer)
    const url = new URL(req.url ?? '/', this.url)
    const request: Request = {
      method: req.method ?? 'GET',
      path: url.pathname,
      query: url.searchParams,
      form: new URLSearchParams(Buffer.concat(chunks).toString('utf8')),
      headers: req.headers,
    }
    this.requests.push(request)
    if (request.path === this.authorizePath) return this.authorize(request, res)
    if (request.path === '/decision' && request.method === 'POST') return this.decide(request, res)
    if (request.path === this.tokenPath && request.method === 'POST') return this.token(request, res)
    // Browsers ask for it by themselves.
    if (request.path === '/favicon.ico') return void res.writeHead(204).end()
    if (!(await this.other(request, res))) res.writeHead(404).end()
  }

  private authorize({ query }: Request, res: ServerResponse): void {
    if (this.unwell('authorize', res)) return
    const wrong =
      query.get('client_id') !== this.clientId
        ? 'unknown client'
        : !this.redirectUris.includes(query.get('redirect_uri') ?? '')
          ? 'redirect URI is not registered'
          : query.get('response_type') !== 'code'
            ? 'response_type must be code'
            : null
    if (wrong) {
      this.html(res, 400, `<p>${wrong}</p>`)
      return
    }
    const id = b64()
    this.pending.set(id, query)
    const who = escaped(String(this.person.name ?? this.person.email ?? this.person.sub))
    this.html(
      res,
      200,
      `<form method="post" action="/decision"><input type="hidden" name="request" value="${id}"><button name="decision" value="continue">Continue as ${who}</button> <button name="decision" value="cancel">Cancel</button></form>`,
    )
  }

  private decide({ form }: Request, res: ServerResponse): void {
    const id = form.get('request') ?? ''
    const params = this.pending.get(id)
    if (!params) {
      this.html(res, 400, '<p>That page is old.</p>')
      return
    }
    this.pending.delete(id)
    const answer: Record<string, string> = { ...this.always() }
    const state = params.get('state')
    if (state) answer.state = state
    if (this.bend.error) Object.assign(answer, this.bend.error)
    else if (form.get('decision') === 'continue') {
      const grant = { params, person: { ...this.person } }
      const code = b64()
      this.codes.set(code, grant)
      Object.assign(answer, { code }, this.beside(grant))
    } else Object.assign(answer, this.denial())
    const target = new URL(params.get('redirect_uri') ?? '')
    if (params.get('response_mode') === 'form_post') {
      const fields = Object.entries(answer)
        .map(([name, value]) => `<input type="hidden" name="${name}" value="${escaped(value)}">`)
        .join('')
      this.html(
        res,
        200,
        `<form method="post" action="${escaped(target.href)}">${fields}<button>Go on</button></form><script>document.forms[0].submit()</script>`,
      )
      return
    }
    for (const [name, value] of Object.entries(answer)) target.searchParams.set(name, value)
    res.writeHead(303, { location: target.href }).end()
  }

  protected denial(): Record<string, string> {
    return { error: 'access_denied', error_description: '<b>Somebody</b> said no' }
  }

  private async token(request: Request, res: ServerResponse): Promise<void> {
    if (this.unwell('token', res)) return
    const { form } = request
    if (!(await this.isClient(request))) return this.json(res, 401, { error: 'invalid_client' })
    const refuse = (why: string) =>
      this.json(res, 400, { error: 'invalid_grant', error_description: `<i>${why}</i>` })
    if (form.get('grant_type') === 'refresh_token') {
      const used = form.get('refresh_token') ?? ''
      const grant = this.refresh.get(used)
      // Good once: who refreshes twice has lost it.
      this.refresh.delete(used)
      if (!grant || this.bend.refreshOver) return refuse('no such refresh token')
      return this.json(res, 200, { ...this.tokens(grant), ...(await this.tokensFor(grant, false)) })
    }
    const code = form.get('code') ?? ''
    const grant = this.codes.get(code)
    this.codes.delete(code)
    if (form.get('grant_type') !== 'authorization_code' || !grant) return refuse('no such code')
    if (form.get('redirect_uri') !== grant.params.get('redirect_uri')) return refuse('another redirect URI')
    const challenge = grant.params.get('code_challenge')
    const verifier = form.get('code_verifier')
    const hashed = verifier && createHash('sha256').update(verifier).digest('base64url')
    if (challenge ? !hashed || !same(hashed, challenge) : verifier) return refuse('the verifier is wrong')
    this.json(res, 200, { ...this.tokens(grant), ...(await this.tokensFor(grant, true)) })
  }

  private tokens(grant: Grant): Record<string, unknown> {
    const [access, refresh] = [b64(), b64()]
    this.access.set(access, grant.person)
    this.refresh.set(refresh, grant)
    return {
      access_token: access,
      token_type: 'bearer',
      expires_in: 3600,
      scope: grant.params.get('scope') ?? '',
      refresh_token: refresh,
    }
  }
}

export type { Grant }
