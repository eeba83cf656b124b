/** Like GitHub (or an Enterprise Server): OAuth 2 without ID tokens, who somebody is by an API, addresses by another. */
import type { ServerResponse } from 'node:http'
import { type Grant, Peer, type PeerOptions, type Request } from './peer'

export interface GithubEmail {
  email: string
  primary: boolean
  verified: boolean
  visibility: 'public' | 'private' | null
}

export class GithubPeer extends Peer {
  emails: GithubEmail[]

  constructor(options: PeerOptions & { emails?: GithubEmail[] }) {
    super(options)
    const email = options.person.email
    this.emails =
      options.emails ?? (email ? [{ email, primary: true, verified: true, visibility: 'private' }] : [])
  }

  protected override get authorizePath(): string {
    return '/login/oauth/authorize'
  }

  protected override get tokenPath(): string {
    return '/login/oauth/access_token'
  }

  protected async tokensFor(_grant: Grant): Promise<Record<string, unknown>> {
    return {}
  }

  protected async other(request: Request, res: ServerResponse): Promise<boolean> {
    const path = request.path.replace(/^\/api\/v3/, '')
    if (path === '/user') {
      if (this.unwell('userinfo', res)) return true
      const person = this.personOf(request)
      if (!person) this.json(res, 401, { message: 'Bad credentials' })
      else {
        this.json(res, 200, {
          id: Number(person.sub),
          login: person.login ?? 'ada',
          name: person.name ?? null,
          // As the profile shows it, verified or not; mostly hidden.
          email: person.public_email ?? null,
          avatar_url: person.picture ?? null,
          type: 'User',
        })
      }
      return true
    }
    if (path === '/user/emails') {
      if (this.unwell('emails', res)) return true
      if (!this.personOf(request)) this.json(res, 401, { message: 'Bad credentials' })
      else this.json(res, 200, this.emails)
      return true
    }
    return false
  }
}
