/** Guests at apps: let in by those that allow it, and by no other on any way. */
import { decodeJwt } from 'jose'
import { beforeAll, describe, expect, it } from 'vitest'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as oidc from './index'
import { type App, ask, call, introspect, newApp, redeem, refresh, userinfo } from './testing/app'
import { Browser, type Portal, type Stopped, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores({ GUESTS: 'on' })
let portal: Portal
let open: App
let closed: App

beforeAll(async () => {
  portal = await startPortal()
  open = await newApp({ firstParty: true, guests: true })
  closed = await newApp({ firstParty: true })
  return () => portal.stop()
})

const SCOPE = 'openid profile email roles'
const view = (at: Stopped) => JSON.parse(at.body).view as oidc.InteractionView
const error = (at: Stopped) => at.url.searchParams.get('error')

/** A browser that came to an app and went on as a guest, with the app's tokens. */
async function guestAt(app: App) {
  const browser = new Browser(portal)
  const asked = ask(portal, app, { scope: SCOPE })
  const at = await browser.go(asked.url)
  expect(view(at).mayGuest).toBe(true)
  let back = await browser.asGuest(at)
  if (back.url.pathname === '/consent') back = await browser.allow(back)
  const code = back.url.searchParams.get('code') ?? ''
  const { status, json } = await redeem(portal, app, code, asked.verifier)
  expect(status, JSON.stringify(json)).toBe(200)
  return { browser, json, sub: decodeJwt(json.id_token).sub as string }
}

/** The guest makes an account, as the sign-up's last write does it. */
async function upgrade(userId: string): Promise<string> {
  const email = `ada.${uuid().slice(0, 8)}@example.com`
  await inTx(async (tx) => {
    const made = await users.upgradeGuest(tx, userId, {
      email,
      verified: true,
      firstName: 'Ada',
      locale: 'en',
    })
    if (!made.ok) throw new Error(made.refusal.code)
    await sessions.beginAnew(tx, userId, { reason: 'upgraded', caller: testCaller() })
  })
  return email
}

describe('an app that takes guests', () => {
  it('is told that it is one: level 0, nothing proven, no address', async () => {
    const { json, sub } = await guestAt(open)
    expect(decodeJwt(json.id_token)).toMatchObject({ acr: '0', amr: [], is_anonymous: true })
    const claims = (await userinfo(portal, json.access_token)).json
    expect(claims).toMatchObject({ sub, is_anonymous: true, roles: ['anonymous'] })
    for (const name of ['email', 'email_verified', 'name', 'given_name'])
      expect(claims).not.toHaveProperty(name)
    expect((await introspect(portal, open, json.access_token)).json).toMatchObject({ active: true, sub })
    expect((await refresh(portal, open, json.refresh_token)).status).toBe(200)
  })

  it('people with an account are not told to be guests', async () => {
    const browser = new Browser(portal)
    const asked = ask(portal, open)
    const back = await browser.signIn(await newUser(stores.sql), await browser.go(asked.url))
    const { json } = await redeem(portal, open, back.url.searchParams.get('code') ?? '', asked.verifier)
    expect(decodeJwt(json.id_token)).not.toHaveProperty('is_anonymous')
    expect((await userinfo(portal, json.access_token)).json).not.toHaveProperty('is_anonymous')
  })

  it('is asked for consent like any other where it is not of the house', async () => {
    const app = await newApp({ guests: true })
    const { sub } = await guestAt(app)
    expect((await oidc.grants.list(sub)).map(({ clientId }) => clientId)).toEqual([app.clientId])
  })

  it.each([
    ['acr_values', { acr_values: 'aal2' }, 'acr_wished'],
    ['even the least level', { acr_values: 'aal1' }, 'acr_wished'],
    [
      'an essential level',
      { claims: JSON.stringify({ id_token: { acr: { essential: true, values: ['aal1'] } } }) },
      'acr',
    ],
    ['prompt=login', { prompt: 'login' }, 'login_prompt'],
  ])('that asks for %s asks the guest for an account', async (_, params, reason) => {
    const { browser } = await guestAt(open)
    const at = await browser.go(ask(portal, open, params).url)
    expect(view(at)).toMatchObject({ prompt: 'login', reasons: [reason] })
    // Who is nobody yet is not offered to be a guest where that would not do.
    const stranger = await new Browser(portal).go(ask(portal, open, params).url)
    expect(view(stranger).mayGuest).toBe(reason === 'login_prompt')
  })

  it('cannot be one that asks for two factors', async () => {
    expect(
      await oidc.clients.add({ name: 'x', redirectUris: ['https://x.example/'], guests: true, acr: 'aal2' }),
    ).toMatchObject({ ok: false, refusal: { field: 'guests' } })
  })
})

describe('an app that takes none', () => {
  it('asks_a_guest_for_an_account', async () => {
    const { browser } = await guestAt(open)
    const at = await browser.go(ask(portal, closed).url)
    expect(at.url.pathname).toBe('/signin/start')
    expect(view(at)).toMatchObject({ prompt: 'login', reasons: ['guest'], mayGuest: false })
    // Back as the same guest, or as a new one: asked again, however often.
    expect(view(await browser.goOn(at)).reasons).toEqual(['guest'])
    const again = await browser.asGuest(await browser.go(ask(portal, closed).url))
    expect(view(again).reasons).toEqual(['guest'])
    const person = await browser.signIn(await newUser(stores.sql), again)
    expect(person.url.searchParams.get('code')).toBeTruthy()
  })

  it('is_told_login_required_under_prompt_none', async () => {
    const { browser } = await guestAt(open)
    expect(error(await browser.go(ask(portal, closed, { prompt: 'none' }).url))).toBe('login_required')
    expect(error(await browser.go(ask(portal, open, { prompt: 'none' }).url))).toBeNull()
  })

  it('gets_no_guest_by_a_pushed_request_or_a_hint', async () => {
    const { browser, json } = await guestAt(open)
    const asked = ask(portal, closed, { prompt: 'none' })
    const pushed = await call(portal, '/par', closed, Object.fromEntries(asked.url.searchParams))
    const at = await browser.go(ask(portal, closed, { request_uri: pushed.json.request_uri }).url)
    expect(error(at)).toBe('login_required')
    const hinted = await browser.go(ask(portal, open, { prompt: 'none', id_token_hint: json.id_token }).url)
    expect(error(hinted)).toBeNull()
    // Somebody else's browser cannot be named the guest of this one.
    const other = await new Browser(portal).go(ask(portal, open, { id_token_hint: json.id_token }).url)
    expect(view(other).mayGuest).toBe(false)
  })
})

describe('a permission taken back', () => {
  const WAYS: [string, (app: App) => Promise<() => Promise<void>>][] = [
    [
      'from_the_app',
      async (app) => {
        expect(await oidc.clients.update(app.clientId, { guests: false })).toMatchObject({ ok: true })
        return async () => {}
      },
    ],
    [
      'from_all_apps',
      async () => {
        process.env.GUESTS = 'off'
        reloadEnv()
        return async () => {
          process.env.GUESTS = 'on'
          reloadEnv()
        }
      },
    ],
  ]

  it.each(WAYS)('%s_kills_every_code_and_token_of_guests', async (_, withdraw) => {
    const app = await newApp({ firstParty: true, guests: true })
    const { browser, json } = await guestAt(app)
    const asked = ask(portal, app)
    const code = (await browser.go(asked.url)).url.searchParams.get('code') ?? ''
    expect(code).not.toBe('')
    const person = new Browser(portal)
    const theirs = ask(portal, app)
    const back = await person.signIn(await newUser(stores.sql), await person.go(theirs.url))
    const tokens = (await redeem(portal, app, back.url.searchParams.get('code') ?? '', theirs.verifier)).json
    const restore = await withdraw(app)
    try {
      expect((await redeem(portal, app, code, asked.verifier)).json.error).toBe('invalid_grant')
      expect((await userinfo(portal, json.access_token)).status).toBe(401)
      expect((await introspect(portal, app, json.access_token)).json).toEqual({ active: false })
      expect((await introspect(portal, app, json.refresh_token)).json).toEqual({ active: false })
      expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
      expect(view(await browser.go(ask(portal, app).url)).reasons).toEqual(['guest'])
      // People with an account notice nothing.
      expect((await userinfo(portal, tokens.access_token)).status).toBe(200)
      expect((await refresh(portal, app, tokens.refresh_token)).status).toBe(200)
    } finally {
      await restore()
    }
  })

  it('an_app_that_begins_to_ask_for_two_factors_takes_no_guests', async () => {
    const app = await newApp({ firstParty: true, guests: true })
    const { browser, json } = await guestAt(app)
    await oidc.clients.update(app.clientId, { acr: 'aal2' })
    expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    const at = await browser.go(ask(portal, app).url)
    expect(view(at)).toMatchObject({ reasons: ['acr'], mayGuest: false })
    expect(oidc.levelWanted(view(at).demands)).toEqual({ level: 'aal2', essential: true })
  })
})

describe('a guest who became a person', () => {
  it('is the same to the app, which is asked nothing again', async () => {
    const app = await newApp({ guests: true })
    const { browser, sub } = await guestAt(app)
    const email = await upgrade(sub)
    const asked = ask(portal, app, { scope: SCOPE })
    const back = await browser.signIn(sub, await browser.go(asked.url))
    // No consent page on the way: what the guest allowed is allowed.
    const { json } = await redeem(portal, app, back.url.searchParams.get('code') ?? '', asked.verifier)
    expect(decodeJwt(json.id_token)).toMatchObject({ sub, acr: 'aal1' })
    expect(decodeJwt(json.id_token)).not.toHaveProperty('is_anonymous')
    const claims = (await userinfo(portal, json.access_token)).json
    expect(claims).toMatchObject({ sub, email, email_verified: true, roles: ['user'] })
    expect(claims).not.toHaveProperty('is_anonymous')
    expect(view(await browser.go(ask(portal, closed, { prompt: 'consent' }).url)).account).toEqual({
      id: sub,
    })
  })

  it('tokens_of_a_guest_session_are_dead_after_the_upgrade', async () => {
    const { json, sub, browser } = await guestAt(open)
    const asked = ask(portal, open)
    const code = (await browser.go(asked.url)).url.searchParams.get('code') ?? ''
    await upgrade(sub)
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    expect((await introspect(portal, open, json.access_token)).json).toEqual({ active: false })
    expect((await refresh(portal, open, json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await redeem(portal, open, code, asked.verifier)).json.error).toBe('invalid_grant')
    expect(error(await browser.go(ask(portal, open, { prompt: 'none' }).url))).toBe('login_required')
  })
})
