/**
 * What is measured, one object each. `prepare` runs before the clock for each of the connections and gives
 * the worker; `once` is one iteration (true, or false when its one-use inputs are used up) and throws when
 * an answer is not what it must be; `after` runs when the clock has stopped.
 */
import { authorization, Browser, basic, exchange, expect, patiently } from './browser.mjs'
import { requestText } from './http.mjs'
import { forgetSessions, manySessions, personId, settle } from './seed.mjs'

/** A browser in which person number `index` is signed in (at the bare library: somebody). */
async function signedIn(target, index) {
  const browser = new Browser(target)
  if (target.people) await patiently(() => browser.signIn(target.people[index % target.people.length]))
  return browser
}

/** The same, with the app allowed and tokens in hand. */
async function withTokens(target, index) {
  const browser = await signedIn(target, index)
  const asked = authorization(target)
  const location = await browser.walk(asked.path)
  return { browser, tokens: await exchange(browser.connection, target, asked, location) }
}

/** A device asks for a code. */
async function beginDevice({ connection, target }) {
  const body = new URLSearchParams({ scope: 'openid profile email' }).toString()
  const answer = await connection.post(
    target.paths.device,
    { authorization: basic(target.browserless) },
    body,
  )
  const shown = JSON.parse(expect(answer, 200, true, 'device authorization').body)
  expect(answer, 200, shown.device_code && shown.user_code, 'device authorization')
  return shown
}

const FORM = 'application/x-www-form-urlencoded'
const DEVICE_GRANT = 'urn:ietf:params:oauth:grant-type:device_code'

/** An operation that sends the same request again and again. */
function steady(title, make, good, more = {}) {
  return {
    title,
    ...more,
    prepare: make,
    async once({ browser, request, expected }) {
      const answer = await browser.connection.send(request)
      expect(answer, 200, good(answer, expected), title)
      return true
    },
  }
}

const get = (browser, path, headers) => requestText('GET', browser.connection.host, path, headers)

const document = (title, name, property) =>
  steady(
    title,
    async (target) => {
      const browser = new Browser(target)
      const first = await browser.connection.get(target.paths[name], {})
      expect(first, 200, JSON.parse(first.body)[property], title)
      return { browser, request: get(browser, target.paths[name]), expected: first.body }
    },
    (answer, expected) => answer.body === expected,
    { library: true },
  )

