/** Levels of assurance: acr_values, the claims parameter, the app's own level; and what the ID token says (STP3). */
import { decodeJwt } from 'jose'
import * as oauth from 'oauth4webapi'
import * as client from 'openid-client'
import { beforeAll, describe, expect, it } from 'vitest'
import { useStores } from '../testing'
import * as oidc from './index'
import { type App, ask, call, introspect, newApp, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, type Stopped, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  return () => portal.stop()
})

const essential = (...values: string[]) => JSON.stringify({ id_token: { acr: { essential: true, values } } })
const view = (at: Stopped) => JSON.parse(at.body).view as oidc.InteractionView
const error = (at: Stopped) => at.url.searchParams.get('error')

/** Signs in with a password alone, then with both factors; consents on the way. */
async function browserAt(level: 'aal1' | 'aal2', app: App): Promise<Browser> {
  const browser = new Browser(portal)
  await browser.signIn(user, undefined, { second: level === 'aal2' })
  await signInTo(browser, app, user, { acr_values: null })
  return browser
}

/** What the ID token says after a redirect back to the app. */
async function told(app: App, at: Stopped, verifier: string) {
  const code = at.url.searchParams.get('code')
  if (!code) throw new Error(`no code: ${at.status} ${at.url} ${at.body}`)
  const { json } = await redeem(portal, app, code, verifier)
  const { acr, amr, auth_time } = decodeJwt(json.id_token)
  return { acr, amr, authTime: auth_time as number }
}

describe('acr_values are a wish', () => {
  let app: App
  beforeAll(async () => {
    app = await newApp({ firstParty: true })
  })

  it('that a session which reached it grants without a page', async () => {
    const browser = await browserAt('aal2', app)
    const asked = ask(portal, app, { acr_values: 'aal2' })
    const at = await browser.go(asked.url)
    expect(at.hops).toBe(1)
    expect(await told(app, at, asked.verifier)).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] })
  })

  it('asked for once: who steps up gets aal2, and a newer auth_time', async () => {
    const browser = await browserAt('aal1', app)
    const asked = ask(portal, app, { acr_values: 'aal2 aal1' })
    const at = await browser.go(asked.url)
    expect(view(at)).toMatchObject({ prompt: 'login', reasons: ['acr_wished'] })
    expect(oidc.levelWanted(view(at).demands)).toEqual({ level: 'aal2', essential: false })
    const before = Math.floor(Date.now() / 1000)
    const back = await browser.signIn(user, at, { second: true })
    const said = await told(app, back, asked.verifier)
    expect(said).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] })
    expect(said.authTime).toBeGreaterThanOrEqual(before)
  })

  it('who cannot reach it goes on, and the app is told the truth', async () => {
    const browser = await browserAt('aal1', app)
    for (const answer of [(at: Stopped) => browser.goOn(at), (at: Stopped) => browser.signIn(user, at)]) {
      const asked = ask(portal, app, { acr_values: 'aal2' })
      const back = await answer(await browser.go(asked.url))
      expect(await told(app, back, asked.verifier)).toMatchObject({ acr: 'aal1', amr: ['pwd'] })
    }
  })

  it('no reason to fail under prompt=none', async () => {
    const browser = await browserAt('aal1', app)
    const asked = ask(portal, app, { acr_values: 'aal2', prompt: 'none' })
    expect((await told(app, await browser.go(asked.url), asked.verifier)).acr).toBe('aal1')
  })

  it('in order of preference; names we do not know are passed over', async () => {
    const browser = await browserAt('aal1', app)
    for (const acr_values of ['aal1 aal2', 'urn:example:gold', 'urn:example:gold aal1']) {
      expect(error(await browser.go(ask(portal, app, { acr_values }).url)), acr_values).toBeNull()
    }
    const at = await browser.go(ask(portal, app, { acr_values: 'urn:example:gold aal2' }).url)
    expect(view(at).reasons).toEqual(['acr_wished'])
  })

  it('the same by the claims parameter without essential', async () => {
    const browser = await browserAt('aal1', app)
    const claims = JSON.stringify({ id_token: { acr: { values: ['aal2'] } } })
    const asked = ask(portal, app, { claims })
    const at = await browser.go(asked.url)
    expect(view(at).reasons).toEqual(['acr_wished'])
    expect((await told(app, await browser.goOn(at), asked.verifier)).acr).toBe('aal1')
  })
})

