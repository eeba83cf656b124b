/** The person in the middle: prompts, freshness, consent (CON1, CON2), CSRF3, STP3, tabs and strangers' browsers. */
import { decodeJwt } from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as oidc from './index'
import { type App, ask, newApp, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, type Stopped, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let app: App
let user: string

beforeAll(async () => {
  portal = await startPortal()
  app = await newApp()
  user = await newUser(stores.sql)
  return () => portal.stop()
})

afterEach(() => {
  vi.useRealTimers()
  setClock(null)
})

const view = (at: Stopped): oidc.InteractionView => JSON.parse(at.body).view
const error = (at: Stopped) => at.url.searchParams.get('error')
const code = (at: Stopped) => at.url.searchParams.get('code')

async function signedInBrowser(): Promise<Browser> {
  const browser = new Browser(portal)
  await signInTo(browser, app, user)
  return browser
}

describe('prompt and max_age', () => {
  it('prompt=none: login_required, consent_required, or a code without a page', async () => {
    const browser = new Browser(portal)
    expect(error(await browser.go(ask(portal, app, { prompt: 'none' }).url))).toBe('login_required')
    await browser.signIn(user)
    const fresh = await newApp()
    expect(error(await browser.go(ask(portal, fresh, { prompt: 'none' }).url))).toBe('consent_required')
    await signInTo(browser, app, user)
    expect(code(await browser.go(ask(portal, app, { prompt: 'none' }).url))).toBeTruthy()
    expect(error(await browser.go(ask(portal, app, { prompt: 'none login' }).url))).toBe('invalid_request')
  })

  it('prompt=login asks for a fresh proof, keeps the session id, and tokens of other apps live on', async () => {
    const browser = new Browser(portal)
    const first = await signInTo(browser, app, user)
    const asked = ask(portal, app, { prompt: 'login' })
    const at = await browser.go(asked.url)
    expect(at.url.pathname).toBe('/signin/start')
    expect(view(at).reasons).toEqual(['login_prompt'])
    expect(view(at).params.prompt).toEqual(['login'])
    // Coming back without a proof is sent to sign in again.
    const skipped = await browser.go(`/oidc/auth/${view(at).uid}`)
    expect(skipped.url.pathname).toBe('/signin/start')
    const done = await browser.signIn(user, skipped)
    const tokens = await redeem(portal, app, code(done) ?? '', asked.verifier)
    expect(decodeJwt(tokens.json.id_token).sid).toBe(decodeJwt(first.json.id_token).sid)
    expect(Number(decodeJwt(tokens.json.id_token).auth_time)).toBeGreaterThanOrEqual(
      Number(decodeJwt(first.json.id_token).auth_time),
    )
    expect((await refresh(portal, app, first.json.refresh_token)).status).toBe(200)
  })

  it('a sign-in in the same second before prompt=login does not count', async () => {
    const browser = await signedInBrowser()
    for (let i = 0; i < 5; i++) {
      await browser.signIn(user)
      const at = await browser.go(ask(portal, app, { prompt: 'login' }).url)
      expect(at.url.pathname).toBe('/signin/start')
    }
  })

  it('max_age is judged by when the person last proved who they are', async () => {
    const browser = await signedInBrowser()
    expect(code(await browser.go(ask(portal, app, { max_age: '1000' }).url))).toBeTruthy()
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 2_000_000 })
    setClock(() => Date.now())
    const stale = await browser.go(ask(portal, app, { max_age: '1000' }).url)
    expect(view(stale).reasons).toEqual(['max_age'])
    expect(view(stale).params.maxAge).toBe(1000)
    expect(error(await browser.go(ask(portal, app, { max_age: '1000', prompt: 'none' }).url))).toBe(
      'login_required',
    )
    const done = await browser.signIn(user, stale)
    expect(code(done)).toBeTruthy()
  })

  it('max_age_is_not_met_by_a_word_that_nobody_dates', async () => {
    const browser = new Browser(portal)
    const asked = await browser.go(ask(portal, app, { max_age: '1000' }).url)
    const again = await browser.signIn(user, asked, { undated: true })
    expect([again.url.pathname, view(again).reasons]).toEqual(['/signin/start', ['max_age']])
    const silent = ask(portal, app, { max_age: '1000', prompt: 'none' })
    expect(error(await browser.go(silent.url))).toBe('login_required')
    // It is a sign-in all the same: to apps that do not ask when, and under a limit that is the operator's.
    expect(code(await browser.go(ask(portal, app).url))).toBeTruthy()
    const limited = await newApp({ firstParty: true, sessionMaxMinutes: 480 })
    expect(code(await browser.go(ask(portal, limited).url))).toBeTruthy()
    const forced = await browser.go(ask(portal, app, { prompt: 'login' }).url)
    expect(code(await browser.signIn(user, forced, { undated: true }))).toBeTruthy()
    // What is proven here beside it, or after it, has a time.
    expect(code(await browser.signIn(user, again))).toBeTruthy()
  })

  it('max_age=0 is prompt=login; max_age=1 does not turn in circles over a slow consent', async () => {
    const browser = await signedInBrowser()
    expect((await browser.go(ask(portal, app, { max_age: '0' }).url)).url.pathname).toBe('/signin/start')
    const slow = await newApp()
    const at = await browser.signIn(user, await browser.go(ask(portal, slow, { max_age: '0' }).url))
    expect(at.url.pathname).toBe('/consent')
    expect(code(await browser.allow(at))).toBeTruthy()
  })

  it('login_hint reaches the page; id_token_hint of another user is answered, not circled', async () => {
    const browser = new Browser(portal)
    const at = await browser.go(
      ask(portal, app, { login_hint: 'ada@example.com', ui_locales: 'de en', acr_values: 'aal2' }).url,
    )
    expect(view(at).params).toMatchObject({
      loginHint: 'ada@example.com',
      uiLocales: ['de', 'en'],
      acrValues: ['aal2'],
    })
    const other = await newUser(stores.sql, 'Grace', 'Hopper')
    const theirs = await signInTo(new Browser(portal), app, other)
    const hinted = await browser.go(ask(portal, app, { id_token_hint: theirs.json.id_token }).url)
    expect(view(hinted).demands.subject).toBe(other)
    expect(error(await browser.signIn(user, hinted))).toBe('login_required')
    const same = await new Browser(portal).go(
      ask(portal, app, { id_token_hint: theirs.json.id_token, prompt: 'none' }).url,
    )
    expect(error(same)).toBe('login_required')
  })

  it('an essential acr that cannot be reached is told to the app', async () => {
    const browser = await signedInBrowser()
    const claims = JSON.stringify({ id_token: { acr: { essential: true, values: ['aal2'] } } })
    const at = await browser.go(ask(portal, app, { claims }).url)
    expect(view(at).reasons).toEqual(['acr'])
    expect(error(await browser.signIn(user, at))).toBe('unmet_authentication_requirements')
  })

  it('prompt=create begins with a fresh sign-in, and says so to the pages', async () => {
    const browser = await signedInBrowser()
    const at = await browser.go(ask(portal, app, { prompt: 'create' }).url)
    expect(view(at)).toMatchObject({ prompt: 'login', params: { prompt: ['create'] } })
    expect(code(await browser.signIn(user, at))).toBeTruthy()
  })

  it('prompt=select_account is refused, as discovery says', async () => {
    expect(error(await new Browser(portal).go(ask(portal, app, { prompt: 'select_account' }).url))).toBe(
      'invalid_request',
    )
  })
})

