/**
 * Next-auth, called as a library: it writes the authorization URL and judges what comes back, and its `signIn` callback
 * ends there. No cookie of its reaches a browser, no row is written, no session is made.
 */
import { AsyncLocalStorage } from 'node:async_hooks'
import { createRequire } from 'node:module'
import type { Account, NextAuthOptions } from 'next-auth'
import { env } from '../base/env'
import { log } from '../base/log'
import { StoresDown } from '../base/refusals'
import { deriveKey } from '../base/secrets'
import { ProviderDown } from './metadata'
import type { Claims, Entry } from './registry'
import { adapter } from './store-adapter'

/** A round trip may ask a provider several things; all of them together may take so long. */
const WHOLE_MS = 9000

/** The answer does not hold: forged, replayed, meant for another. */
export class ProviderFailed extends Error {
  override name = 'ProviderFailed'
}

/** What next-auth made sure of. */
export interface Confirmed {
  account: Account
  claims: Claims
}

/** Values that the end of a round trip is compared with; next-auth calls them cookies. */
export type Checks = Record<string, string>

interface Run {
  confirmed: Confirmed | null
  failure: unknown
}

const runs = new AsyncLocalStorage<Run>()

/** Next-auth's logger is one for the process; whose line it is, the context knows. */
const logger: NextAuthOptions['logger'] = {
  error: (code, detail) => {
    const failure = (detail as { error?: unknown })?.error ?? detail
    const run = runs.getStore()
    if (run) run.failure ??= failure
    // What a provider says is evidence, not text for people: cut short, and never shown.
    else log().warn({ problem: code, why: String((failure as Error)?.message).slice(0, 200) }, 'next-auth')
  },
  warn: () => {},
  debug: () => {},
}

function options(entry: Entry): NextAuthOptions {
  // Read there and nowhere else (HST1).
  process.env.NEXTAUTH_URL = env().url
  return {
    providers: [entry],
    adapter: adapter(),
    secret: deriveKey('federation').toString('base64url'),
    session: { strategy: 'jwt' },
    useSecureCookies: false,
    pages: { signIn: '/signin/start', error: '/signin/start' },
    logger,
    callbacks: {
      // A string diverts: what would make a user and a session is never reached.
      signIn: ({ account, profile }) => {
        const run = runs.getStore()
        if (run && account && profile) run.confirmed = { account, claims: profile as Claims }
        return env().url
      },
    },
  }
}

/** As much of a response as next-auth writes to. */
class Reply {
  location: string | null = null
  body: unknown = null
  private cookies: string[] = []

  status(): this {
    return this
  }

  getHeader(name: string): string[] | undefined {
    return name === 'Set-Cookie' ? this.cookies : undefined
  }

  setHeader(name: string, value: string | string[]): this {
    if (name === 'Set-Cookie') this.cookies = [value].flat()
    if (name === 'Location') this.location = String(value)
    return this
  }

  send(body: unknown): void {
    this.body = body
  }

  json(body: unknown): void {
    this.body = body
  }

  end(): void {}

  get checks(): Checks {
    return Object.fromEntries(
      this.cookies.map((line) => {
        const [name = '', value = ''] = (line.split(';')[0] ?? '').split(/=(.*)/s)
        return [name, decodeURIComponent(value)]
      }),
    )
  }
}

type Handler = (req: object, res: Reply, options: NextAuthOptions) => Promise<void>

let handler: Handler | null = null

function nextAuth(): Handler {
  const loaded = createRequire(import.meta.url)('next-auth') as { default: Handler }
  handler ??= loaded.default
  return handler
}

interface Ask {
  action: string[]
  method: 'GET' | 'POST'
  query?: Record<string, string>
  body?: Record<string, string>
  cookies?: Checks
}

/** One call; what it failed of is in `failure`. */
async function call(entry: Entry, { action, method, query = {}, body, cookies = {} }: Ask) {
  const run: Run = { confirmed: null, failure: null }
  const reply = new Reply()
  const req = { method, query: { ...query, nextauth: action }, body, cookies, headers: {} }
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new ProviderDown('takes too long')), WHOLE_MS)
  })
  try {
    await Promise.race([runs.run(run, () => nextAuth()(req, reply, options(entry))), late])
  } finally {
    clearTimeout(timer)
  }
  return { ...run, reply }
}

/**
 * Where to send the browser, and what its return is to be compared with.
 * @param extra parameters for the provider; ours, never a stranger's
 * @throws ProviderDown
 */
export async function authorize(
  entry: Entry,
  extra: Record<string, string>,
): Promise<{ url: URL; checks: Checks }> {
  const { reply: token } = await call(entry, { action: ['csrf'], method: 'GET' })
  const { csrfToken } = token.body as { csrfToken: string }
  const { reply, failure } = await call(entry, {
    action: ['signin', entry.id],
    method: 'POST',
    query: extra,
    body: { csrfToken },
    cookies: token.checks,
  })
  if (failure || !reply.location) throw classified(failure)
  const { 'next-auth.csrf-token': _, 'next-auth.callback-url': __, ...checks } = reply.checks
  return { url: new URL(reply.location), checks }
}

/**
 * Exchanges the code and judges the answer: state, nonce, PKCE, ID token.
 * @throws ProviderDown, ProviderFailed, StoresDown
 */
export async function confirm(
  entry: Entry,
  answer: Record<string, string>,
  checks: Checks,
): Promise<Confirmed> {
  const { confirmed, failure } = await call(entry, {
    action: ['callback', entry.id],
    method: 'GET',
    query: answer,
    cookies: checks,
  })
  if (!confirmed) throw classified(failure)
  return confirmed
}

const AWAY =
  /timed out|timeout|ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|EHOSTUNREACH|socket hang up|fetch failed|certificate|expected 200 OK, got: 5\d\d/i

/** The whole chain of causes, next-auth's wrappings among them. */
function* chain(
  error: unknown,
): Generator<{ name?: string; message?: string; code?: string; response?: { statusCode?: number } }> {
  const seen = new Set<unknown>()
  let at = error
  while (at && typeof at === 'object' && !seen.has(at)) {
    seen.add(at)
    yield at
    const { cause, error: inner, originalError } = at as Record<string, unknown>
    at = cause ?? inner ?? originalError
  }
}

function classified(failure: unknown): Error {
  const links = [...chain(failure)]
  const stores = links.find((link) => link instanceof StoresDown)
  if (stores) return stores as StoresDown
  const away = links.some(
    ({ message, code, response }) =>
      code === 'PROVIDER_DOWN' || AWAY.test(`${code} ${message}`) || (response?.statusCode ?? 0) >= 500,
  )
  const why = links.map(({ message }) => message).find(Boolean) ?? 'no answer that could be used'
  return away ? new ProviderDown(why, { cause: failure }) : new ProviderFailed(why, { cause: failure })
}
