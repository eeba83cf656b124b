/** RP-initiated logout: LGO1, RED3. */
import { beforeAll, describe, expect, it } from 'vitest'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import { type App, newApp, signInTo, userinfo } from './testing/app'
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
