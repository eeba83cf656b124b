/** The demo app of `npm start`, driven as a person would: sign in, refresh, read, sign out. */
import path from 'node:path'
import { pathToFileURL } from 'node:url'
import { beforeAll, describe, expect, it } from 'vitest'
import { freePort } from '../../scripts/free-port.mjs'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as oidc from './index'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let app: { url: string; close(): Promise<void> }
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  const file = path.resolve(import.meta.dirname, '../../e2e/relying-app/app.mjs')
  const { startRelyingApp } = await import(pathToFileURL(file).href)
  const port = await freePort()
  const made = await oidc.clients.add({
    name: 'Demo app',
    redirectUris: [`http://localhost:${port}/callback`],
    postLogoutRedirectUris: [`http://localhost:${port}/`],
  })
  if (!made.ok) throw new Error(made.refusal.code)
  app = await startRelyingApp({ issuer: portal.issuer, ...made.value, port })
  return async () => {
    await app.close()
    await portal.stop()
  }
})

/** One browser for both origins: cookies do not know ports, so the app's have a name of their own. */
function person() {
  const browser = new Browser(portal)
  const jar = new Map<string, string>()
  const visit = async (target: string, init: RequestInit = {}): Promise<{ url: URL; body: string }> => {
    const url = new URL(target, app.url)
    if (url.origin === portal.url) {
      let at = await browser.go(url)
      if (at.url.pathname === '/signin/start') at = await browser.signIn(user, at)
      if (at.url.pathname === '/consent') at = await browser.allow(at)
      return at.url.origin === portal.url ? { url: at.url, body: at.body } : visit(at.url.href)
    }
    const headers = { cookie: [...jar].map(([k, v]) => `${k}=${v}`).join('; '), origin: app.url }
    const res = await fetch(url, { ...init, headers, redirect: 'manual' })
    for (const line of res.headers.getSetCookie()) {
      jar.set(line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1).split(';')[0] ?? '')
    }
    const location = res.headers.get('location')
    return location ? visit(new URL(location, url).href) : { url, body: await res.text() }
  }
  return { browser, visit, press: (action: string) => visit(action, { method: 'POST' }) }
}

describe('the demo app', () => {
  it('signs in, shows claims and userinfo, refreshes, and signs out everywhere', async () => {
    const { visit, press, browser } = person()
    expect((await visit('/')).body).toContain('id="sign-in"')
    const home = await visit('/login')
    expect(home.url.href).toBe(`${app.url}/`)
    expect(home.body).toContain('Hello, Ada Lovelace')
    expect(home.body).toContain(`<dd data-claim="sub">${user}</dd>`)
    expect((await press('/refresh')).body).toContain('<span id="refreshes">1</span>')
    expect((await press('/userinfo')).body).toContain('Userinfo read again.')
    expect((await visit('/login?prompt=none')).body).toContain('Hello, Ada')
    expect((await visit('/login?max_age=0')).body).toContain('Hello, Ada')
    const out = await press('/logout')
    expect([out.url.href, out.body.includes('id="sign-in"')]).toEqual([`${app.url}/`, true])
    expect(await sessions.check(Object.fromEntries(browser.cookies))).toBeNull()
    expect((await visit('/login?prompt=none')).body).toContain('nobody is signed in there')
  })

  it('a session revoked at the portal ends refresh and userinfo', async () => {
    const { visit, press } = person()
    await visit('/login')
    await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    expect((await press('/refresh')).body).toContain('no longer honours')
    expect((await press('/userinfo')).body).toContain('no longer honours')
  })

  it('refuses what did not come from its own pages, and unknown addresses', async () => {
    expect((await fetch(`${app.url}/logout`, { method: 'POST' })).status).toBe(403)
    expect((await fetch(`${app.url}/nothing`)).status).toBe(404)
    expect(
      (await fetch(`${app.url}/backchannel-logout`, { method: 'POST', body: 'logout_token=x' })).status,
    ).toBe(400)
  })
})
