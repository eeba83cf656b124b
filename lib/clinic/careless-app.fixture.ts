/** A relying app that believes whatever it is told: everything that the clinic looks for is wrong with it. */
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'

interface User {
  sub?: string
  name?: string
  email?: string
}

const decode = (jwt: string): User =>
  JSON.parse(Buffer.from(jwt.split('.')[1] ?? '', 'base64url').toString() || '{}')

const cookie = (req: IncomingMessage): string => /careless=(\w+)/.exec(req.headers.cookie ?? '')?.[1] ?? ''

interface Options {
  issuer: string
  clientId: string
  clientSecret: string
  /** It says yes to every logout, and does nothing. */
  deaf?: boolean
  /** Its answers come by POST, and it knows no state. */
  posted?: boolean
  /** It looks the same to everybody. */
  plain?: boolean
  /** Its sign-in begins with a button, beside another one. */
  buttons?: boolean
  /** It never asks who it is that signs in beyond the ID token. */
  incurious?: boolean
}

export async function startCarelessApp(options: Options): Promise<{ url: string; close(): Promise<void> }> {
  const { issuer, clientId, clientSecret, deaf, posted, plain, buttons, incurious } = options
  const signedIn = new Map<string, User>()
  let next = 0
  let origin = ''

  async function finish(code: string): Promise<User> {
    const answer = await fetch(`${issuer}/token`, {
      method: 'POST',
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code,
        redirect_uri: `${origin}/callback`,
        client_id: clientId,
        client_secret: clientSecret,
      }),
    })
    const tokens = (await answer.json()) as { access_token: string; id_token?: string }
    if (incurious) return tokens.id_token ? decode(tokens.id_token) : {}
    const info = await fetch(`${issuer}/userinfo`, {
      headers: { authorization: `Bearer ${tokens.access_token}` },
    })
    return { ...(tokens.id_token && decode(tokens.id_token)), ...((await info.json()) as User) }
  }

  const server = createServer(async (req, res) => {
    const url = new URL(req.url ?? '/', origin)
    const go = (to: string) => res.writeHead(303, { location: to }).end()
    if (url.pathname === '/login' && buttons && req.method !== 'POST') {
      return res.end(`
        <form action="/search"><input name="q"><button>Sign in with a search</button></form>
        <form action="/login/others" method="post"><button>Sign in with others</button></form>
        <form action="/login?a=1&amp;b=2" method="post">
          <input type="hidden" name="csrf" value="&quot;guard&quot;"><input type="checkbox" name="stay" value="on">
          <button>Sign in with the <b>portal</b></button></form>`)
    }
    if (url.pathname === '/login') {
      const guarded = buttons && `${url.search} ${await text(req)} ${req.headers.origin}`
      if (buttons && guarded !== `?a=1&b=2 csrf=%22guard%22 ${origin}`) return res.writeHead(403).end()
      const start = new URL(`${issuer}/auth`)
      const params = { client_id: clientId, redirect_uri: `${origin}/callback`, response_type: 'code' }
      const asked = {
        ...params,
        scope: 'openid profile email',
        ...(posted ? { response_mode: 'form_post' } : { state: 'always-the-same', nonce: 'this-too' }),
      }
      for (const [name, value] of Object.entries(asked)) start.searchParams.set(name, value)
      return go(start.href)
    }
    if (url.pathname === '/callback') {
      const id = cookie(req) || `browser${++next}`
      const answer = posted ? new URLSearchParams(await text(req)) : url.searchParams
      signedIn.set(id, await finish(answer.get('code') ?? ''))
      res.setHeader('set-cookie', `careless=${id}; Path=/`)
      return go('/')
    }
    if (url.pathname === '/logout') {
      // Whoever asks, for whomever.
      if (!deaf) signedIn.clear()
      return res.writeHead(200).end()
    }
    const user = signedIn.get(cookie(req))
    res.end(user && !plain ? `Hello ${user.name} (${user.email}, ${user.sub})` : 'Hello stranger')
  })
  await new Promise<void>((resolve) => server.listen(0, 'localhost', resolve))
  origin = `http://localhost:${(server.address() as AddressInfo).port}`
  return {
    url: origin,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}
