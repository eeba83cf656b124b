/** A sign-in that is tried shows what a true one would give, and leaves nothing behind. */
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as oidc from './index'
import { ask, newApp, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
let portal: Portal
let user: string

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  return () => portal.stop()
})

const SCOPES = ['openid', 'profile', 'email', 'phone', 'roles']

async function factsOf(browser: Browser): Promise<sessions.SessionFacts> {
  const facts = await sessions.check(Object.fromEntries(browser.cookies))
  if (!facts) throw new Error('nobody is signed in')
  return facts
}

async function tried(clientId: string, browser: Browser, scopes = SCOPES) {
  const found = await oidc.clients.trial(clientId, await factsOf(browser), scopes)
  if (!found) throw new Error('no such app')
  return found
}

describe('a sign-in that is tried', () => {
  it.each([
    ['as registered by default', {}],
    ['claims in the ID token', { claimsInIdToken: true }],
    ['pairwise', { pairwise: true, redirectUris: ['https://one.example.com/cb'] }],
    ['of two factors', { acr: 'aal2' as const, claimsInIdToken: true }],
  ])('shows_what_the_app_then_gets: %s', async (_, input) => {
    const app = await newApp(input)
    await oidc.clients.setClaims(app.clientId, [
      { name: 'plan', scope: 'profile', value: 'free' },
      { name: 'house', always: true, value: 'yes' },
    ])
    const browser = new Browser(portal)
    await browser.signIn(user, undefined, { second: true })
    const before = await tried(app.clientId, browser)
    expect(before).toMatchObject({ off: false, lacks: [], good: true, asks: SCOPES, allowed: [] })

    const got = await signInTo(browser, app, user, { scope: SCOPES.join(' ') })
    const { iss, aud, exp, iat, nonce, at_hash, ...claims } = decodeJwt(got.json.id_token)
    expect(before.idToken).toEqual(claims)
    expect((await userinfo(portal, got.json.access_token)).json).toEqual(before.userinfo)
    // What was allowed is remembered, and no page asks.
    expect(await tried(app.clientId, browser)).toMatchObject({ asks: null, allowed: SCOPES })
  })

  it('asks_as_the_endpoint_would: fewer scopes, an app of the house, one with less to show', async () => {
    const [mine, theirs] = [await newApp({ firstParty: true }), await newApp()]
    const browser = new Browser(portal)
    await browser.signIn(user)
    expect((await tried(mine.clientId, browser)).asks).toBeNull()
    // A native app is asked about each time, whose ever it is.
    const native = await newApp({ firstParty: true, native: true, redirectUris: ['com.example.app:/cb'] })
    expect((await tried(native.clientId, browser, ['email'])).asks).toEqual(['openid', 'email'])
    const few = await tried(theirs.clientId, browser, ['email', 'offline_access', 'https://evil.example'])
    expect(few.asks).toEqual(['openid', 'email'])
    expect(few.userinfo).not.toHaveProperty('name')
    expect(few.userinfo).toHaveProperty('email')
  })

  it('tells_what_would_stop_the_person', async () => {
    const app = await newApp({ acr: 'aal2' })
    const browser = new Browser(portal)
    await browser.signIn(user)
    expect(await tried(app.clientId, browser)).toMatchObject({ lacks: ['acr'], good: false })
    await oidc.clients.disable(app.clientId)
    expect(await tried(app.clientId, browser)).toMatchObject({ off: true, good: false })
    const machine = await newApp({ grants: ['client_credentials'], redirectUris: [] })
    expect(await tried(machine.clientId, browser)).toMatchObject({ forPeople: false })
    expect(await oidc.clients.trial('nobody', await factsOf(browser), SCOPES)).toBeNull()
  })

  it('leaves_nothing_behind_and_lets_nobody_in', async () => {
    const app = await newApp({ firstParty: true })
    const browser = new Browser(portal)
    await browser.signIn(user)
    const count = async () => {
      const { rows } = await stores.sql(`SELECT (SELECT count(*) FROM grants)::int AS grants,
        (SELECT count(*) FROM refresh_tokens)::int AS tokens, (SELECT count(*) FROM events)::int AS events`)
      const keys = await stores.redis().keys('*')
      return [...rows, keys.filter((name) => /oidc/.test(name)).sort()]
    }
    const before = await count()
    await tried(app.clientId, browser)
    expect(await count()).toEqual(before)
    // It opened no way back into the portal: only what is registered gets a code.
    const asked = ask(portal, app, { redirect_uri: `${portal.url}/admin/apps/${app.clientId}/trial` })
    const answer = await browser.go(asked.url)
    expect([answer.status, answer.url.searchParams.get('code')]).toEqual([400, null])
  })
})
