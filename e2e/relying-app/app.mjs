/**
 * A small relying app: what an app needs to let people sign in through the portal, and no more. Plain
 * Node and openid-client. It shows what it got; a real app would use it and say nothing.
 *
 *   import { startRelyingApp } from './app.mjs'
 *   const app = await startRelyingApp({ issuer, clientId, clientSecret, port: 3001 })
 */
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { createRemoteJWKSet, decodeProtectedHeader, jwtVerify } from 'jose'
import * as client from 'openid-client'

const STYLE = readFileSync(new URL('./style.css', import.meta.url))
const HOUR_MS = 3_600_000
/** Clocks differ by so much at most. */
const SKEW_SECONDS = 300

/**
 * @typedef {object} Options
 * @property {string} issuer
 * @property {string} clientId
 * @property {string} [clientSecret] none: a public client, PKCE alone
 * @property {number} [port] 0: any free one
 * @property {(server: import('node:http').Server) => Promise<void>} [listen] in place of `port`
 * @property {string} [origin] how browsers reach it; default http://localhost:<port>
 * @property {string} [name]
 * @property {string} [scope]
 */

/**
 * Starts the app. Register `<origin>/callback` as its redirect URI, `<origin>/` as its post-logout
 * redirect URI and `<origin>/backchannel-logout` for back-channel logout, or `<origin>/frontchannel-logout`
 * for front-channel logout. What it checks is what `npx gatehouse clinic` looks for.
 * @param {Options} options
 * @returns {Promise<{ url: string, close(): Promise<void> }>}
 */