describe('CON1: consent', () => {
  it('is asked once, remembered, and asked again for new scopes only', async () => {
    const browser = new Browser(portal)
    const mine = await newApp()
    await signInTo(browser, mine, user, { scope: 'openid' })
    const more = ask(portal, mine, { scope: 'openid profile email' })
    const at = await browser.go(more.url)
    expect(view(at)).toMatchObject({
      prompt: 'consent',
      missingScopes: ['profile', 'email'],
      allScopes: ['openid', 'profile', 'email'],
    })
    const done = await browser.allow(at)
    const { json } = await redeem(portal, mine, code(done) ?? '', more.verifier)
    expect(json.scope.split(' ').sort()).toEqual(['email', 'openid', 'profile'])
    expect(code(await browser.go(ask(portal, mine).url))).toBeTruthy()
    // A narrower request does not get what an earlier one was given.
    const less = await signInTo(browser, mine, user, { scope: 'openid' })
    expect((await userinfo(portal, less.json.access_token)).json).toEqual({ sub: user })
  })

  it('prompt=consent asks even when remembered', async () => {
    const browser = await signedInBrowser()
    const at = await browser.go(ask(portal, app, { prompt: 'consent' }).url)
    expect(at.url.pathname).toBe('/consent')
    expect(code(await browser.allow(at))).toBeTruthy()
  })

  it('declined is access_denied, with state and iss, and remembers nothing', async () => {
    const mine = await newApp()
    const browser = new Browser(portal)
    const asked = ask(portal, mine)
    const at = await browser.signIn(user, await browser.go(asked.url))
    const uid = at.url.searchParams.get('request') ?? ''
    const denied = await browser.post('/consent', { request: uid, decision: 'deny' })
    expect(Object.fromEntries(denied.url.searchParams)).toMatchObject({
      error: 'access_denied',
      state: asked.state,
      iss: portal.issuer,
    })
    expect((await browser.go(ask(portal, mine).url)).url.pathname).toBe('/consent')
  })

  it('first-party apps skip the page, by flag alone, and honour prompt=consent', async () => {
    const ours = await newApp({ firstParty: true })
    const browser = await signedInBrowser()
    expect((await browser.go(ask(portal, ours).url)).hops).toBe(1)
    expect((await browser.go(ask(portal, ours, { prompt: 'consent' }).url)).url.pathname).toBe('/consent')
  })

  it('revoked: the page comes back', async () => {
    const browser = await signedInBrowser()
    await oidc.grants.revoke(user, app.clientId)
    expect((await browser.go(ask(portal, app).url)).url.pathname).toBe('/consent')
    await signInTo(browser, app, user)
  })

  it('single claims asked for by name are consented to, and shown in the ID token', async () => {
    const mine = await newApp()
    const browser = await signedInBrowser()
    const claims = JSON.stringify({ id_token: { email: null }, userinfo: { given_name: null } })
    const asked = ask(portal, mine, { scope: 'openid', claims })
    const at = await browser.go(asked.url)
    expect(view(at).missingClaims.sort()).toEqual(['email', 'given_name'])
    // The page says so in the words of the scopes they belong to: nobody consents to what was not named.
    expect(view(at).newScopes.sort()).toEqual(['email', 'openid', 'profile'])
    const { json } = await redeem(portal, mine, code(await browser.allow(at)) ?? '', asked.verifier)
    expect(decodeJwt(json.id_token)).toMatchObject({ email: expect.stringContaining('@example.com') })
    expect(decodeJwt(json.id_token)).not.toHaveProperty('name')
    expect((await userinfo(portal, json.access_token)).json).toEqual({ sub: user, given_name: 'Ada' })
  })

  it('claims asked for later by an app that has its scopes are named on the page too', async () => {
    const mine = await newApp()
    const browser = await signedInBrowser()
    await signInTo(browser, mine, user, { scope: 'openid' })
    const claims = JSON.stringify({ userinfo: { email: null, roles: null } })
    const at = await browser.go(ask(portal, mine, { scope: 'openid', claims }).url)
    expect(at.url.pathname).toBe('/consent')
    expect(view(at)).toMatchObject({ missingScopes: [], newScopes: ['email', 'roles'] })
  })

  it('claims in the ID token only for apps set so', async () => {
    const lean = await signInTo(new Browser(portal), app, user)
    expect(decodeJwt(lean.json.id_token)).not.toHaveProperty('email')
    const rich = await signInTo(new Browser(portal), await newApp({ claimsInIdToken: true }), user)
    expect(decodeJwt(rich.json.id_token)).toMatchObject({ name: 'Ada Lovelace', email: expect.any(String) })
  })
})