export const operations = {
  hello: steady(
    'bare Node hello',
    async (target) => {
      const browser = new Browser(target)
      return { browser, request: get(browser, '/') }
    },
    (answer) => answer.body === 'hello',
    { hidden: true },
  ),

  session: steady(
    'session check',
    async (target, index) => {
      const browser = await signedIn(target, index)
      const { userId } = await browser.session()
      const cookie = browser.cookies.header('gatehouse.session')
      return { browser, request: get(browser, '/api/session', { cookie }), expected: `"userId":"${userId}"` }
    },
    (answer, expected) => answer.body.includes(expected),
  ),

  'signin-page': steady(
    'sign-in page',
    async (target) => {
      const browser = new Browser(target)
      const flow = await browser.beginSignIn()
      return { browser, request: get(browser, `/signin?flow=${flow}`, browser.headers()), expected: flow }
    },
    (answer, flow) =>
      answer.body.includes(`value="${flow}"`) &&
      answer.body.includes('name="password"') &&
      answer.body.includes('</html>'),
  ),

  signin: {
    title: 'password sign-in',
    /** Flows made ahead for each second: more than one core can hash. */
    stockPerSecond: 130,
    async prepare(target, index, { stock }) {
      const browser = new Browser(target)
      const { people } = target
      const of = (turn) => people[(index * 7 + turn) % people.length]
      // The browser is known to everyone it is used by here, as a returning person's is.
      for (let turn = 0; turn < 4; turn++) {
        await patiently(() => browser.signIn(of(turn)))
        browser.cookies.forget('gatehouse.session')
      }
      const flows = []
      for (let i = 0; i < stock; i++) flows.push(await patiently(() => browser.beginSignIn()))
      const cookie = browser.cookies.header('gatehouse.browser', 'gatehouse.device')
      return {
        browser,
        flows,
        of,
        turn: 0,
        headers: { ...browser.headers({ origin: target.origin }), cookie },
      }
    },
    async once(worker) {
      const { browser, flows, of, headers } = worker
      const flow = flows.pop()
      if (!flow) return false
      const email = encodeURIComponent(of(worker.turn++ % 4))
      const body = `flow=${flow}&email=${email}&password=${encodeURIComponent(browser.target.password)}`
      const answer = await browser.connection.post('/signin/password', headers, body)
      const minted = answer.setCookies.some((line) => line.startsWith('gatehouse.session='))
      expect(answer, 303, minted && answer.headers.location === '/account', 'password sign-in')
      worker.last = answer
      return true
    },
    async after({ browser, last }) {
      if (!last) return
      browser.cookies.take(last.setCookies)
      if (!(await browser.session())) throw new Error('a sign-in left no session')
    },
  },

  'whole-signin': {
    title: 'begin, page and password',
    hidden: true,
    async prepare(target, index, { share }) {
      return { browser: new Browser(target), email: target.people[index % target.people.length], left: share }
    },
    async once(worker) {
      if (worker.left-- === 0) return false
      // What is measured is the memory that sign-ins leave behind, not how long one takes.
      await patiently(async () => {
        // Each sign-in comes from a new browser.
        const browser = new Browser(worker.browser.target)
        try {
          const flow = await browser.beginSignIn()
          const page = await browser.visit(`/signin?flow=${flow}`)
          expect(page, 200, page.body.includes('name="password"'), 'sign-in page')
          await browser.signIn(worker.email, flow)
        } finally {
          browser.close()
        }
      })
      return true
    },
  },

  code: {
    title: 'authorize → code → token',
    library: true,
    async prepare(target, index) {
      const { browser } = await withTokens(target, index)
      return { browser, headers: browser.headers({ 'sec-fetch-site': 'cross-site' }) }
    },
    async once({ browser, headers }) {
      const { target, connection } = browser
      const asked = authorization(target)
      const answer = await connection.get(asked.path, headers)
      const location = answer.headers.location ?? ''
      expect(answer, 303, location.startsWith(target.redirectUri), 'authorization request')
      await exchange(connection, target, asked, new URL(location))
      return true
    },
  },

  refresh: {
    title: 'refresh rotation',
    library: true,
    async prepare(target, index) {
      const { browser, tokens } = await withTokens(target, index)
      return { browser, tokens, headers: { authorization: basic(target) } }
    },
    async once(worker) {
      const { browser, headers } = worker
      const before = worker.tokens.refresh_token
      const body = `grant_type=refresh_token&refresh_token=${before}`
      const answer = await browser.connection.post(browser.target.paths.token, headers, body)
      expect(answer, 200, true, 'refresh')
      worker.tokens = JSON.parse(answer.body)
      const { refresh_token: after, access_token: access } = worker.tokens
      expect(answer, 200, access && after && after !== before, 'refresh')
      return true
    },
  },

  machine: steady(
    'client credentials → signed token',
    async (target) => {
      const browser = new Browser(target)
      const headers = { authorization: basic(target.browserless), 'content-type': FORM }
      const body = new URLSearchParams({
        grant_type: 'client_credentials',
        resource: target.api,
        scope: 'bench:read',
      }).toString()
      return {
        browser,
        request: requestText('POST', browser.connection.host, target.paths.token, headers, body),
      }
    },
    // Three parts: a JWT, signed for its API.
    ({ body }) => JSON.parse(body).access_token?.split('.').length === 3,
    { library: true },
  ),

  /**
   * What a device asks of the portal: a code of its own, and tokens for one that a person has allowed. The person's pages are
   * no part of the figures.
   */
  device: {
    title: 'device authorization → token',
    library: true,
    /** Devices allowed ahead for each second; one needs the pages of a person. */
    stockPerSecond: 60,
    async prepare(target, index, { stock }) {
      const browser = await signedIn(target, index)
      const allowed = []
      for (let i = 0; i < stock; i++) {
        await patiently(async () => {
          const shown = await beginDevice(browser)
          await browser.allowDevice(shown.user_code)
          allowed.push(shown.device_code)
        })
      }
      return { browser, allowed }
    },
    async once({ browser, allowed }) {
      const device_code = allowed.pop()
      if (!device_code) return false
      await beginDevice(browser)
      const { target, connection } = browser
      const body = new URLSearchParams({ grant_type: DEVICE_GRANT, device_code }).toString()
      const answer = await connection.post(
        target.paths.token,
        { authorization: basic(target.browserless) },
        body,
      )
      expect(answer, 200, true, 'token of a device')
      const tokens = JSON.parse(answer.body)
      expect(
        answer,
        200,
        tokens.access_token && tokens.id_token && tokens.refresh_token,
        'tokens of a device',
      )
      return true
    },
  },

  userinfo: steady(
    'userinfo',
    async (target, index) => {
      const { browser, tokens } = await withTokens(target, index)
      const headers = { authorization: `Bearer ${tokens.access_token}` }
      return { browser, request: get(browser, target.paths.userinfo, headers) }
    },
    ({ body }) => body.includes('"sub":"') && body.includes('"email":"') && body.includes('"given_name":"'),
    { library: true },
  ),

  introspection: steady(
    'introspection',
    async (target, index) => {
      const { browser, tokens } = await withTokens(target, index)
      const headers = { authorization: basic(target), 'content-type': FORM }
      const body = `token=${tokens.access_token}`
      const request = requestText('POST', browser.connection.host, target.paths.introspection, headers, body)
      return { browser, request, expected: `"client_id":"${target.clientId}"` }
    },
    ({ body }, expected) => body.includes('"active":true') && body.includes(expected),
    { library: true },
  ),

  discovery: document('discovery', 'discovery', 'authorization_endpoint'),
  jwks: document('JWKS', 'jwks', 'keys'),

  devices: devices(100),
  'revoke-all': revokeAll(1000, 16),

  // Only in the large house (bench/scale.mjs).
  'devices-100': { ...devices(100), hidden: true },
  'devices-10000': { ...devices(10_000), connections: 2, hidden: true },
  'revoke-10': { ...revokeAll(10, 16), hidden: true },
  'revoke-10000': { ...revokeAll(10_000, 4), hidden: true },

  'session-10000': {
    ...steady(
      'session check of somebody with 10,000 sessions',
      async (target, index) => {
        const { browser } = await ownerOf(target, index % 2, 10_000)
        const { userId } = await browser.session()
        const cookie = browser.cookies.header('gatehouse.session')
        return {
          browser,
          request: get(browser, '/api/session', { cookie }),
          expected: `"userId":"${userId}"`,
        }
      },
      (answer, expected) => answer.body.includes(expected),
    ),
    hidden: true,
  },

  'session-cold': {
    title: 'session check, read from the table',
    hidden: true,
    total: 256,
    async prepare(target, index, { share }) {
      const cookies = []
      const sids = []
      const browser = await signedIn(target, index)
      for (let i = 0; i < share; i++) {
        const one = await signedIn(target, index + i)
        sids.push((await one.session()).sid)
        cookies.push(one.cookies.header('gatehouse.session'))
        one.close()
      }
      // Until the process has forgotten what it believed, and Redis is made to.
      await new Promise((resolve) => setTimeout(resolve, BELIEVED_MS))
      await forgetSessions(target, sids)
      return { browser, cookies }
    },
    async once({ browser, cookies }) {
      const cookie = cookies.pop()
      if (!cookie) return false
      const answer = await browser.connection.get('/api/session', { cookie })
      expect(answer, 200, answer.body.includes('"userId"'), 'cold session check')
      return true
    },
  },

  activity: {
    ...steady(
      'activity page',
      async (target, index) => {
        const browser = new Browser(target)
        await patiently(() => browser.signIn(target.residents[index % target.residents.length]))
        return { browser, request: get(browser, '/account/activity', browser.headers()) }
      },
      ({ body }) => body.includes('</html>'),
    ),
    hidden: true,
  },
}