describe('an essential acr', () => {
  let app: App
  beforeAll(async () => {
    app = await newApp({ firstParty: true })
  })

  it('is reached by stepping up, or refused to the app', async () => {
    const browser = await browserAt('aal1', app)
    const asked = ask(portal, app, { claims: essential('aal2') })
    const at = await browser.go(asked.url)
    expect(oidc.levelWanted(view(at).demands)).toEqual({ level: 'aal2', essential: true })
    const back = await browser.signIn(user, at, { second: true })
    expect((await told(app, back, asked.verifier)).acr).toBe('aal2')
    const weak = await browserAt('aal1', app)
    const refused = await weak.signIn(
      user,
      await weak.go(ask(portal, app, { claims: essential('aal2') }).url),
    )
    expect(error(refused)).toBe('unmet_authentication_requirements')
  })

  it('essential_acr_cannot_be_undone_by_adding_acr_values', async () => {
    const browser = await browserAt('aal1', app)
    const params = { claims: essential('aal2'), acr_values: 'aal1' }
    const at = await browser.go(ask(portal, app, params).url)
    expect(view(at).reasons).toEqual(['acr'])
    expect(error(await browser.signIn(user, at))).toBe('unmet_authentication_requirements')
    expect(error(await browser.go(ask(portal, app, { ...params, prompt: 'none' }).url))).toBe(
      'login_required',
    )
  })

  it('going back without a proof does not satisfy it', async () => {
    const browser = await browserAt('aal1', app)
    const at = await browser.go(ask(portal, app, { claims: essential('aal2') }).url)
    const again = await browser.goOn(at)
    expect(again.url.pathname).toBe('/signin/start')
    expect(view(again).reasons).toEqual(['acr'])
  })

  it('of a level we do not know is refused before anybody is asked anything', async () => {
    const at = await new Browser(portal).go(ask(portal, app, { claims: essential('urn:example:gold') }).url)
    expect(error(at)).toBe('unmet_authentication_requirements')
  })

  it('by a lower name is told by that name: a session of aal2 has reached aal1 too', async () => {
    const browser = await browserAt('aal2', app)
    const asked = ask(portal, app, { claims: essential('aal1') })
    expect((await told(app, await browser.go(asked.url), asked.verifier)).acr).toBe('aal1')
    const either = ask(portal, app, { claims: essential('aal1', 'aal2') })
    expect((await told(app, await browser.go(either.url), either.verifier)).acr).toBe('aal2')
  })

  it.each(['"aal2"', '{}', 'true'])('with values %s is a request that cannot be read', async (values) => {
    const claims = `{"id_token":{"acr":{"essential":true,"values":${values}}}}`
    expect(error(await new Browser(portal).go(ask(portal, app, { claims }).url))).toBe('invalid_request')
  })

  it('also counts in a pushed request', async () => {
    const browser = await browserAt('aal1', app)
    const asked = ask(portal, app, { claims: essential('aal2') })
    const pushed = await call(portal, '/par', app, Object.fromEntries(asked.url.searchParams))
    expect(pushed.status).toBe(201)
    const start = new URL(`${portal.issuer}/auth`)
    start.search = new URLSearchParams({
      client_id: app.clientId,
      request_uri: pushed.json.request_uri,
    }).toString()
    expect(view(await browser.go(start)).reasons).toEqual(['acr'])
  })
})

describe('an app registered with aal2', () => {
  it('gets no code below it, whatever the request says', async () => {
    const app = await newApp({ firstParty: true, acr: 'aal2' })
    const browser = new Browser(portal)
    await browser.signIn(user)
    const weaker: Record<string, string>[] = [
      {},
      { acr_values: 'aal1' },
      { claims: essential('aal1') },
      { max_age: '9999' },
    ]
    for (const params of weaker) {
      const at = await browser.go(ask(portal, app, params).url)
      expect(view(at).reasons, JSON.stringify(params)).toContain('acr')
      expect(oidc.levelWanted(view(at).demands)).toEqual({ level: 'aal2', essential: true })
      expect(error(await browser.signIn(user, at))).toBe('unmet_authentication_requirements')
    }
    expect(error(await browser.go(ask(portal, app, { prompt: 'none' }).url))).toBe('login_required')
    const asked = ask(portal, app)
    const back = await browser.signIn(user, await browser.go(asked.url), { second: true })
    expect((await told(app, back, asked.verifier)).acr).toBe('aal2')
  })

  it('a_session_that_fell_below_the_level_of_an_app_serves_none_of_its_tokens', async () => {
    const app = await newApp({ firstParty: true, acr: 'aal2' })
    const other = await newApp({ firstParty: true })
    const browser = await browserAt('aal2', app)
    const mine = await signInTo(browser, app, user)
    const theirs = await signInTo(browser, other, user)
    expect((await userinfo(portal, mine.json.access_token)).status).toBe(200)
    await browser.signIn(user)
    expect((await userinfo(portal, mine.json.access_token)).status).toBe(401)
    expect((await introspect(portal, app, mine.json.access_token)).json).toEqual({ active: false })
    expect((await refresh(portal, app, mine.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, theirs.json.access_token)).status).toBe(200)
  })

  it('can be switched over while it runs; the tokens it has from less are dead', async () => {
    const app = await newApp({ firstParty: true })
    const browser = await browserAt('aal1', app)
    const { json } = await signInTo(browser, app, user)
    const waiting = await browser.go(ask(portal, app, { prompt: 'login' }).url)
    expect(await oidc.clients.update(app.clientId, { acr: 'aal2' })).toMatchObject({
      ok: true,
      value: { acr: 'aal2' },
    })
    expect((await oidc.clients.get(app.clientId))?.acr).toBe('aal2')
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    // A request that began before is judged by what holds now.
    expect(error(await browser.signIn(user, waiting))).toBe('unmet_authentication_requirements')
    await oidc.clients.update(app.clientId, { acr: 'aal1' })
    expect((await oidc.clients.get(app.clientId))?.acr).toBe('aal1')
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    const gone = await oidc.clients.update('nobody', { acr: 'aal2' })
    expect(gone.ok ? null : gone.refusal.code).toBe('not_found')
  })
})

