/** Apps that let in some people only: by role, by e-mail domain, on every way in, for as long as it is so. */
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import { covers, entryLacks, letsInMore } from './entry'
import * as oidc from './index'
import {
  type App,
  ask,
  call,
  introspect,
  newApp,
  obtainCode,
  redeem,
  refresh,
  signInTo,
  userinfo,
} from './testing/app'
import { Browser, type Portal, type Stopped, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores({ GUESTS: 'on' })
const BY = { actor: 'operator' }
const DEVICE = 'urn:ietf:params:oauth:grant-type:device_code'
let portal: Portal
/** Of the house, so that nothing but the entry is in the way. */
let staffApp: App
let houseApp: App

beforeAll(async () => {
  portal = await startPortal()
  const grants = ['authorization_code', 'refresh_token', 'device_code'] as const
  staffApp = await newApp({
    firstParty: true,
    name: 'Staff room',
    entryRoles: ['staff'],
    grants: [...grants],
  })
  houseApp = await newApp({
    firstParty: true,
    entryDomains: ['example.com', '*.Example.org', 'bücher.example'],
  })
  return () => portal.stop()
})
afterEach(() => setClock(null))

/** What was believed for some seconds is asked anew. */
const laterOn = () => {
  const at = nowMs() + 6000
  setClock(() => at)
}

async function person(...roles: string[]): Promise<string> {
  const id = await newUser(stores.sql)
  if (roles.length > 0) expect(await users.changeRoles(id, { roles }, BY)).toMatchObject({ ok: true })
  return id
}

/** A person whose primary address is at a house of no app. */
async function livingAt(...addresses: [string, boolean][]): Promise<string> {
  const id = await newUser(stores.sql)
  await stores.sql("UPDATE emails SET address = $2 || '@elsewhere.net' WHERE user_id = $1", [id, id])
  for (const [domain, proven] of addresses)
    await stores.sql(
      'INSERT INTO emails (user_id, address, verified_at) VALUES ($1, $2, CASE WHEN $3 THEN now() END)',
      [id, `a.${id.slice(0, 8)}@${domain}`, proven],
    )
  return id
}

const view = (at: Stopped) => JSON.parse(at.body).view as oidc.InteractionView
const params = (at: Stopped) => Object.fromEntries(at.url.searchParams)

async function signedIn(userId: string): Promise<Browser> {
  const browser = new Browser(portal)
  await browser.signIn(userId)
  return browser
}

/** Where somebody who is signed in comes to at an app. */
const comesTo = async (userId: string, app: App, more: Record<string, string | null> = {}) =>
  (await signedIn(userId)).go(ask(portal, app, more).url)

const refusals = async (userId: string) => {
  const { rows } = await stores.sql(
    "SELECT client_id, outcome::text, data FROM events WHERE user_id = $1 AND type = 'entry.refused' ORDER BY at",
    [userId],
  )
  return rows
}

describe('the rules', () => {
  it.each([
    ['example.com', 'example.com', true],
    ['example.com', 'mail.example.com', false],
    ['example.com', 'badexample.com', false],
    ['example.com', 'example.com.evil.net', false],
    ['*.example.com', 'mail.example.com', true],
    ['*.example.com', 'a.b.example.com', true],
    ['*.example.com', 'example.com', false],
    ['*.example.com', 'badexample.com', false],
  ])('a_domain_is_no_suffix: %s for %s: %s', (rule, domain, yes) => {
    expect(covers(rule, domain)).toBe(yes)
  })

  it('one_of_the_roles_and_one_of_the_domains', () => {
    const rules = { entryRoles: ['a', 'b'], entryDomains: ['x.example', 'y.example'] }
    expect(entryLacks(rules, { roles: ['b'], domains: ['y.example'] })).toEqual([])
    expect(entryLacks(rules, { roles: ['c'], domains: ['y.example'] })).toEqual(['role'])
    expect(entryLacks(rules, { roles: ['a'], domains: [] })).toEqual(['domain'])
    expect(entryLacks(rules, null)).toEqual(['role', 'domain'])
    expect(entryLacks({}, null)).toEqual([])
  })

  it.each<[string[], string[], boolean]>([
    [[], ['a.example'], false],
    [['a.example'], [], true],
    [['a.example', 'b.example'], ['a.example'], false],
    [['a.example'], ['a.example', 'b.example'], true],
    [['*.a.example'], ['x.a.example', '*.x.a.example'], false],
    [['*.a.example'], ['*.a.example'], false],
    [['a.example'], ['*.a.example'], true],
    [['*.x.a.example'], ['*.a.example'], true],
  ])('from %j to %j lets in more: %s', (before, after, more) => {
    expect(letsInMore(before, after, covers)).toBe(more)
  })

  it.each([
    ['entryDomains', 'com'],
    ['entryDomains', '*'],
    ['entryDomains', '*.com'],
    ['entryDomains', 'a.*.example.com'],
    ['entryDomains', '@example.com'],
    ['entryDomains', 'ex ample.com'],
    ['entryDomains', '127.0.0.1'],
    ['entryDomains', 'example.com.'],
    ['entryDomains', 'ｅxample.com'],
    ['entryRoles', 'two words'],
  ])('%s cannot be %s', async (field, value) => {
    const made = await oidc.clients.add({ name: 'x', redirectUris: ['https://x.example/'], [field]: [value] })
    expect(made).toMatchObject({ ok: false, refusal: { code: 'invalid_input', field } })
  })

  it('domains are kept as addresses are', async () => {
    const kept = await oidc.clients.get(houseApp.clientId)
    expect(kept?.entryDomains).toEqual(['example.com', '*.example.org', 'xn--bcher-kva.example'])
  })

  it('guests_are_not_among_some_people', async () => {
    const input = { name: 'x', redirectUris: ['https://x.example/'], guests: true }
    for (const rule of [{ entryRoles: ['anonymous'] }, { entryDomains: ['example.com'] }])
      expect(await oidc.clients.add({ ...input, ...rule })).toMatchObject({
        ok: false,
        refusal: { field: 'guests' },
      })
    const app = await newApp({ firstParty: true, guests: true })
    const browser = new Browser(portal)
    const asked = ask(portal, app)
    const back = await browser.asGuest(await browser.go(asked.url))
    const { json } = await redeem(portal, app, back.url.searchParams.get('code') ?? '', asked.verifier)
    await oidc.clients.update(app.clientId, { entryRoles: ['anonymous'] })
    expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    expect(view(await browser.go(ask(portal, app).url))).toMatchObject({
      prompt: 'login',
      reasons: ['guest'],
    })
    // It was registered for guests, and is again once everybody may enter.
    await oidc.clients.update(app.clientId, { entryRoles: [] })
    expect((await refresh(portal, app, json.refresh_token)).status).toBe(200)
  })
})

describe('at the sign-in', () => {
  it('somebody_without_the_role_gets_a_page_and_no_code', async () => {
    const [ada, grace] = [await person(), await person('staff')]
    const browser = new Browser(portal)
    const first = await browser.go(ask(portal, staffApp).url)
    // Nothing is said before it is proven who it is.
    expect(view(first)).toMatchObject({ prompt: 'login', reasons: ['no_session'], account: null })
    const at = await browser.signIn(ada, first)
    expect(at.url.pathname).toBe('/no-entry')
    expect(view(at)).toMatchObject({
      prompt: 'entry',
      reasons: ['not_let_in'],
      client: { name: 'Staff room' },
      account: { id: ada },
    })
    // However often they go on.
    expect((await browser.goOn(at)).url.pathname).toBe('/no-entry')
    const again = await browser.go(ask(portal, staffApp, { prompt: 'consent' }).url)
    expect(again.url.pathname).toBe('/no-entry')
    // Nor does a yes to what was never asked help.
    expect((await browser.allow(again)).url.pathname).toBe('/no-entry')
    expect(await oidc.grants.list(ada)).toEqual([])
    // With another account the same request goes on.
    const another = await browser.go(ask(portal, staffApp).url)
    expect(params(await browser.signIn(grace, another)).code).toBeTruthy()
  })

  it('the_reason_is_for_the_log_and_the_history_and_not_for_the_app', async () => {
    const ada = await person('guest-writer')
    const app = await newApp({ entryRoles: ['staff', 'editors'], entryDomains: ['corp.example'] })
    const browser = await signedIn(ada)
    const at = await browser.go(ask(portal, app).url)
    const why = 'the person has none of the roles staff, editors; no proven address at corp.example'
    await expect.poll(() => oidc.clients.log(app.clientId)).toHaveLength(1)
    expect(await oidc.clients.log(app.clientId)).toMatchObject([
      { endpoint: 'authorization', error: 'access_denied', detail: why },
    ])
    await expect.poll(() => refusals(ada)).toHaveLength(1)
    expect(await refusals(ada)).toMatchObject([
      {
        client_id: app.clientId,
        outcome: 'failure',
        data: { lacks: ['role', 'domain'], at: 'authorization' },
      },
    ])
    // The same again is no second event.
    const request = at.url.searchParams.get('request') ?? ''
    const back = await browser.post('/consent', { request, decision: 'deny' })
    expect(back.url.href).toMatch(/^http:\/\/localhost:4999\/cb\?/)
    expect(params(back)).toMatchObject({
      error: 'access_denied',
      error_description: 'the End-User may not use this client',
      iss: portal.issuer,
    })
    expect(params(back)).not.toHaveProperty('code')
    expect(await refusals(ada)).toHaveLength(1)
    const { rows } = await stores.sql(
      "SELECT 1 FROM events WHERE user_id = $1 AND type = 'consent.declined'",
      [ada],
    )
    expect(rows).toEqual([])
  })

  it('prompt_none_is_access_denied_without_a_page', async () => {
    const at = await comesTo(await person(), staffApp, { prompt: 'none' })
    expect(at.url.origin).toBe('http://localhost:4999')
    expect(params(at)).toMatchObject({ error: 'access_denied' })
    await expect
      .poll(async () => (await oidc.clients.log(staffApp.clientId))[0]?.detail)
      .toBe('the person has none of the roles staff')
    // Nobody is signed in: as always.
    const nobody = await new Browser(portal).go(ask(portal, staffApp, { prompt: 'none' }).url)
    expect(params(nobody)).toMatchObject({ error: 'login_required' })
  })

  it('a_pushed_request_is_no_way_round', async () => {
    const { searchParams } = ask(portal, staffApp).url
    const pushed = await call(portal, '/par', staffApp, Object.fromEntries(searchParams))
    const at = await comesTo(await person(), staffApp, { request_uri: pushed.json.request_uri })
    expect(at.url.pathname).toBe('/no-entry')
  })

  it('an_app_of_the_house_keeps_no_consent_of_who_may_not_enter', async () => {
    const ada = await person()
    expect((await comesTo(ada, staffApp)).url.pathname).toBe('/no-entry')
    const { rows } = await stores.sql('SELECT 1 FROM grants WHERE user_id = $1', [ada])
    expect(rows).toEqual([])
  })

  it.each<[string, [string, boolean][], boolean]>([
    ['nobody', [], false],
    ['an_unproven_address', [['example.com', false]], false],
    ['a_proven_address_that_is_not_the_primary_one', [['example.com', true]], true],
    ['an_address_in_capitals', [['EXAMPLE.COM', true]], true],
    ['a_domain_below_it', [['mail.example.com', true]], false],
    ['a_domain_below_one_that_is_open', [['mail.example.org', true]], true],
    ['that_domain_itself', [['example.org', true]], false],
    ['an_international_domain', [['xn--bcher-kva.example', true]], true],
    ['one_that_only_ends_so', [['notexample.com', true]], false],
  ])('by_domain: %s', async (_, addresses, yes) => {
    const at = await comesTo(await livingAt(...addresses), houseApp)
    expect(at.url.pathname).toBe(yes ? '/cb' : '/no-entry')
  })

  it('test_sign_in_says_what_is_missing_and_writes_nothing_down', async () => {
    const ada = await person()
    const browser = await signedIn(ada)
    const facts = await sessions.check(Object.fromEntries(browser.cookies))
    if (!facts) throw new Error('nobody is signed in')
    expect(await oidc.clients.trial(staffApp.clientId, facts, [])).toMatchObject({
      lacks: [],
      entry: ['role'],
      good: false,
    })
    expect(await refusals(ada)).toEqual([])
  })
})

describe('what there was before', () => {
  const ROLE = { firstParty: true, entryRoles: ['staff'] }
  const leave = (id: string) => users.changeRoles(id, { roles: [] }, BY)

  it('role_taken_between_code_and_token_means_no_token', async () => {
    const ada = await person('staff')
    const { code, verifier } = await obtainCode(new Browser(portal), staffApp, ada)
    await leave(ada)
    const { status, json } = await redeem(portal, staffApp, code, verifier)
    expect([status, json.error]).toEqual([400, 'invalid_grant'])
    expect(JSON.stringify(json)).not.toContain('staff')
    await expect
      .poll(async () => (await oidc.clients.log(staffApp.clientId))[0])
      .toMatchObject({
        endpoint: 'token',
        error: 'invalid_grant',
        detail: expect.stringMatching(/roles staff$/),
      })
    await expect.poll(() => refusals(ada)).toMatchObject([{ data: { lacks: ['role'], at: 'token' } }])
  })

  it('role_taken_while_ten_redeem_leaves_no_token_that_is_good', async () => {
    const ada = await person('staff')
    const app = await newApp(ROLE)
    const browser = await signedIn(ada)
    const codes = []
    for (let n = 0; n < 10; n++) codes.push(await obtainCode(browser, app, ada))
    const [answers] = await Promise.all([
      Promise.all(codes.map(({ code, verifier }) => redeem(portal, app, code, verifier))),
      leave(ada),
    ])
    laterOn()
    for (const { json } of answers.filter(({ status }) => status === 200)) {
      expect((await introspect(portal, app, json.access_token)).json).toEqual({ active: false })
      expect((await refresh(portal, app, json.refresh_token)).json.error).toBe('invalid_grant')
    }
  })

  it('role_taken_stops_refresh_userinfo_and_introspection_and_given_back_they_go_on', async () => {
    const ada = await person('staff')
    const { json } = await signInTo(new Browser(portal), staffApp, ada)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    await leave(ada)
    // What gives something new asks at once; what only tells may have believed for five seconds.
    expect((await refresh(portal, staffApp, json.refresh_token)).json.error).toBe('invalid_grant')
    laterOn()
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    expect((await introspect(portal, staffApp, json.access_token)).json).toEqual({ active: false })
    expect((await introspect(portal, staffApp, json.refresh_token)).json).toEqual({ active: false })
    // A refresh that was refused ends nothing: it is no replay.
    await users.changeRoles(ada, { roles: ['staff'] }, BY)
    expect((await refresh(portal, staffApp, json.refresh_token)).status).toBe(200)
  })

  it('a_change_of_the_person_is_heard_before_the_five_seconds_are_over', async () => {
    const ada = await person('staff')
    const { json } = await signInTo(new Browser(portal), staffApp, ada)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
    setClock(() => Date.now())
    await leave(ada)
    await expect.poll(async () => (await userinfo(portal, json.access_token)).status).toBe(401)
  })

  it('an_address_that_was_removed_lets_nobody_in', async () => {
    const ada = await livingAt(['example.com', true], ['a.example.org', true])
    const { json } = await signInTo(new Browser(portal), houseApp, ada)
    const remove = async (domain: string) => {
      const found = (await users.emails.list(ada)).find(({ address }) => address.endsWith(`@${domain}`))
      expect(await inTx((tx) => users.emails.remove(tx, ada, found?.id ?? '', testCaller()))).toMatchObject({
        ok: true,
      })
    }
    await remove('example.com')
    const next = await refresh(portal, houseApp, json.refresh_token)
    expect(next.status).toBe(200)
    await remove('a.example.org')
    expect((await refresh(portal, houseApp, next.json.refresh_token)).json.error).toBe('invalid_grant')
    laterOn()
    expect((await userinfo(portal, next.json.access_token)).status).toBe(401)
  })

  it('a_rule_that_is_made_later_stops_what_was_given_before', async () => {
    const app = await newApp({ firstParty: true })
    const [ada, grace] = [await person(), await person('staff')]
    const [hers, theirs] = [
      await signInTo(new Browser(portal), app, ada),
      await signInTo(new Browser(portal), app, grace),
    ]
    expect(await oidc.clients.update(app.clientId, { entryRoles: ['staff'] })).toMatchObject({ ok: true })
    expect((await userinfo(portal, hers.json.access_token)).status).toBe(401)
    expect((await refresh(portal, app, hers.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, theirs.json.access_token)).status).toBe(200)
    expect((await refresh(portal, app, theirs.json.refresh_token)).status).toBe(200)
  })
})

describe('no way round', () => {
  async function device(app: App) {
    const { json } = await call(portal, '/device_authorization', app, { scope: 'openid' })
    const poll = async () => {
      const buckets = await stores.redis().keys('ratelimit:device-poll:*')
      if (buckets.length > 0) await stores.redis().del(buckets)
      return call(portal, '/token', app, { grant_type: DEVICE, device_code: json.device_code })
    }
    const say = async (browser: Browser) => {
      await browser.post('/device', { user_code: json.user_code })
      return browser.post('/device/decide', { decision: 'allow' })
    }
    return { poll, say }
  }

  it('by_the_code_of_a_device', async () => {
    const { poll, say } = await device(staffApp)
    const browser = await signedIn(await person())
    const at = await say(browser)
    expect(at.url.pathname).toBe('/no-entry')
    expect(view(at)).toMatchObject({ prompt: 'entry', client: { redirectOrigin: '' } })
    expect((await poll()).json.error).toBe('authorization_pending')
    const request = at.url.searchParams.get('request') ?? ''
    const done = await browser.post('/consent', { request, decision: 'deny' })
    expect(done.url.pathname).toBe('/device/done')
    expect(view(done)).toMatchObject({ state: 'denied' })
    expect((await poll()).json.error).toBe('access_denied')
  })

  it('by_the_code_of_a_device_that_was_allowed_while_the_role_was_there', async () => {
    const { poll, say } = await device(staffApp)
    const ada = await person('staff')
    expect((await say(await signedIn(ada))).url.pathname).toBe('/device/done')
    await users.changeRoles(ada, { roles: [] }, BY)
    expect((await poll()).json.error).toBe('invalid_grant')
  })

  it('by_a_personal_access_token_at_an_app_that_asks_about_them', async () => {
    const api = await newApp({ personalTokens: true, entryRoles: ['staff'] })
    const other = await newApp({ personalTokens: true })
    const ada = await person('staff')
    const made = await inTx((tx) =>
      oidc.personalTokens.make(tx, ada, { name: 'script', scopes: [], days: 1 }, testCaller()),
    )
    if (!made.ok) throw new Error(made.refusal.code)
    const { value } = made.value
    expect((await introspect(portal, api, value)).json).toMatchObject({ active: true, sub: ada })
    await users.changeRoles(ada, { roles: [] }, BY)
    laterOn()
    expect((await introspect(portal, api, value)).json).toEqual({ active: false })
    // It is the app that does not let them in: the token is good elsewhere.
    expect((await introspect(portal, other, value)).json).toMatchObject({ active: true })
    await expect
      .poll(() => refusals(ada))
      .toMatchObject([{ client_id: api.clientId, data: { lacks: ['role'], at: 'introspection' } }])
  })

  it('by_a_signed_token_for_an_api', async () => {
    const resource = 'https://orders.entry.example'
    const scopes = [{ name: 'orders:read', description: 'Read orders' }]
    expect(await oidc.resources.add({ id: resource, name: 'Orders', scopes, format: 'jwt' })).toMatchObject({
      ok: true,
    })
    const app = await newApp({ firstParty: true, entryRoles: ['staff'], resources: [{ resource }] })
    const api = await newApp({ redirectUris: [], grants: [], serves: [resource] })
    const ada = await person('staff')
    const wanted = { scope: 'openid orders:read', resource }
    const { code, verifier } = await obtainCode(new Browser(portal), app, ada, wanted)
    const { json } = await redeem(portal, app, code, verifier, { resource })
    expect((await introspect(portal, api, json.access_token)).json).toMatchObject({ active: true })
    await users.changeRoles(ada, { roles: [] }, BY)
    laterOn()
    expect((await introspect(portal, api, json.access_token)).json).toEqual({ active: false })
  })
})