/** Longer than a process believes what it knows of a session. */
const BELIEVED_MS = 5500

/** The page of somebody who has so many sessions. */
function devices(count) {
  return steady(
    `devices page, ${count.toLocaleString('en')} sessions`,
    async (target, index) => {
      const { browser, email } = await ownerOf(target, index, count)
      const headers = browser.headers()
      return { browser, request: get(browser, '/account/devices', headers), expected: email }
    },
    ({ body }) => body.split('confirm=').length > 10 && body.includes('</html>'),
  )
}

function revokeAll(count, total) {
  return {
    title: `sign out ${count.toLocaleString('en')} others`,
    connections: 1,
    total,
    async prepare(target, index, { share }) {
      const items = []
      for (let i = 0; i < share; i++) items.push(await revocable(target, index * share + i, count))
      return { browser: new Browser(target), items, done: [] }
    },
    async once({ browser, items, done }) {
      const item = items.pop()
      if (!item) return false
      done.push(item)
      const answer = await browser.connection.post('/account/devices', item.headers, item.body, item.type)
      expect(
        answer,
        303,
        answer.headers.location?.startsWith('/account/devices?ended='),
        'sign out all others',
      )
      return true
    },
    async after({ browser: { target }, items, done }) {
      for (const { browser, other } of done) {
        if (await other.session()) throw new Error('a revoked session still lives')
        if (!(await browser.session())) throw new Error('the revoking session ended too')
      }
      for (const { browser, other } of [...items, ...done]) {
        browser.close()
        other.close()
      }
      // What this leaves for autovacuum to do is not to fall into the next operation's figures.
      await settle(target)
    },
  }
}

