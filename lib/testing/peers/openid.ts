/** An OpenID provider: generic, or with the ways of Google and Microsoft. */
import { randomUUID } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { type Grant, Peer, type PeerPerson, type Request } from './peer'

export class OpenidPeer extends Peer {
  /** Names and address are told by userinfo alone, as many providers do. */
  claimsByUserinfo = false

  protected get discoveryPath(): string {
    return '/.well-known/openid-configuration'
  }

  /** The issuer as the ID token of this person has it. */
  protected issuerFor(_person: PeerPerson): string {
    return this.issuer
  }

  protected metadata(): Record<string, unknown> {
    return {
      issuer: this.issuer,
      authorization_endpoint: `${this.url}/authorize`,
      token_endpoint: `${this.url}/token`,
      userinfo_endpoint: `${this.url}/userinfo`,
      jwks_uri: `${this.url}/jwks`,
      end_session_endpoint: `${this.url}/end-session`,
      response_types_supported: ['code'],
      subject_types_supported: ['public'],
      id_token_signing_alg_values_supported: [this.keys.at(-1)?.alg],
      token_endpoint_auth_methods_supported: ['client_secret_basic', 'client_secret_post'],
      code_challenge_methods_supported: ['S256'],
      authorization_response_iss_parameter_supported: true,
      backchannel_logout_supported: true,
      backchannel_logout_session_supported: true,
    }
  }

  protected override always(): Record<string, string> {
    const iss = this.bend.responseIss === undefined ? this.issuer : this.bend.responseIss
    return iss === null ? {} : { iss }
  }

  protected async tokensFor({ params, person }: Grant): Promise<Record<string, unknown>> {
    const at = this.seconds()
    const claims = this.claimsByUserinfo
      ? { sub: person.sub }
      : Object.fromEntries(Object.entries(person).filter(([, value]) => value !== undefined))
    const nonce = params.get('nonce')
    const payload: Record<string, unknown> = {
      iss: this.issuerFor(person),
      aud: this.clientId,
      iat: at,
      exp: at + 3600,
      auth_time: at,
      sid: this.sidOf(person.sub),
      ...(nonce ? { nonce } : {}),
      ...claims,
      ...this.bend.idToken,
    }
    for (const name of Object.keys(payload)) if (payload[name] === undefined) delete payload[name]
    return { id_token: await this.sign(payload) }
  }

  private readonly sids = new Map<string, string>()

  /** The session of somebody here. */
  sidOf(sub: string): string {
    const sid = this.sids.get(sub) ?? randomUUID()
    this.sids.set(sub, sid)
    return sid
  }

  /** A logout token (OpenID Connect Back-Channel Logout 1.0), with claims bent as told; `undefined` leaves one out. */
  async logoutToken(claims: Record<string, unknown> = {}, options: { typ?: string } = {}): Promise<string> {
    const at = this.seconds()
    const payload: Record<string, unknown> = {
      iss: this.issuer,
      aud: this.clientId,
      iat: at,
      exp: at + 120,
      jti: randomUUID(),
      sub: this.person.sub,
      sid: this.sidOf(this.person.sub),
      events: { 'http://schemas.openid.net/event/backchannel-logout': {} },
      ...claims,
    }
    for (const name of Object.keys(payload)) if (payload[name] === undefined) delete payload[name]
    return this.sign(payload, options.typ ?? 'logout+jwt')
  }

  protected async other(request: Request, res: ServerResponse): Promise<boolean> {
    switch (request.path) {
      case this.discoveryPath:
        if (!this.unwell('discovery', res)) this.json(res, 200, this.metadata())
        return true
      case '/jwks':
        if (!this.unwell('jwks', res)) this.json(res, 200, { keys: this.keys.map((one) => one.publicJwk) })
        return true
      case '/userinfo': {
        if (this.unwell('userinfo', res)) return true
        const person = this.personOf(request)
        if (!person) this.json(res, 401, { error: 'invalid_token' })
        else this.json(res, 200, { ...person, ...this.bend.userinfo })
        return true
      }
      case '/end-session': {
        const back = request.query.get('post_logout_redirect_uri')
        const name = back ? `<p><a href="${encodeURI(back)}">Back</a></p>` : ''
        this.html(res, 200, `<p>Signed out of ${this.name}</p>${name}`)
        return true
      }
      default:
        return false
    }
  }
}

/** Like Google: `hd` names the organisation of a workspace account. */
export class GooglePeer extends OpenidPeer {}

/** Like Microsoft: one endpoint for all tenants, and an issuer that is a template. */
export class MicrosoftPeer extends OpenidPeer {
  /** `common`, `organizations`, `consumers`, or a tenant's id. */
  tenant = 'common'

  override get issuer(): string {
    return `${this.url}/${this.multi ? '{tenantid}' : this.tenant}/v2.0`
  }

  private get multi(): boolean {
    return ['common', 'organizations', 'consumers'].includes(this.tenant)
  }

  protected override get discoveryPath(): string {
    return `/${this.tenant}/v2.0/.well-known/openid-configuration`
  }

  protected override issuerFor(person: PeerPerson): string {
    return `${this.url}/${String(person.tid)}/v2.0`
  }

  protected override metadata(): Record<string, unknown> {
    const metadata = super.metadata()
    delete metadata.authorization_response_iss_parameter_supported
    return metadata
  }

  protected override always(): Record<string, string> {
    return {}
  }
}
