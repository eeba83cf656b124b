/**
 * The OpenID Provider that an app under test is configured with: as the portal in all but the one mistake that a code
 * was made with. It proves nobody, lets every client secret be right and forgets no code: what it gives out is worth
 * nothing but to the app under test.
 */
import { createHash } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeJwt } from 'jose'
import { randomToken } from '../base/ids'
import { Trouble } from './agent'
import type { CheckId } from './checks'
import { idToken, makeKey, type Person, type Signing, type SigningKey } from './tokens'

/** The app under test, as it is registered. */
export interface Patient {
  clientId: string
  redirectUris: string[]
  backchannelLogoutUri: string | null
  frontchannelLogoutUri: string | null
  idTokenAlg: string
}

/** An authorization request of the app. */
export interface Asked {
  redirectUri: string
  state: string | null
  nonce: string | null
  challenge: string | null
  plain: boolean
  responseMode: string
}

/** What a code stands for. */
export interface Grant {
  asked: Asked
  person: Person
  mistake: CheckId | null
  /** How userinfo names the person, which differs from the ID token's, so that it can be seen. */
  info: { sub: string; name: string; email: string }
  code: string
  accessToken: string
  redeemed: number
  infoRead: number
}

const MOST_BYTES = 65_536

async function formOf(req: IncomingMessage): Promise<URLSearchParams> {
  let text = ''
  for await (const chunk of req) {
    text += chunk
    if (text.length > MOST_BYTES) throw new Error('too long')
  }
  return new URLSearchParams(text)
}

function json(res: ServerResponse, status: number, body: unknown): void {
  res.writeHead(status, { 'Content-Type': 'application/json', 'Cache-Control': 'no-store' })
  res.end(JSON.stringify(body))
}

/** The secret that the app authenticates by (RFC 6749 section 2.3.1). */
function secretOf(req: IncomingMessage, form: URLSearchParams): string | null {
  const basic = /^basic (.+)$/i.exec(req.headers.authorization ?? '')?.[1]
  if (!basic) return form.get('client_secret')
  const secret = Buffer.from(basic, 'base64').toString().split(':').slice(1).join(':')
  try {
    return decodeURIComponent(secret.replaceAll('+', ' ')) || null
  } catch {
    return secret || null
  }
}

export class StandIn {
  readonly #codes = new Map<string, Grant>()
  readonly #tokens = new Map<string, Grant>()
  readonly #pushed = new Map<string, URLSearchParams>()
  readonly #published: SigningKey[]
  #signing: Signing

  private constructor(
    readonly patient: Patient,
    /** As the app reaches it. */
    readonly issuer: string,
    keys: { key: SigningKey; foreign: SigningKey },
  ) {
    this.#published = [keys.key]
    this.#signing = { ...keys, secret: null }
  }

  static async make(patient: Patient, issuer: string): Promise<StandIn> {
    const [key, foreign] = await Promise.all([makeKey(patient.idTokenAlg), makeKey(patient.idTokenAlg)])
    return new StandIn(patient, issuer.replace(/\/$/, ''), { key, foreign })
  }

  get signing(): Signing {
    return this.#signing
  }

  /** Signs with a new key from now on; the one before stays published. */
  async rotate(): Promise<void> {
    const key = await makeKey(this.patient.idTokenAlg)
    this.#published.push(key)
    this.#signing = { ...this.#signing, key }
  }

  isAuthorization = (url: URL): boolean => url.href.split('?')[0] === `${this.issuer}/auth`

  /**
   * Reads what the app asks for.
   * @throws Trouble for a request that no provider could answer
   */
  asked(url: URL): Asked {
    let params = url.searchParams
    const uri = params.get('request_uri')
    if (uri) params = this.#pushed.get(uri) ?? params
    const signed = params.get('request')
    try {
      if (signed) params = new URLSearchParams(decodeJwt(signed) as Record<string, string>)
    } catch {
      throw new Trouble(
        'The app sends a signed request that cannot be read.',
        'The clinic reads none that is encrypted.',
      )
    }
    const { clientId, redirectUris } = this.patient
    const asks = params.get('client_id') ?? url.searchParams.get('client_id')
    if (asks !== clientId)
      throw new Trouble(
        `The app asks as client ${asks}, not as ${clientId}.`,
        'Give its test instance the client_id of the app that you named.',
      )
    const redirectUri = params.get('redirect_uri') ?? redirectUris[0] ?? ''
    if (!redirectUris.includes(redirectUri))
      throw new Trouble(
        `${redirectUri} is no redirect URI of ${clientId}.`,
        `gatehouse client update ${clientId} --redirect-uri … takes all of them.`,
      )
    const type = params.get('response_type') ?? 'code'
    if (type !== 'code')
      throw new Trouble(`The app asks for response_type=${type}; the clinic knows the code flow alone.`)
    return {
      redirectUri,
      state: params.get('state'),
      nonce: params.get('nonce'),
      challenge: params.get('code_challenge'),
      plain: params.get('code_challenge_method') !== 'S256',
      responseMode: params.get('response_mode') ?? 'query',
    }
  }