/** Somebody signed in who has `count` live sessions. */
async function ownerOf(target, index, count) {
  const email = target.owners[index % target.owners.length]
  const browser = new Browser(target)
  await patiently(() => browser.signIn(email))
  await manySessions(target, await personId(target, email), count)
  return { browser, email }
}

/** Somebody with so many other sessions, one of them in a browser of its own, and the form that ends them all. */
async function revocable(target, index, count) {
  const other = new Browser(target)
  await other.signIn(target.owners[index % target.owners.length])
  const { browser } = await ownerOf(target, index, count + 1)
  const path = '/account/devices?confirm=others'
  const page = await browser.visit(path)
  const form = /<form[^>]*enctype="multipart\/form-data"[^>]*>(.*?)<\/form>/is.exec(page.body)?.[1]
  expect(page, 200, form, 'the form that ends all other sessions')
  const boundary = 'bench-boundary'
  let body = ''
  for (const [tag] of form.matchAll(/<input[^>]*type="hidden"[^>]*>/gi)) {
    const name = /name="([^"]*)"/.exec(tag)?.[1]
    const value = unescapeHtml(/value="([^"]*)"/.exec(tag)?.[1] ?? '')
    body += `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`
  }
  body += `--${boundary}--\r\n`
  const type = `multipart/form-data; boundary=${boundary}`
  return { browser, other, body, type, headers: browser.headers({ origin: target.origin }) }
}

const ENTITIES = { '&quot;': '"', '&amp;': '&', '&lt;': '<', '&gt;': '>', '&#x27;': "'" }
const unescapeHtml = (text) => text.replace(/&(quot|amp|lt|gt|#x27);/g, (entity) => ENTITIES[entity])
