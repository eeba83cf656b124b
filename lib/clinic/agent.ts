/**
 * A browser as far as a sign-in needs one: it keeps cookies (RFC 6265, by host, path and end) and follows redirects,
 * but only to places of the app. It runs no script.
 */
import { nowMs } from '../base/clock'

const TIMEOUT_MS = 15_000
const MOST_REDIRECTS = 10
const MOST_CHARACTERS = 1_000_000

interface Cookie {
  name: string
  value: string
  host: string
  /** Sent to hosts below it, too. */
  below: boolean
  path: string
  until: number
}

export interface Page {
  url: URL
  status: number
  body: string
}

/** Where an app sent the browser that is none of its own places. */
export interface Left {
  to: URL
}

/** A failure that is told as its sentence, with what mends it. */
export class Trouble extends Error {
  override name = 'Trouble'
  constructor(
    message: string,
    public hint?: string,
  ) {
    super(message)
  }
}

/** Why a request found nobody; fetch itself says "fetch failed". */
function reason(error: unknown): string {
  const { cause, message } = error as Error & { cause?: Error & { code?: string } }
  return cause?.code ?? cause?.message ?? message
}

export class Agent {
  #cookies: Cookie[] = []

  /** @param home the origins of the app */
  constructor(private readonly home: ReadonlySet<string>) {}

  #keep(line: string, url: URL): void {
    const [pair = '', ...attributes] = line.split(';').map((part) => part.trim())
    const at = pair.indexOf('=')
    if (at < 1) return
    const said = new Map(
      attributes.map((text) => {
        const [name = '', ...value] = text.split('=')
        return [name.toLowerCase(), value.join('=')]
      }),
    )
    const domain = said.get('domain')?.replace(/^\./, '').toLowerCase()
    const below = Boolean(domain) && (url.hostname === domain || url.hostname.endsWith(`.${domain}`))
    const path = said.get('path')
    const age = said.get('max-age')
    const expires = Date.parse(said.get('expires') ?? '')
    const cookie: Cookie = {
      name: pair.slice(0, at),
      value: pair.slice(at + 1),
      host: below && domain ? domain : url.hostname,
      below,
      path: path?.startsWith('/') ? path : url.pathname.slice(0, url.pathname.lastIndexOf('/')) || '/',
      until: age !== undefined ? nowMs() + Number(age) * 1000 : Number.isNaN(expires) ? Infinity : expires,
    }
    const same = (one: Cookie) =>
      one.name === cookie.name && one.host === cookie.host && one.path === cookie.path
    this.#cookies = this.#cookies.filter((one) => !same(one))
    if (cookie.until > nowMs()) this.#cookies.push(cookie)
  }

  #sent(url: URL): string {
    const under = ({ path }: Cookie) =>
      path === '/' || url.pathname === path || url.pathname.startsWith(path.endsWith('/') ? path : `${path}/`)
    return this.#cookies
      .filter(({ host, below }) => url.hostname === host || (below && url.hostname.endsWith(`.${host}`)))
      .filter((cookie) => cookie.until > nowMs() && under(cookie))
      .map(({ name, value }) => `${name}=${value}`)
      .join('; ')
  }

  /**
   * Loads an address, or posts to it from a page, and follows where it leads.
   * @throws Trouble when nobody answers there, or it leads on without end
   */
  async load(address: URL, posted?: { fields: URLSearchParams; from: string }): Promise<Page | Left> {
    let url = address
    let body = posted
    for (let hop = 0; hop <= MOST_REDIRECTS; hop++) {
      if (!this.home.has(url.origin)) return { to: url }
      const answer = await fetch(url, {
        redirect: 'manual',
        signal: AbortSignal.timeout(TIMEOUT_MS),
        headers: {
          cookie: this.#sent(url),
          accept: 'text/html,application/json;q=0.9,*/*;q=0.8',
          ...(body && { origin: body.from }),
        },
        ...(body && { method: 'POST', body: body.fields }),
      }).catch((error: unknown) => {
        throw new Trouble(`${url.origin} does not answer (${reason(error)}).`)
      })
      for (const line of answer.headers.getSetCookie()) this.#keep(line, url)
      const location = answer.headers.get('location')
      if (answer.status < 300 || answer.status > 399 || location === null) {
        const text = await answer.text().catch(() => '')
        return { url, status: answer.status, body: text.slice(0, MOST_CHARACTERS) }
      }
      await answer.body?.cancel()
      if (!URL.canParse(location, url)) throw new Trouble(`${url.href} redirects to no address.`)
      url = new URL(location, url)
      if (answer.status !== 307 && answer.status !== 308) body = undefined
    }
    throw new Trouble(`${address.origin} redirects in circles.`)
  }
}
