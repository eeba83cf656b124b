/** RP-initiated logout: LGO1, RED3. */
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { setClock } from '../base/clock'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as oidc from './index'
import { type App, ask, newApp, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
const AFTER = 'http://localhost:4999/bye'
let portal: Portal
let app: App
let user: string

beforeAll(async () => {
  portal = await startPortal()
  app = await newApp({ postLogoutRedirectUris: [AFTER] })
  user = await newUser(stores.sql)
  return () => portal.stop()
})

async function signedIn() {
  const browser = new Browser(portal)
  const { json } = await signInTo(browser, app, user)
  const alive = async () => (await sessions.check(Object.fromEntries(browser.cookies))) !== null
  return { browser, idToken: json.id_token as string, access: json.access_token as string, alive }
}

const logout = (params: Record<string, string>) => `/oidc/logout?${new URLSearchParams(params)}`

describe('LGO1', () => {
  it('an app’s own ID token of this session signs out without a question, and tokens die', async () => {
    const s = await signedIn()
    const at = await s.browser.go(
      logout({ id_token_hint: s.idToken, post_logout_redirect_uri: AFTER, state: 'xyz' }),
    )
    expect(at.url.href).toBe(`${AFTER}?state=xyz`)
    expect(await s.alive()).toBe(false)
    expect((await userinfo(portal, s.access)).status).toBe(401)
    const { rows } = await stores.sql(
      `SELECT revoked_reason FROM sessions WHERE user_id = $1 ORDER BY revoked_at DESC NULLS LAST LIMIT 1`,
      [user],
    )
    expect(rows[0].revoked_reason).toBe('signed_out')
  })

  it('by POST too', async () => {
    const s = await signedIn()
    const at = await s.browser.post('/oidc/logout', {
      id_token_hint: s.idToken,
      post_logout_redirect_uri: AFTER,
    })
    expect([at.url.href, await s.alive()]).toEqual([AFTER, false])
  })

  it('bare_get_does_not_sign_out', async () => {
    const s = await signedIn()
    for (const params of [
      {},
      { client_id: app.clientId },
      { client_id: app.clientId, post_logout_redirect_uri: AFTER },
    ]) {
      const at = await s.browser.go(logout(params as Record<string, string>))
      expect(at.url.pathname).toBe('/signout')
      expect(await s.alive()).toBe(true)
    }
  })

  it('hint_of_another_user_another_session_or_another_app_does_not_sign_out', async () => {
    const s = await signedIn()
    const earlier = await signedIn()
    const stranger = new Browser(portal)
    const theirs = await signInTo(stranger, app, await newUser(stores.sql, 'Eve'))
    for (const id_token_hint of [earlier.idToken, theirs.json.id_token]) {
      const at = await s.browser.go(logout({ id_token_hint, post_logout_redirect_uri: AFTER }))
      expect([at.url.pathname, await s.alive()]).toEqual(['/signout', true])
    }
    const other = await newApp()
    const mismatch = await s.browser.go(logout({ id_token_hint: s.idToken, client_id: other.clientId }))
    expect([mismatch.status, await s.alive()]).toEqual([400, true])
  })

  it('forged_hint', async () => {
    const s = await signedIn()
    const [head = '', body = ''] = s.idToken.split('.')
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${body}.`
    for (const id_token_hint of [`${head}.${body}.${'A'.repeat(86)}`, none, 'x', 'a.b.c']) {
      const at = await s.browser.go(logout({ id_token_hint, post_logout_redirect_uri: AFTER }))
      expect([at.url.origin, await s.alive()]).toEqual([portal.url, true])
    }
  })

  it('the question: yes ends the session and returns to the app; another session cannot answer it', async () => {
    const s = await signedIn()
    const at = await s.browser.go(
      logout({ client_id: app.clientId, post_logout_redirect_uri: AFTER, state: 's' }),
    )
    expect(JSON.parse(at.body).view.client).toMatchObject({ id: app.clientId, name: 'Test app' })
    const request = at.url.searchParams.get('request') ?? ''
    const stranger = await signedIn()
    expect((await stranger.browser.post('/signout', { request })).status).toBe(410)
    const done = await s.browser.post('/signout', { request })
    expect([done.url.href, await s.alive(), await stranger.alive()]).toEqual([
      `${AFTER}?state=s`,
      false,
      true,
    ])
    expect((await stranger.browser.post('/signout', { request })).status).toBe(410)
  })

  it('nobody signed in: straight back to the app, or to our page', async () => {
    const browser = new Browser(portal)
    expect(
      (await browser.go(logout({ client_id: app.clientId, post_logout_redirect_uri: AFTER }))).url.href,
    ).toBe(AFTER)
    expect((await browser.go(logout({}))).url.pathname).toBe('/signed-out')
  })

  it('the library’s own pages are not there', async () => {
    const s = await signedIn()
    for (const path of ['/oidc/logout/confirm', '/oidc/logout/success', '/oidc/session/end']) {
      expect((await s.browser.go(path)).status).toBe(404)
      expect((await s.browser.post(path, { logout: 'yes', xsrf: 'x' })).status).toBe(404)
    }
    expect(await s.alive()).toBe(true)
  })
})

describe('RED3: post_logout_redirect_uri is compared character by character', () => {
  it.each([
    `${AFTER}/`,
    `${AFTER}?x`,
    'http://localhost:4999.evil.com/bye',
    'https://evil.com',
    'javascript:alert(1)',
    '//evil.com',
    'http://localhost:4999/BYE',
  ])('post_logout_redirect_uri %j', async (uri) => {
    const s = await signedIn()
    const at = await s.browser.go(logout({ id_token_hint: s.idToken, post_logout_redirect_uri: uri }))
    expect([at.status, at.url.origin, await s.alive()]).toEqual([400, portal.url, true])
  })

  it('without knowing the app it is ignored', async () => {
    const at = await new Browser(portal).go(logout({ post_logout_redirect_uri: AFTER }))
    expect(at.url.pathname).toBe('/signed-out')
  })
})

describe('front-channel logout', () => {
  const PAGE = 'http://localhost:4999/front-logout?tenant=1'
  const framesAt = (url: URL) => oidc.signedOut(url.searchParams.get('apps') ?? '')

  it('loads the addresses of apps that have nothing better, with iss and the sid each knows', async () => {
    const browser = new Browser(portal)
    const front = await newApp({ frontchannelLogoutUri: PAGE })
    const both = await newApp({
      frontchannelLogoutUri: PAGE,
      backchannelLogoutUri: 'http://localhost:4999/back',
    })
    const { json } = await signInTo(browser, front, user)
    await signInTo(browser, both, user)
    const { json: asks } = await signInTo(browser, app, user)
    const at = await browser.go(
      logout({ id_token_hint: asks.id_token, post_logout_redirect_uri: AFTER, state: 'xyz' }),
    )
    expect(at.url.pathname).toBe('/signed-out')
    const sid = decodeJwt(json.id_token).sid as string
    const frame = `${PAGE}&${new URLSearchParams({ iss: portal.issuer, sid })}`
    expect(framesAt(at.url)).toEqual({ frames: [frame], returnTo: `${AFTER}?state=xyz` })
    expect(at.url.search).not.toContain(sid)
  })

  it('is not there where no app has only that', async () => {
    const s = await signedIn()
    const at = await s.browser.go(logout({ id_token_hint: s.idToken, post_logout_redirect_uri: AFTER }))
    expect(at.url.href).toBe(AFTER)
  })

  it('address_of_the_page_cannot_be_forged_or_kept', async () => {
    const browser = new Browser(portal)
    const front = await newApp({ frontchannelLogoutUri: PAGE })
    await signInTo(browser, front, user)
    const facts = await sessions.check(Object.fromEntries(browser.cookies))
    const { url } = await oidc.signOut(testCaller(), facts as sessions.SessionFacts)
    const apps = new URL(url).searchParams.get('apps') ?? ''
    expect(oidc.signedOut(apps)?.frames).toHaveLength(1)
    for (const forged of [
      '',
      'x',
      `${apps.slice(0, -2)}${apps.endsWith('AA') ? 'QQ' : 'AA'}`,
      '["https://evil.example"]',
      'a'.repeat(10_000),
    ])
      expect(oidc.signedOut(forged)).toBeNull()
    setClock(() => Date.now() + 11 * 60_000)
    expect(oidc.signedOut(apps)).toBeNull()
    setClock(null)
  })

  it('must be of the app’s own origin', async () => {
    const redirectUris = ['https://app.example/cb']
    for (const frontchannelLogoutUri of [
      'https://evil.example/out',
      'http://app.example/out',
      'https://app.example/out#x',
    ])
      expect(await oidc.clients.add({ name: 'x', redirectUris, frontchannelLogoutUri })).toMatchObject({
        ok: false,
        refusal: { code: 'invalid_input', field: 'frontchannelLogoutUri' },
      })
  })
})

describe('limits of an app', () => {
  it('end its tokens, and make it ask anew, whatever the session is good for elsewhere', async () => {
    const strict = await newApp({ sessionMaxMinutes: 30, firstParty: true })
    const idle = await newApp({ sessionIdleMinutes: 5, firstParty: true })
    const browser = new Browser(portal)
    const first = await signInTo(browser, strict, user)
    const second = await signInTo(browser, idle, user)
    const third = await signInTo(browser, app, user)
    const start = Date.now()
    setClock(() => start + 6 * 60_000)
    expect((await userinfo(portal, second.json.access_token)).status).toBe(401)
    expect((await refresh(portal, idle, second.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, first.json.access_token)).status).toBe(200)
    expect((await userinfo(portal, third.json.access_token)).status).toBe(200)
    // The person is there again: the session is in use, and so is the app.
    expect((await browser.go(ask(portal, idle).url)).url.origin).toBe('http://localhost:4999')
    setClock(() => start + 31 * 60_000)
    expect((await refresh(portal, strict, first.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await refresh(portal, app, third.json.refresh_token)).status).toBe(200)
    const none = await browser.go(ask(portal, strict, { prompt: 'none' }).url)
    expect(none.url.searchParams.get('error')).toBe('login_required')
    expect((await browser.go(ask(portal, strict).url)).url.pathname).toBe('/signin/start')
    // Taken away by the operator, it counts from the next request on.
    expect(await oidc.clients.update(strict.clientId, { sessionMaxMinutes: null })).toMatchObject({
      ok: true,
    })
    expect(
      (await browser.go(ask(portal, strict, { prompt: 'none' }).url)).url.searchParams.get('code'),
    ).not.toBeNull()
    setClock(null)
  })
})
