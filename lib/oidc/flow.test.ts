import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { useStores } from '../testing'
import * as oidc from './index'
import { ask, introspect, newApp, redeem, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal

beforeAll(async () => {
  portal = await startPortal()
  return () => portal.stop()
})

describe('a sign-in to an app', () => {
  it('walks from the app through sign-in and consent to tokens, userinfo, refresh and introspection', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    const asked = ask(portal, app)
    const start = await browser.go(asked.url)
    expect(start.url.pathname).toBe('/signin/start')
    const { view } = JSON.parse(start.body)
    expect(view).toMatchObject({
      prompt: 'login',
      client: { name: 'Test app', redirectOrigin: 'http://localhost:4999' },
    })
    const consent = await browser.signIn(user, start)
    expect(consent.url.pathname).toBe('/consent')
    expect(JSON.parse(consent.body).view).toMatchObject({
      prompt: 'consent',
      missingScopes: ['openid', 'profile', 'email'],
      account: { id: user },
    })
    const landed = await browser.allow(consent)
    expect(landed.url.origin + landed.url.pathname).toBe(app.redirectUri)
    expect(landed.url.searchParams.get('state')).toBe(asked.state)
    expect(landed.url.searchParams.get('iss')).toBe(portal.issuer)
    const tokens = await redeem(portal, app, landed.url.searchParams.get('code') ?? '', asked.verifier)
    expect(tokens.json).toMatchObject({ token_type: 'Bearer', scope: 'openid profile email' })
    expect(decodeJwt(tokens.json.id_token)).toMatchObject({
      sub: user,
      amr: ['pwd'],
      acr: 'aal1',
      aud: app.clientId,
    })
    const info = await userinfo(portal, tokens.json.access_token)
    expect(info.json).toMatchObject({ sub: user, name: 'Ada Lovelace', email_verified: true })
    const next = await refresh(portal, app, tokens.json.refresh_token)
    expect(next.status).toBe(200)
    expect(next.json.refresh_token).not.toBe(tokens.json.refresh_token)
    expect((await introspect(portal, app, next.json.access_token)).json).toMatchObject({
      active: true,
      sub: user,
    })
    expect(browser.cookies.size).toBe(2) // session and device: no request cookie is left
  })

  it('request_that_waits_goes_to_no_address_that_its_app_lost_meanwhile: no code, and no refusal either', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    const start = await browser.go(ask(portal, app).url)
    const [consent, other] = [await browser.signIn(user, start), await browser.go(ask(portal, app).url)]
    const moved = await oidc.clients.update(app.clientId, { redirectUris: ['http://localhost:4998/cb'] })
    expect(moved.ok).toBe(true)
    const no = { request: other.url.searchParams.get('request') ?? '', decision: 'deny' }
    for (const landed of [await browser.allow(consent), await browser.post('/consent', no)]) {
      expect(landed.url.origin).toBe(portal.url)
      expect(landed.status).toBe(400)
    }
  })

  it('takes one redirect with a session and a remembered consent', async () => {
    const user = await newUser(stores.sql)
    const app = await newApp()
    const browser = new Browser(portal)
    await signInTo(browser, app, user)
    const again = await browser.go(ask(portal, app).url)
    expect(again.hops).toBe(1)
    expect(again.url.searchParams.get('code')).toBeTruthy()
  })
})