describe('CON2: what was asked cannot be changed afterwards', () => {
  it('consent_post_with_other_client_scope_or_redirect', async () => {
    const mine = await newApp()
    const browser = await signedInBrowser()
    const asked = ask(portal, mine, { scope: 'openid' })
    const at = await browser.go(asked.url)
    const done = await browser.post('/consent', {
      request: at.url.searchParams.get('request') ?? '',
      decision: 'allow',
      client_id: app.clientId,
      scope: 'openid email phone roles',
      response_type: 'token',
      redirect_uri: 'https://evil.example.com/',
    })
    expect(done.url.href.startsWith(mine.redirectUri)).toBe(true)
    const { json } = await redeem(portal, mine, code(done) ?? '', asked.verifier)
    expect(json.scope).toBe('openid')
  })

  it('consent_of_another_browser_or_user', async () => {
    const mine = await newApp()
    const browser = await signedInBrowser()
    const at = await browser.go(ask(portal, mine).url)
    const request = at.url.searchParams.get('request') ?? ''
    const stranger = await signedInBrowser()
    expect((await stranger.post('/consent', { request, decision: 'allow' })).status).toBe(410)
    expect(view(await stranger.go(`/consent?request=${request}`))).toBeNull()
    // The same browser, but someone else signed in meanwhile: the question is put to them.
    const other = await newUser(stores.sql, 'Grace', 'Hopper')
    await browser.signIn(other)
    const again = await browser.post('/consent', { request, decision: 'allow' })
    expect(again.url.pathname).toBe('/consent')
    expect(view(again).account?.id).toBe(other)
    expect((await oidc.grants.list(other)).length).toBe(0)
  })

  it('consent_under_way_of_a_session_that_just_ended_is_none', async () => {
    const mine = await newApp()
    const owner = await newUser(stores.sql)
    const browser = new Browser(portal)
    await browser.signIn(owner)
    const at = await browser.go(ask(portal, mine).url)
    const request = at.url.searchParams.get('request') ?? ''
    const caller = testCaller({ cookies: Object.fromEntries(browser.cookies) })
    // What the request remembers of the session is from before it ended.
    const facts = await sessions.check(caller.cookies)
    if (!facts) throw new Error('nobody is signed in')
    await sessions.revoke({ userId: owner, all: true }, { reason: 'test' })
    const next = await oidc.approve(request, caller, facts)
    expect((await browser.go(next ?? '')).url.pathname).toBe('/signin/start')
    expect(await oidc.grants.list(owner)).toEqual([])
    const { rows } = await stores.sql(
      `SELECT 1 FROM events WHERE user_id = $1 AND type = 'consent.granted'`,
      [owner],
    )
    expect(rows).toEqual([])
  })
})

