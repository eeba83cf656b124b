/** One browser of one person: its connection, its cookies, and the walks through the portal's pages. */
import { createHash, randomBytes } from 'node:crypto'
import { Connection, Cookies } from './http.mjs'

/** What Chrome sends with a navigation. */
const NAVIGATION = {
  'user-agent':
    'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8',
  'accept-language': 'en-GB,en;q=0.9',
  'accept-encoding': 'gzip, deflate',
  'sec-fetch-site': 'same-origin',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-user': '?1',
  'sec-fetch-dest': 'document',
}

/** Throws unless the answer is as it must be: nothing is measured that did not work. */
export function expect(answer, status, test, what) {
  if (answer.status === status && test) return answer
  const { location = '' } = answer.headers
  const error = new Error(`${what}: ${answer.status} ${location} ${answer.body.slice(0, 300)}`)
  throw Object.assign(error, { status: answer.status })
}

const TRIES = 5
const PAUSE_MS = 2000

/**
 * What only prepares a measurement is tried again when the portal says "come back" (503), as a person's
 * browser would: on a crowded machine a store may take too long now and then.
 */
export async function patiently(attempt) {
  for (let tries = 1; ; tries++) {
    try {
      return await attempt()
    } catch (error) {
      if (error.status !== 503 || tries === TRIES) throw error
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
    }
  }
}

/** Where an answer leads: a redirect, or the page that stands for one after a form. */
function onward({ headers, body }) {
  const refresh = /http-equiv="refresh" content="0; ?url=([^"]+)"/i.exec(body)?.[1]
  return headers.location ?? refresh?.replaceAll('&amp;', '&')
}

export class Browser {
  constructor(target) {
    this.target = target
    this.connection = new Connection(target.origin)
    this.cookies = new Cookies()
  }

  headers(more = {}) {
    return { ...NAVIGATION, cookie: this.cookies.header(), ...more }
  }

  async visit(path) {
    const answer = await this.connection.get(path, this.headers())
    this.cookies.take(answer.setCookies)
    return answer
  }

  async submit(path, fields) {
    const headers = this.headers({ origin: this.target.origin })
    const answer = await this.connection.post(path, headers, new URLSearchParams(fields).toString())
    this.cookies.take(answer.setCookies)
    return answer
  }

  /** Begins a sign-in; gives the flow's id. */
  async beginSignIn() {
    const answer = await this.visit('/signin/start?to=/account')
    const flow = /^\/signin\?flow=([\w-]+)$/.exec(answer.headers.location ?? '')?.[1]
    expect(answer, 303, flow, 'begin of a sign-in')
    return flow
  }

  /** Signs a person in by password and checks that it worked. */
  async signIn(email, flow) {
    const fields = { flow: flow ?? (await this.beginSignIn()), email, password: this.target.password }
    const answer = await this.submit('/signin/password', fields)
    const good = answer.headers.location === '/account' && this.cookies.get('gatehouse.session')
    expect(answer, 303, good, 'password sign-in')
  }

  /** GET /api/session: the facts, or null when nobody is signed in. */
  async session() {
    const answer = await this.connection.get('/api/session', { cookie: this.cookies.header() })
    if (answer.status === 401) return null
    return JSON.parse(expect(answer, 200, true, 'session check').body)
  }

  /** Follows redirects to the relying app's address, answering the consent page; gives that address. */
  async walk(path) {
    const { origin, redirectUri } = this.target
    let answer = await this.visit(path)
    for (let hops = 0; hops < 15; hops++) {
      const location = onward(answer)
      if (location?.startsWith(redirectUri)) return new URL(location)
      if (location) {
        const url = new URL(location, origin)
        answer = await this.visit(url.pathname + url.search)
        continue
      }
      const request = /name="request" value="([^"]+)"/.exec(answer.body)?.[1]
      expect(answer, 200, request, `walk to the app from ${path}`)
      answer = await this.submit('/consent/submit', { request, decision: 'allow' })
    }
    throw new Error(`walk to the app from ${path} goes round in circles`)
  }

  /** Types the code of a device, says yes to it and to the app. */
  async allowDevice(userCode) {
    const { origin, people } = this.target
    if (!people) {
      const typed = await this.visit('/device')
      const xsrf = /name="xsrf" value="([^"]+)"/.exec(typed.body)?.[1]
      expect(typed, 200, xsrf, 'page of the library for a code')
      return this.#follow(await this.submit('/device', { xsrf, user_code: userCode, confirm: 'yes' }))
    }
    const taken = await this.submit('/device/check', { user_code: userCode })
    expect(taken, 303, taken.headers.location === '/device/confirm', 'code of a device')
    const asked = await this.visit('/device/confirm')
    const device = /name="device" value="([^"]+)"/.exec(asked.body)?.[1]
    expect(asked, 200, device, `question about a device at ${origin}`)
    return this.#follow(await this.submit('/device/decide', { device, decision: 'allow' }))
  }

  /** Goes on until a page stands, saying yes where an app is asked about. */
  async #follow(first) {
    let answer = first
    for (let hops = 0; hops < 15; hops++) {
      const location = onward(answer)
      if (location) {
        const url = new URL(location, this.target.origin)
        answer = await this.visit(url.pathname + url.search)
        continue
      }
      const request = /name="request" value="([^"]+)"/.exec(answer.body)?.[1]
      if (!request) return expect(answer, 200, true, 'a device that was allowed')
      answer = await this.submit('/consent/submit', { request, decision: 'allow' })
    }
    throw new Error('a device that was allowed goes round in circles')
  }

  close() {
    this.connection.close()
  }
}

const random = () => randomBytes(24).toString('base64url')

/** A request for a code, as a confidential app with PKCE makes it. */
export function authorization({ paths, clientId, redirectUri }) {
  const [verifier, state, nonce] = [random(), random(), random()].map((part) => part + part)
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    scope: 'openid profile email',
    redirect_uri: redirectUri,
    state,
    nonce,
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  })
  return { path: `${paths.authorization}?${query}`, verifier, state, nonce }
}

export const basic = ({ clientId, clientSecret }) =>
  `Basic ${Buffer.from(`${encodeURIComponent(clientId)}:${encodeURIComponent(clientSecret)}`).toString('base64')}`

/** Exchanges the code in `location`; checks the ID token's nonce and gives the tokens. */
export async function exchange(connection, target, { verifier, state, nonce }, location) {
  const code = location.searchParams.get('code')
  if (!code || location.searchParams.get('state') !== state) throw new Error(`no code in ${location}`)
  const body = new URLSearchParams({
    grant_type: 'authorization_code',
    code,
    redirect_uri: target.redirectUri,
    code_verifier: verifier,
  })
  const answer = await connection.post(target.paths.token, { authorization: basic(target) }, body.toString())
  expect(answer, 200, true, 'token request')
  const tokens = JSON.parse(answer.body)
  const claims = JSON.parse(Buffer.from(tokens.id_token.split('.')[1], 'base64url').toString())
  expect(answer, 200, claims.nonce === nonce && tokens.refresh_token && tokens.access_token, 'tokens')
  return tokens
}