describe('a trusted browser', () => {
  /** Signed in with both factors and trusted, signed out, and signed in again by the password alone. */
  async function skipped(app: App): Promise<Browser> {
    const browser = new Browser(portal)
    await browser.signIn(user, undefined, { second: true, trust: true })
    browser.cookies.delete('gatehouse.session')
    await signInTo(browser, app, user)
    const { rows } = await stores.sql(
      'SELECT second_skipped FROM sessions WHERE user_id = $1 ORDER BY created_at DESC LIMIT 1',
      [user],
    )
    expect(rows).toEqual([{ second_skipped: true }])
    return browser
  }

  it('what_was_skipped_is_not_claimed: acr and amr say what was proven', async () => {
    const app = await newApp({ firstParty: true })
    const browser = await skipped(app)
    const asked = ask(portal, app)
    const at = await browser.go(asked.url)
    expect(at.hops).toBe(1)
    expect(await told(app, at, asked.verifier)).toMatchObject({ acr: 'aal1', amr: ['pwd'] })
  })

  it('spares nobody the level that an app asks for', async () => {
    const app = await newApp({ firstParty: true })
    for (const params of [{ acr_values: 'aal2' }, { claims: essential('aal2') }] as Record<
      string,
      string
    >[]) {
      const browser = await skipped(app)
      const asked = ask(portal, app, params)
      const at = await browser.go(asked.url)
      expect(at.url.pathname).toBe('/signin/start')
      const back = await browser.signIn(user, at, { second: true })
      expect((await told(app, back, asked.verifier)).acr).toBe('aal2')
    }
    const strict = await newApp({ firstParty: true, acr: 'aal2' })
    const browser = await skipped(app)
    expect(view(await browser.go(ask(portal, strict).url)).reasons).toEqual(['acr'])
  })
})

describe('step-up from an app', () => {
  it('openid-client: acr_values and max_age, then a true acr and auth_time', async () => {
    const app = await newApp({ firstParty: true })
    const browser = await browserAt('aal1', app)
    const config = await client.discovery(
      new URL(portal.issuer),
      app.clientId,
      {},
      client.ClientSecretBasic(app.clientSecret),
      { execute: [client.allowInsecureRequests] },
    )
    const pkceCodeVerifier = client.randomPKCECodeVerifier()
    const start = client.buildAuthorizationUrl(config, {
      redirect_uri: app.redirectUri,
      scope: 'openid',
      acr_values: 'aal2',
      max_age: '300',
      code_challenge: await client.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
    })
    const at = await browser.go(start)
    expect(at.url.pathname).toBe('/signin/start')
    const { url } = await browser.signIn(user, at, { second: true })
    const tokens = await client.authorizationCodeGrant(config, url, { pkceCodeVerifier, maxAge: 300 })
    expect(tokens.claims()).toMatchObject({ acr: 'aal2', amr: ['pwd', 'otp', 'mfa'] })
    // A refresh repeats what the sign-in was, not what the session is now (Core section 12.2).
    const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(next.claims()).toMatchObject({ acr: 'aal2', auth_time: tokens.claims()?.auth_time })
  })

  it('oauth4webapi: an essential acr by claims', async () => {
    const app = await newApp({ firstParty: true })
    const browser = await browserAt('aal1', app)
    const insecure = { [oauth.allowInsecureRequests]: true }
    const issuer = new URL(portal.issuer)
    const as = await oauth.processDiscoveryResponse(issuer, await oauth.discoveryRequest(issuer, insecure))
    expect(as.acr_values_supported).toEqual(['aal1', 'aal2'])
    expect(as.claims_parameter_supported).toBe(true)
    const me: oauth.Client = { client_id: app.clientId, id_token_signed_response_alg: 'ES256' }
    const asked = ask(portal, app, { claims: essential('aal2'), nonce: null })
    const { url } = await browser.signIn(user, await browser.go(asked.url), { second: true })
    const params = oauth.validateAuthResponse(as, me, url, asked.state)
    const answer = await oauth.authorizationCodeGrantRequest(
      as,
      me,
      oauth.ClientSecretBasic(app.clientSecret ?? ''),
      params,
      app.redirectUri,
      asked.verifier,
      insecure,
    )
    const tokens = await oauth.processAuthorizationCodeResponse(as, me, answer)
    expect(oauth.getValidatedIdTokenClaims(tokens)).toMatchObject({ acr: 'aal2' })
  })
})