export async function startRelyingApp(options) {
  const { issuer, clientId, clientSecret, name = 'Demo app', scope = 'openid profile email' } = options
  /** What each browser is doing: a sign-in that runs, and who is signed in. */
  const sessions = new Map()
  /** Logout tokens that were used, by `jti`, until they expire. */
  const loggedOut = new Map()
  let origin = options.origin ?? ''
  let config = null

  /** The portal's metadata, read when first needed: the app may be up before the portal is. */
  async function portal() {
    // Signatures are checked although TLS would do: who signed is known whatever ends TLS in between.
    const execute = [client.enableNonRepudiationChecks]
    if (issuer.startsWith('http:')) execute.push(client.allowInsecureRequests)
    const auth = clientSecret ? client.ClientSecretBasic(clientSecret) : client.None()
    config ??= await client.discovery(new URL(issuer), clientId, {}, auth, { execute })
    return config
  }

  const cookieName = () => `demo-app-${new URL(origin).port || 'session'}`

  function sessionOf(req, res) {
    const id = new RegExp(`(?:^|; )${cookieName()}=([\\w-]{43})`).exec(req.headers.cookie ?? '')?.[1]
    const found = id && sessions.get(id)
    if (found && found.until > Date.now()) return found
    const fresh = { id: randomBytes(32).toString('base64url'), until: Date.now() + 8 * HOUR_MS }
    if (res) {
      sessions.set(fresh.id, fresh)
      const secure = origin.startsWith('https:') ? '; Secure' : ''
      res.setHeader('Set-Cookie', `${cookieName()}=${fresh.id}; Path=/; HttpOnly; SameSite=Lax${secure}`)
    }
    return fresh
  }

  const pages = {
    'GET /': (req, res) => {
      const session = sessionOf(req)
      const notice = session.notice
      session.notice = undefined
      return show(res, 200, session.user ? signedIn(name, session, notice) : welcome(name, notice))
    },

    'GET /login': async (req, res, url) => {
      const session = sessionOf(req, res)
      const verifier = client.randomPKCECodeVerifier()
      const running = { verifier, state: client.randomState(), nonce: client.randomNonce() }
      // One for each tab: a second sign-in does not end the first.
      session.running = new Map([...(session.running ?? []), [running.state, running]].slice(-5))
      const wanted = {}
      for (const param of ['prompt', 'max_age', 'login_hint', 'acr_values', 'claims', 'ui_locales']) {
        const value = url.searchParams.get(param)
        if (value) wanted[param] = value
      }
      const start = client.buildAuthorizationUrl(await portal(), {
        redirect_uri: `${origin}/callback`,
        scope,
        code_challenge: await client.calculatePKCECodeChallenge(verifier),
        code_challenge_method: 'S256',
        state: running.state,
        nonce: running.nonce,
        ...wanted,
      })
      if (wanted.max_age !== undefined) running.maxAge = Number(wanted.max_age)
      running.level = url.searchParams.get('level')
      return redirect(res, start.href)
    },

    // Before something that matters: both factors, proven in the last five minutes. Essential, so that the
    // portal says so when that cannot be had; the app looks at the ID token all the same.
    'GET /step-up': (_req, res) => {
      const claims = { id_token: { acr: { essential: true, values: ['aal2'] } } }
      const query = new URLSearchParams({ claims: JSON.stringify(claims), max_age: '300', level: 'aal2' })
      return redirect(res, `/login?${query}`)
    },

    'GET /callback': async (req, res, url) => {
      const before = sessionOf(req)
      const state = url.searchParams.get('state') ?? ''
      const running = before.running?.get(state)
      if (!running) return redirect(res, '/')
      before.running.delete(state)
      try {
        const tokens = await client.authorizationCodeGrant(
          await portal(),
          new URL(url.search, `${origin}/callback`),
          {
            pkceCodeVerifier: running.verifier,
            expectedState: running.state,
            expectedNonce: running.nonce,
            idTokenExpected: true,
            ...(running.maxAge !== undefined && { maxAge: running.maxAge }),
          },
        )
        checkMore(tokens)
        // A new session id at every sign-in: one that was planted before is worth nothing.
        sessions.delete(before.id)
        const session = sessionOf({ headers: {} }, res)
        session.running = before.running
        keep(session, tokens)
        if (running.level) session.notice = steppedUp(session.user, running.level)
        session.info = await client.fetchUserInfo(await portal(), tokens.access_token, session.user.sub)
      } catch (error) {
        before.notice = { bad: true, text: explain(error) }
      }
      return redirect(res, '/')
    },

    'POST /refresh': (req, res) =>
      act(req, res, async (session) => {
        keep(session, await client.refreshTokenGrant(await portal(), session.refreshToken))
        session.notice = { text: 'Tokens refreshed: a new access token and a new refresh token.' }
      }),

    'POST /userinfo': (req, res) =>
      act(req, res, async (session) => {
        session.info = await client.fetchUserInfo(await portal(), session.accessToken, session.user.sub)
        session.notice = { text: 'Userinfo read again.' }
      }),

    'POST /logout': async (req, res) => {
      const session = sessionOf(req)
      sessions.delete(session.id)
      if (!session.user) return redirect(res, '/')
      const end = client.buildEndSessionUrl(await portal(), {
        id_token_hint: session.idToken,
        post_logout_redirect_uri: `${origin}/`,
      })
      return redirect(res, end.href)
    },

    'POST /backchannel-logout': async (req, res) => {
      const token = new URLSearchParams(await body(req)).get('logout_token') ?? ''
      try {
        const keys = createRemoteJWKSet(new URL((await portal()).serverMetadata().jwks_uri ?? ''))
        const { payload } = await jwtVerify(token, keys, {
          issuer,
          audience: clientId,
          typ: 'logout+jwt',
          requiredClaims: ['iat', 'exp', 'jti'],
        })
        const event = payload.events?.['http://schemas.openid.net/event/backchannel-logout']
        if (!event || 'nonce' in payload || !(payload.sid || payload.sub))
          throw new Error('not a logout token')
        // Each is good once: the next session may have the same sid.
        if (loggedOut.has(payload.jti)) throw new Error('used before')
        loggedOut.set(payload.jti, payload.exp * 1000)
        end((user) => (payload.sid ? user.sid === payload.sid : user.sub === payload.sub))
        res.writeHead(200, { 'Cache-Control': 'no-store' }).end()
      } catch {
        res.writeHead(400, { 'Cache-Control': 'no-store' }).end()
      }
    },

    // In an invisible frame of the portal's page: this browser's session, if it is the one that is named.
    'GET /frontchannel-logout': (req, res, url) => {
      const { user } = sessionOf(req)
      const [iss, sid] = [url.searchParams.get('iss'), url.searchParams.get('sid')]
      if (user && iss === user.iss && sid === user.sid) end((one) => one === user)
      else if (user) return res.writeHead(400).end()
      const policy = `default-src 'none'; frame-ancestors ${new URL(issuer).origin}`
      res.writeHead(200, { 'Cache-Control': 'no-store', 'Content-Security-Policy': policy }).end()
    },

    'GET /style.css': (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'text/css; charset=utf-8', 'Cache-Control': 'max-age=60' })
      res.end(STYLE)
    },

    'GET /favicon.ico': (_req, res) => {
      res.writeHead(200, { 'Content-Type': 'image/svg+xml', 'Cache-Control': 'max-age=3600' })
      res.end(MARK.replace('<svg ', '<svg xmlns="http://www.w3.org/2000/svg" color="#0c7a6b" '))
    },
  }

  /** Ends the sessions of these people; a sign-in that is under way becomes a session of its own. */
  function end(whose) {
    for (const [id, { user, until, running }] of sessions)
      if (user && whose(user)) sessions.set(id, { id, until, running })
  }

  async function act(req, res, work) {
    const session = sessionOf(req)
    if (!session.user) return redirect(res, '/')
    try {
      await work(session)
    } catch (error) {
      session.notice = { bad: true, text: explain(error) }
    }
    return redirect(res, '/')
  }

  const server = createServer(async (req, res) => {
    const url = new URL(req.url ?? '/', origin)
    const own = url.pathname === '/backchannel-logout'
    const page = pages[`${req.method === 'HEAD' ? 'GET' : req.method} ${url.pathname}`]
    for (const [header, value] of Object.entries(HEADERS)) res.setHeader(header, value)
    try {
      if (!page)
        return show(res, 404, frame(name, '<h1>Nothing here</h1><p><a href="/">Back to the start</a></p>'))
      if (req.method === 'POST' && !own && req.headers.origin !== origin) return res.writeHead(403).end()
      await page(req, res, url)
    } catch (error) {
      if (res.headersSent) return res.destroy()
      show(
        res,
        502,
        frame(
          name,
          `<h1>The portal does not answer</h1><p>${html(explain(error))}</p><p><a href="/">Back to the start</a></p>`,
        ),
      )
    }
  })
  const sweep = setInterval(() => {
    for (const [id, session] of sessions) if (session.until < Date.now()) sessions.delete(id)
    for (const [jti, until] of loggedOut) if (until < Date.now()) loggedOut.delete(jti)
  }, HOUR_MS)
  sweep.unref()
  if (options.listen) await options.listen(server)
  else
    await new Promise((resolve, reject) => {
      server.once('error', reject)
      server.listen(options.port ?? 0, resolve)
    })
  origin ||= `http://localhost:${server.address().port}`
  return {
    url: origin,
    close: () =>
      new Promise((resolve) => {
        clearInterval(sweep)
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

/** What openid-client leaves to the app: a token from another day, and an access token that is another's. */
function checkMore(tokens) {
  const { iat, at_hash: hash } = tokens.claims()
  if (Math.abs(Date.now() / 1000 - iat) > SKEW_SECONDS) throw new Error('the ID token was not made just now')
  if (hash === undefined) return
  const { alg } = decodeProtectedHeader(tokens.id_token)
  const digest = createHash(alg === 'EdDSA' ? 'sha512' : 'sha256')
    .update(tokens.access_token)
    .digest()
  if (hash !== digest.subarray(0, digest.length / 2).toString('base64url'))
    throw new Error('the access token is not the one that the ID token speaks of')
}

function keep(session, tokens) {
  const claims = tokens.claims()
  if (claims) Object.assign(session, { user: claims, idToken: tokens.id_token })
  session.accessToken = tokens.access_token
  session.refreshToken = tokens.refresh_token ?? session.refreshToken
  session.grantedScope = tokens.scope ?? session.grantedScope
  session.refreshes = session.refreshes === undefined ? 0 : session.refreshes + 1
}

/** A request travels through the browser; what counts is what the ID token says. */
function steppedUp({ acr, amr = [], auth_time }, level) {
  if (acr !== level) return { bad: true, text: `Not enough: the ID token says ${acr}, not ${level}.` }
  const seconds = Math.max(0, Math.floor(Date.now() / 1000) - auth_time)
  return { text: `Confirmed with two factors (${amr.join(', ')}), ${seconds} seconds ago.` }
}

async function body(req) {
  let text = ''
  for await (const chunk of req) {
    text += chunk
    if (text.length > 65_536) throw new Error('too long')
  }
  return text
}

/** What a developer wants to read about what went wrong. */
function explain(error) {
  const code = error?.error ?? error?.cause?.error
  const words = {
    access_denied: 'You declined, so the app knows nothing about you.',
    login_required: 'The portal says: nobody is signed in there (login_required).',
    consent_required: 'The portal says: it has to ask you first (consent_required).',
    interaction_required: 'The portal says: it has to show you a page first (interaction_required).',
    unmet_authentication_requirements:
      'The portal could not confirm it with two factors (unmet_authentication_requirements).',
    invalid_grant:
      'The portal no longer honours these tokens (invalid_grant): the session they came from has ended.',
    invalid_token:
      'The portal no longer honours this access token (invalid_token): the session it came from has ended.',
  }
  if (words[code]) return words[code]
  if (error?.status === 401 || error?.cause?.status === 401) return words.invalid_token
  return [code, error?.error_description ?? error?.message].filter(Boolean).join(': ')
}

function redirect(res, location) {
  res.writeHead(303, { Location: location, 'Cache-Control': 'no-store' })
  res.end()
}

function show(res, status, page) {
  res.writeHead(status, { 'Content-Type': 'text/html; charset=utf-8', 'Cache-Control': 'no-store' })
  res.end(page)
}

const HEADERS = {
  // No form-action: after the sign-out form the browser follows redirects to the portal and back.
  'Content-Security-Policy':
    "default-src 'none'; style-src 'self'; img-src 'self' data:; base-uri 'none'; frame-ancestors 'none'",
  'X-Content-Type-Options': 'nosniff',
  'Referrer-Policy': 'same-origin',
}

const html = (text) => String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`)

const MARK =
  '<svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M12 3 4 7.5v9L12 21l8-4.5v-9L12 3Z"/><path d="M4 7.5 12 12l8-4.5M12 12v9"/></svg>'

const frame = (name, main) => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${html(name)}</title>
<link rel="stylesheet" href="/style.css">
<link rel="icon" href="/favicon.ico" type="image/svg+xml">
</head>
<body>
<header>${MARK}<strong>${html(name)}</strong></header>
<main>
${main}
</main>
</body>
</html>`

const noticeOf = (notice) =>
  notice
    ? `<div class="notice${notice.bad ? ' bad' : ''}" role="${notice.bad ? 'alert' : 'status'}" id="notice">${html(notice.text)}</div>`
    : ''

const welcome = (name, notice) =>
  frame(
    name,
    `${noticeOf(notice)}
<h1>An app that knows nobody yet</h1>
<p>It keeps no passwords. It sends you to the portal, and the portal tells it who you are, if you agree.</p>
<div class="row"><a class="button primary" id="sign-in" href="/login">Sign in</a></div>
<section class="card" aria-labelledby="ways">
<h2 id="ways">Other ways to ask</h2>
<ul class="ways">
<li><a id="prompt-login" href="/login?prompt=login">prompt=login</a> <span>prove again who you are</span></li>
<li><a id="prompt-none" href="/login?prompt=none">prompt=none</a> <span>only if nothing has to be shown</span></li>
<li><a id="prompt-consent" href="/login?prompt=consent">prompt=consent</a> <span>ask me again what I allow</span></li>
<li><a id="max-age-0" href="/login?max_age=0">max_age=0</a> <span>a proof of this very moment</span></li>
<li><a id="acr-aal2" href="/login?acr_values=aal2">acr_values=aal2</a> <span>two factors, if you have them</span></li>
</ul>
</section>
<section class="card" aria-labelledby="hint">
<h2 id="hint">login_hint</h2>
<form class="row" action="/login" method="get">
<label for="login_hint">E-mail</label>
<input id="login_hint" name="login_hint" type="email" autocomplete="email" required>
<button class="button" id="sign-in-hint">Sign in as this person</button>
</form>
</section>`,
  )

const list = (claims, id) =>
  `<dl id="${id}">${Object.entries(claims)
    .map(
      ([claim, value]) =>
        `<div><dt>${html(claim)}</dt><dd data-claim="${html(claim)}">${html(typeof value === 'string' ? value : JSON.stringify(value))}</dd></div>`,
    )
    .join('')}</dl>`

const signedIn = (name, session, notice) =>
  frame(
    name,
    `${noticeOf(notice)}
<h1 id="greeting">Hello, ${html(session.info?.name ?? session.info?.email ?? session.user.sub)}</h1>
<p>Signed in through the portal. Tokens refreshed <span id="refreshes">${session.refreshes}</span> times.</p>
<div class="row">
<form method="post" action="/refresh"><button class="button" id="refresh">Refresh</button></form>
<form method="post" action="/userinfo"><button class="button" id="userinfo">Userinfo</button></form>
<form method="post" action="/logout"><button class="button primary" id="sign-out">Sign out</button></form>
</div>
<section class="card" aria-labelledby="step-up-title"><h2 id="step-up-title">Something that matters</h2>
<p>Before it moves money or shows a secret, an app can ask for both factors, proven a moment ago.</p>
<div class="row"><a class="button" id="step-up" href="/step-up">Step up</a></div>
</section>
<section class="card" aria-labelledby="info-title"><h2 id="info-title">Userinfo</h2>${list(session.info ?? {}, 'userinfo-claims')}</section>
<section class="card" aria-labelledby="claims-title"><h2 id="claims-title">ID token</h2>${list(session.user, 'id-token-claims')}</section>
<section class="card" aria-labelledby="again"><h2 id="again">Ask again</h2>
<ul class="ways">
<li><a id="sign-in-again" href="/login">Sign in</a> <span>no question: the portal knows you</span></li>
<li><a id="prompt-login" href="/login?prompt=login">prompt=login</a> <span>prove again who you are</span></li>
<li><a id="prompt-none" href="/login?prompt=none">prompt=none</a> <span>only if nothing has to be shown</span></li>
<li><a id="max-age-0" href="/login?max_age=0">max_age=0</a> <span>a proof of this very moment</span></li>
<li><a id="acr-aal2" href="/login?acr_values=aal2">acr_values=aal2</a> <span>two factors, if you have them</span></li>
</ul></section>`,
  )