  /** Makes a code, as after a sign-in. */
  grant(asked: Asked, person: Person, infoName: string, mistake: CheckId | null): Grant {
    const { sub, email } = person
    const grant = {
      asked,
      person,
      mistake,
      info: { sub: mistake === 'userinfo_sub' ? `${sub}-other` : sub, name: infoName, email },
      code: randomToken(),
      accessToken: randomToken(),
      redeemed: 0,
      infoRead: 0,
    }
    this.#codes.set(grant.code, grant)
    this.#tokens.set(grant.accessToken, grant)
    return grant
  }

  /** Answers the app: a Node request handler. */
  async handle(req: IncomingMessage, res: ServerResponse): Promise<void> {
    try {
      const path = new URL(req.url ?? '/', 'http://clinic').pathname
      const base = new URL(this.issuer).pathname.replace(/\/$/, '')
      const at = path.startsWith(base) ? path.slice(base.length) : path
      const route = `${req.method === 'HEAD' ? 'GET' : req.method} ${at}`
      switch (route) {
        case 'GET /.well-known/openid-configuration':
        case 'GET /.well-known/oauth-authorization-server':
          return json(res, 200, this.#metadata())
        case 'GET /jwks':
          return json(res, 200, { keys: this.#published.map(({ jwk }) => jwk) })
        case 'POST /par':
          return this.#push(res, await formOf(req))
        case 'POST /token':
          return await this.#token(req, res, await formOf(req))
        case 'GET /userinfo':
        case 'POST /userinfo':
          return this.#userinfo(req, res)
        case 'GET /auth':
          return json(res, 200, { clinic: 'The command line drives the sign-ins; nothing to do here.' })
        default:
          return json(res, 404, { error: 'not_found' })
      }
    } catch {
      if (!res.headersSent) json(res, 400, { error: 'invalid_request' })
    }
  }

  #metadata(): object {
    const { issuer, patient } = this
    return {
      issuer,
      authorization_endpoint: `${issuer}/auth`,
      token_endpoint: `${issuer}/token`,
      userinfo_endpoint: `${issuer}/userinfo`,
      jwks_uri: `${issuer}/jwks`,
      pushed_authorization_request_endpoint: `${issuer}/par`,
      response_types_supported: ['code'],
      response_modes_supported: ['query', 'form_post'],
      grant_types_supported: ['authorization_code'],
      subject_types_supported: ['public', 'pairwise'],
      scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
      claims_supported: ['sub', 'sid', 'name', 'email', 'email_verified', 'auth_time', 'acr', 'amr'],
      id_token_signing_alg_values_supported: [patient.idTokenAlg],
      token_endpoint_auth_methods_supported: [
        'client_secret_basic',
        'client_secret_post',
        'private_key_jwt',
        'none',
      ],
      token_endpoint_auth_signing_alg_values_supported: ['ES256', 'RS256', 'PS256', 'EdDSA'],
      request_object_signing_alg_values_supported: ['ES256', 'RS256', 'PS256', 'EdDSA'],
      code_challenge_methods_supported: ['S256'],
      dpop_signing_alg_values_supported: ['ES256', 'RS256', 'EdDSA'],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
      frontchannel_logout_supported: true,
      frontchannel_logout_session_supported: true,
    }
  }

  #push(res: ServerResponse, form: URLSearchParams): void {
    const uri = `urn:ietf:params:oauth:request_uri:${randomToken()}`
    this.#pushed.set(uri, form)
    json(res, 201, { request_uri: uri, expires_in: 60 })
  }

  async #token(req: IncomingMessage, res: ServerResponse, form: URLSearchParams) {
    const grant = this.#codes.get(form.get('code') ?? '')
    const secret = secretOf(req, form)
    if (secret) this.#signing = { ...this.#signing, secret }
    if (!grant) return json(res, 400, { error: 'invalid_grant' })
    grant.redeemed++
    // A code that was asked for with PKCE is good for that browser's verifier alone, as at the portal.
    const { challenge, plain, nonce } = grant.asked
    const verifier = form.get('code_verifier') ?? ''
    const said = plain ? verifier : createHash('sha256').update(verifier).digest('base64url')
    if (challenge !== null && said !== challenge) return json(res, 400, { error: 'invalid_grant' })
    const { accessToken, person, mistake } = grant
    const { issuer, patient } = this
    const about = { issuer, clientId: patient.clientId, person, nonce, accessToken }
    json(res, 200, {
      access_token: accessToken,
      token_type: req.headers.dpop ? 'DPoP' : 'Bearer',
      expires_in: 900,
      scope: 'openid profile email',
      ...(mistake !== 'id_missing' && { id_token: await idToken(about, this.#signing, mistake) }),
    })
  }

  #userinfo(req: IncomingMessage, res: ServerResponse) {
    const token = /^(?:bearer|dpop) (.+)$/i.exec(req.headers.authorization ?? '')?.[1]
    const grant = this.#tokens.get(token ?? '')
    if (!grant) {
      res.setHeader('WWW-Authenticate', 'Bearer error="invalid_token"')
      return json(res, 401, { error: 'invalid_token' })
    }
    grant.infoRead++
    json(res, 200, { ...grant.info, email_verified: true })
  }
}
