/**
 * Like Apple: the answer is posted from its page, the client secret is a JWT signed with a key of the team's (ES256), and
 * the name comes beside the code, the first time only.
 */
import { jwtVerify } from 'jose'
import { OpenidPeer } from './openid'
import type { Grant, PeerOptions, Request } from './peer'

export interface AppleOptions extends PeerOptions {
  teamId: string
  keyId: string
  /** The public half of the key that the team registered. */
  publicKey: CryptoKey
}

export class ApplePeer extends OpenidPeer {
  /** People who have given this app their consent. */
  private readonly met = new Set<string>()

  constructor(private readonly apple: AppleOptions) {
    super(apple)
  }

  protected override metadata(): Record<string, unknown> {
    const { userinfo_endpoint, authorization_response_iss_parameter_supported, ...rest } = super.metadata()
    return {
      ...rest,
      response_modes_supported: ['query', 'fragment', 'form_post'],
      token_endpoint_auth_methods_supported: ['client_secret_post'],
    }
  }

  protected override always(): Record<string, string> {
    return {}
  }

  protected override denial(): Record<string, string> {
    return { error: 'user_cancelled_authorize' }
  }

  protected override beside({ person }: Grant): Record<string, string> {
    if (this.met.has(person.sub)) return {}
    this.met.add(person.sub)
    const { given_name: firstName, family_name: lastName, email } = person
    return { user: JSON.stringify({ name: { firstName, lastName }, email }) }
  }

  protected override async tokensFor(grant: Grant): Promise<Record<string, unknown>> {
    const { name, given_name, family_name, login, ...person } = grant.person
    return super.tokensFor({ ...grant, person })
  }

  protected override async isClient({ form }: Request): Promise<boolean> {
    try {
      const { payload, protectedHeader } = await jwtVerify(
        form.get('client_secret') ?? '',
        this.apple.publicKey,
        {
          algorithms: ['ES256'],
          issuer: this.apple.teamId,
          subject: this.clientId,
          audience: this.url,
          requiredClaims: ['iat', 'exp'],
          // Apple takes none that lives longer than half a year.
          maxTokenAge: '180 days',
        },
      )
      const life = (payload.exp ?? 0) - (payload.iat ?? 0)
      return (
        protectedHeader.kid === this.apple.keyId &&
        life <= 15_777_000 &&
        form.get('client_id') === this.clientId
      )
    } catch {
      return false
    }
  }
}