describe('CSRF3: a request belongs to the browser that began it', () => {
  it('flow_of_an_attacker_opened_in_a_victims_browser', async () => {
    const attacker = new Browser(portal)
    const at = await attacker.go(ask(portal, app).url)
    const uid = at.url.searchParams.get('request') ?? ''
    const victim = await signedInBrowser()
    expect((await victim.go(at.url)).status).toBe(410)
    expect((await victim.post('/signin', { user, request: uid })).status).toBe(410)
    expect((await victim.go(`/oidc/auth/${uid}`)).status).toBe(400)
    // A cookie of the right name with a made-up value is no help.
    const name = [...attacker.cookies.keys()].find((n) => n.includes('request')) ?? ''
    victim.cookies.set(name, 'x'.repeat(43))
    expect((await victim.go(`/oidc/auth/${uid}`)).status).toBe(400)
  })

  it('two tabs of one browser each end at their own app', async () => {
    const [one, two] = [
      await newApp({ redirectUris: ['http://localhost:4999/one'] }),
      await newApp({ redirectUris: ['http://localhost:4999/two'] }),
    ]
    const browser = new Browser(portal)
    const tabOne = await browser.go(ask(portal, one).url)
    const tabTwo = await browser.go(ask(portal, two).url)
    const consentTwo = await browser.signIn(user, tabTwo)
    const consentOne = await browser.go(tabOne.url)
    expect([consentOne.url.pathname, consentTwo.url.pathname]).toEqual(['/consent', '/consent'])
    expect((await browser.allow(consentOne)).url.pathname).toBe('/one')
    expect((await browser.allow(consentTwo)).url.pathname).toBe('/two')
  })

  it('Back after the end: the request is over, with a page that says so', async () => {
    const browser = new Browser(portal)
    const at = await browser.go(ask(portal, app).url)
    expect(code(await browser.signIn(user, at))).toBeTruthy()
    expect((await browser.go(at.url)).status).toBe(410)
    const resumed = await browser.go(`/oidc/auth/${at.url.searchParams.get('request')}`)
    expect([resumed.status, portal.problems.at(-1)?.error]).toEqual([400, 'request_expired'])
  })

  it('someone who only opens requests does not fill the browser with cookies', async () => {
    const browser = new Browser(portal)
    for (let i = 0; i < 20; i++) await browser.go(ask(portal, app).url)
    expect([...browser.cookies.keys()].filter((n) => n.includes('request')).length).toBeLessThanOrEqual(8)
  })

  it('none of the library’s own cookies leaves, and none is believed', async () => {
    const browser = new Browser(portal)
    const at = await browser.go(ask(portal, app).url)
    expect([...browser.cookies.keys()].every((name) => name.startsWith('gatehouse.'))).toBe(true)
    const uid = at.url.searchParams.get('request') ?? ''
    const forged = await fetch(`${portal.issuer}/auth/${uid}`, {
      headers: {
        cookie: `_op_resume=${uid}; _op_session=x; _interaction_resume=${uid}`,
        accept: 'application/json',
      },
      redirect: 'manual',
    })
    expect(forged.status).toBe(400)
  })
})
