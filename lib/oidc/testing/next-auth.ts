/** An app on next-auth 4, unchanged, and a browser that goes through it. */
import { createServer } from 'node:http'
import { createRequire } from 'node:module'

type Handler = (req: object, res: object, options: object) => Promise<void>

const NextAuth = createRequire(import.meta.url)('next-auth').default as Handler

export interface NextAuthApp {
  /**
   * Signs in as its own sign-in page does.
   * @param walk takes a person from the authorization request to where the app gets its answer
   * @returns whom the app then knows
   */
  signIn(provider: string, walk: (start: URL) => Promise<URL>): Promise<Record<string, unknown>>
  close(): void
}

/** Next's own API routes as next-auth needs them, in front of what an app would export. */
export async function startNextAuth(port: number, options: () => object): Promise<NextAuthApp> {
  const server = createServer((req, res) => {
    const url = new URL(req.url ?? '/', 'http://localhost')
    let body = ''
    req.on('data', (chunk) => {
      body += chunk
    })
    req.on('end', () => {
      const cookies = Object.fromEntries(
        (req.headers.cookie ?? '')
          .split('; ')
          .filter(Boolean)
          .map((c) => [c.slice(0, c.indexOf('=')), decodeURIComponent(c.slice(c.indexOf('=') + 1))]),
      )
      Object.assign(req, {
        query: { ...Object.fromEntries(url.searchParams), nextauth: url.pathname.split('/').slice(3) },
        cookies,
        body: Object.fromEntries(new URLSearchParams(body)),
      })
      Object.assign(res, {
        status: (code: number) => Object.assign(res, { statusCode: code }),
        json: (value: unknown) =>
          res.setHeader('content-type', 'application/json').end(JSON.stringify(value)),
        send: (value: unknown) => res.end(typeof value === 'string' ? value : JSON.stringify(value)),
        redirect: (to: string) => res.writeHead(302, { Location: to }).end(),
      })
      NextAuth(req, res, options()).catch((error: Error) => res.writeHead(500).end(String(error.stack)))
    })
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const base = `http://127.0.0.1:${port}`
  process.env.NEXTAUTH_URL = base
  const jar = new Map<string, string>()
  const ask = async (path: string, init: RequestInit = {}) => {
    const cookie = [...jar].map(([k, v]) => `${k}=${v}`).join('; ')
    const res = await fetch(new URL(path, base), { ...init, redirect: 'manual', headers: { cookie } })
    for (const line of res.headers.getSetCookie())
      jar.set(line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).split(';')[0] ?? '')
    return res
  }
  return {
    async signIn(provider, walk) {
      const { csrfToken } = await (await ask('/api/auth/csrf')).json()
      const begun = await ask(`/api/auth/signin/${provider}`, {
        method: 'POST',
        body: new URLSearchParams({ csrfToken, callbackUrl: base }),
      })
      const landed = await walk(new URL(begun.headers.get('location') ?? ''))
      const done = await ask(landed.pathname + landed.search)
      if (done.headers.get('location') !== base)
        throw new Error(`not signed in: ${done.status} ${done.headers.get('location')}`)
      return (await (await ask('/api/auth/session')).json()).user
    },
    close() {
      server.closeAllConnections()
      server.close()
    },
  }
}
