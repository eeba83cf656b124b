/** Device authorization (RFC 8628), DEV1: a real client's device, a person's browser, and those who would cheat them. */
import * as client from 'openid-client'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as oidc from './index'
import { type App, call, introspect, newApp, refresh, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores()
const GRANT = 'urn:ietf:params:oauth:grant-type:device_code'
const TV = {
  name: 'Living room TV',
  redirectUris: [],
  grants: ['device_code' as const, 'refresh_token' as const],
}

let portal: Portal
let tv: App
let user: string

beforeAll(async () => {
  portal = await startPortal()
  tv = await newApp({ ...TV, authMethod: 'none', clientUri: 'https://tv.example.com/about' })
  user = await newUser(stores.sql)
  return () => portal.stop()
})
afterEach(async () => {
  vi.useRealTimers()
  setClock(null)
  await stores.sql('DELETE FROM budgets')
})

function advance(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
  setClock(() => Date.now())
}

interface Device {
  device_code: string
  user_code: string
  verification_uri: string
  verification_uri_complete: string
  expires_in: number
}

async function begin(app = tv, fields: Record<string, string> = {}): Promise<Device> {
  const { json } = await call(portal, '/device_authorization', app, { scope: 'openid profile', ...fields })
  return json
}

/** Asks for tokens; the bucket that slows devices down is full again. */
async function poll({ device_code }: Device, app = tv) {
  const buckets = await stores.redis().keys('ratelimit:device-poll:*')
  if (buckets.length > 0) await stores.redis().del(buckets)
  return call(portal, '/token', app, { grant_type: GRANT, device_code })
}

async function person(userId = user): Promise<Browser> {
  const browser = new Browser(portal)
  await browser.signIn(userId)
  return browser
}

const type = (browser: Browser, code: string) => browser.post('/device', { user_code: code })
const decide = (browser: Browser, decision: 'allow' | 'deny') => browser.post('/device/decide', { decision })

/** Types the code and says yes, to the app's consent as well. */
async function allow(browser: Browser, device: Device) {
  await type(browser, device.user_code)
  let at = await decide(browser, 'allow')
  if (at.url.pathname === '/consent') at = await browser.allow(at)
  return at
}

describe('whose device it is', () => {
  it('what_one_person_allowed_is_not_finished_by_another_in_the_same_browser', async () => {
    const firstParty = await newApp({ ...TV, authMethod: 'none', firstParty: true })
    for (const app of [tv, firstParty]) {
      const [mallory, victim] = [await newUser(stores.sql), await newUser(stores.sql)]
      // Consented once: nothing is asked any more.
      await allow(await person(victim), await begin(app))
      const device = await begin(app)
      const shared = await person(mallory)
      await type(shared, device.user_code)
      const answer = await shared.fetch('/device/decide', {
        method: 'POST',
        body: new URLSearchParams({ decision: 'allow' }),
      })
      await shared.signIn(victim)
      await shared.go(answer.headers.get('location') ?? '')
      expect((await poll(device, app)).json.error).toBe('authorization_pending')
    }
  })

  it('the_question_about_one_device_decides_about_no_other', async () => {
    const [shown, typedLater] = [await begin(), await begin()]
    const browser = await person()
    const { mark } = JSON.parse((await type(browser, shown.user_code)).body)
    await type(browser, typedLater.user_code)
    await browser.post('/device/decide', { decision: 'allow', device: mark })
    await browser.post('/device/decide', { decision: 'deny', device: mark })
    for (const device of [shown, typedLater])
      expect((await poll(device)).json.error).toBe('authorization_pending')
  })
})

describe('a device', () => {
  it('signs in with openid-client: it shows a code, the person types it, and it gets tokens', async () => {
    const config = await client.discovery(new URL(portal.issuer), tv.clientId, {}, client.None(), {
      execute: [client.allowInsecureRequests],
    })
    const device = await client.initiateDeviceAuthorization(config, { scope: 'openid profile' })
    expect(device.verification_uri).toBe(`${portal.url}/device`)
    expect(device.verification_uri_complete).toBe(`${portal.url}/device?user_code=${device.user_code}`)
    expect([device.user_code, device.expires_in]).toEqual([expect.stringMatching(/^[A-Z]{4}-[A-Z]{4}$/), 600])
    const browser = await person()
    const shown = JSON.parse((await type(browser, device.user_code.toLowerCase().replace('-', ' '))).body)
    expect(shown).toMatchObject({
      state: 'waiting',
      client: { name: TV.name, host: 'tv.example.com' },
      asked: { ip: '127.0.0.1', at: expect.any(Number) },
    })
    const consent = await decide(browser, 'allow')
    expect([consent.url.pathname, JSON.parse(consent.body).view.newScopes]).toEqual([
      '/consent',
      ['openid', 'profile'],
    ])
    const done = await browser.allow(consent)
    expect(JSON.parse(done.body)).toMatchObject({ page: 'done', view: { state: 'allowed' } })
    const tokens = await client.pollDeviceAuthorizationGrant(config, { ...device, interval: 0.1 })
    expect(tokens.claims()).toMatchObject({ sub: user, acr: 'aal1', amr: ['pwd'] })
    expect((await client.fetchUserInfo(config, tokens.access_token, user)).name).toBe('Ada Lovelace')
    const next = await client.refreshTokenGrant(config, tokens.refresh_token ?? '')
    expect(next.claims()?.sub).toBe(user)
    const { rows } = await stores.sql('SELECT 1 FROM session_clients WHERE client_id = $1', [tv.clientId])
    expect(rows).toHaveLength(1)
  })

  it('waits while nobody decides, and is slowed down when it asks too often', async () => {
    const device = await begin()
    expect((await poll(device)).json.error).toBe('authorization_pending')
    const fast = await call(portal, '/token', tv, { grant_type: GRANT, device_code: device.device_code })
    expect(fast.json.error).toBe('slow_down')
    expect((await poll(device)).json.error).toBe('authorization_pending')
  })

  it('user_denies', async () => {
    const [browser, device] = [await person(), await begin()]
    await type(browser, device.user_code)
    expect(JSON.parse((await decide(browser, 'deny')).body)).toEqual({ denied: true })
    expect((await poll(device)).json.error).toBe('access_denied')
    expect(JSON.parse((await browser.go('/device/done')).body).view.state).toBe('denied')
  })

  it('user_declines_the_consent', async () => {
    const [browser, device] = [await person(await newUser(stores.sql)), await begin()]
    await type(browser, device.user_code)
    const at = await decide(browser, 'allow')
    const request = at.url.searchParams.get('request') ?? ''
    const done = await browser.post('/consent', { request, decision: 'deny' })
    expect(JSON.parse(done.body).view.state).toBe('denied')
    expect((await poll(device)).json.error).toBe('access_denied')
  })

  it('is over after ten minutes', async () => {
    const [browser, device] = [await person(), await begin()]
    await type(browser, device.user_code)
    advance(601)
    expect((await poll(device)).json.error).toBe('expired_token')
    expect((await decide(browser, 'allow')).status).toBe(410)
    expect(JSON.parse((await type(browser, device.user_code)).body).code).toBe('device_code_wrong')
  })

  it('asks for the level that its app is registered with', async () => {
    const bank = await newApp({ ...TV, acr: 'aal2' })
    const [browser, device] = [await person(), await begin(bank)]
    await type(browser, device.user_code)
    const at = await decide(browser, 'allow')
    expect(at.url.pathname).toBe('/signin/start')
    const signed = await browser.signIn(user, at, { second: true })
    expect(signed.url.pathname).toBe('/consent')
    expect(JSON.parse((await browser.allow(signed)).body).view.state).toBe('allowed')
    expect((await poll(device, bank)).status).toBe(200)
  })
})

describe('DEV1: what is refused', () => {
  it('its_brand_is_known_to_whoever_typed_its_code_and_to_nobody_before', async () => {
    const brand = {
      brandColor: '#0a7d5c',
      welcomeEn: 'Films at home',
      supportUri: 'https://tv.example.com/help',
    }
    const app = await newApp({ ...TV, ...brand, authMethod: 'none' })
    const { user_code } = await begin(app)
    const browser = await person()
    expect(JSON.parse((await browser.go('/device/done')).body).view).toBeNull()
    expect(JSON.parse((await type(browser, user_code)).body).client).toMatchObject({
      ...{ name: TV.name, brandColor: '#0a7d5c', welcome: { en: 'Films at home' } },
      ...{ supportUri: brand.supportUri, registered: null },
    })
  })

  it('a_link_alone_confirms_nothing', async () => {
    const [browser, device] = [await person(), await begin()]
    await browser.go(device.verification_uri_complete)
    await browser.go(`/oidc/device?user_code=${device.user_code}`)
    await browser.post('/oidc/device', { user_code: device.user_code, confirm: 'yes' })
    await type(browser, device.user_code)
    expect((await poll(device)).json.error).toBe('authorization_pending')
  })

  it('device_code_of_another_client', async () => {
    const [browser, device] = [await person(), await begin()]
    await allow(browser, device)
    expect((await poll(device, await newApp(TV))).json.error).toBe('invalid_grant')
    expect((await poll(device)).status).toBe(200)
  })

  it('a_second_user_approves_the_firsts_pending_code', async () => {
    const [first, second, device] = [await person(), await person(await newUser(stores.sql)), await begin()]
    expect((await type(first, device.user_code)).status).toBe(200)
    expect(JSON.parse((await type(second, device.user_code)).body).code).toBe('device_code_wrong')
    expect((await decide(second, 'allow')).status).toBe(410)
    await allow(first, device)
    expect((await poll(device)).json.error).toBeUndefined()
  })

  it('two_sessions_decide_at_once_and_one_is_believed', async () => {
    const [one, two, device] = [await person(), await person(), await begin()]
    await type(one, device.user_code)
    await type(two, device.user_code)
    const [no] = await Promise.all([decide(one, 'deny'), decide(two, 'allow')])
    const answer = await poll(device)
    if (JSON.parse(no.body).denied) expect(answer.json.error).toBe('access_denied')
    else expect(answer.status).toBe(200)
  })

  it('a_device_code_redeemed_ten_times_at_once', async () => {
    const [browser, device] = [await person(), await begin()]
    await allow(browser, device)
    // Past the limit for polls, which would let one through.
    const { consumeDevice } = await import('./store-device')
    const { sha256 } = await import('../base/secrets')
    const hash = sha256(device.device_code)
    const won = await Promise.all(Array.from({ length: 10 }, () => consumeDevice(hash)))
    expect(won.filter(Boolean)).toHaveLength(1)
    expect((await poll(device)).json.error).toBe('invalid_grant')
  })

  it('a_replayed_device_code_ends_its_family', async () => {
    const [browser, device] = [await person(), await begin()]
    await allow(browser, device)
    const { json } = await poll(device)
    expect((await poll(device)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
    expect((await refresh(portal, tv, json.refresh_token)).json.error).toBe('invalid_grant')
  })

  it('scope_cannot_grow_after_the_code_was_shown', async () => {
    const [browser, device] = [await person(), await begin(tv, { scope: 'openid' })]
    await type(browser, device.user_code)
    await browser.post('/device/decide', { decision: 'allow', scope: 'openid email', client_id: 'x' })
    const { json } = await poll(device)
    expect(json.scope ?? 'openid').toBe('openid')
  })

  it('user_codes_cannot_be_guessed', async () => {
    const device = await begin()
    const thief = await person(await newUser(stores.sql))
    const answers = []
    for (let n = 0; n < 11; n++) answers.push(await type(thief, `BCDF-GHJ${'BCDFGHJKLMN'[n]}`))
    expect(answers.map(({ status }) => status)).toEqual([...Array(10).fill(404), 429])
    expect(JSON.parse(answers.at(-1)?.body ?? '').retryAfterSeconds).toBeGreaterThan(0)
    // Spent before it is looked at: the right one is no better now.
    expect((await type(thief, device.user_code)).status).toBe(429)
    expect((await type(await person(), device.user_code)).status).toBe(200)
  })

  it('an_app_without_the_grant_and_one_that_is_switched_off', async () => {
    expect((await call(portal, '/device_authorization', await newApp(), { scope: 'openid' })).status).toBe(
      400,
    )
    const mine = await newApp(TV)
    const [browser, device] = [await person(), await begin(mine)]
    await oidc.clients.disable(mine.clientId)
    expect((await type(browser, device.user_code)).status).toBe(404)
    await oidc.clients.enable(mine.clientId)
    await allow(browser, device)
    await oidc.clients.disable(mine.clientId)
    expect((await poll(device, mine)).json.error).toBe('invalid_client')
  })

  it.each(['before', 'after'])('a_session_that_ended_%s_the_tokens', async (when) => {
    const someone = await newUser(stores.sql)
    const [browser, device] = [await person(someone), await begin()]
    await allow(browser, device)
    const tokens = when === 'after' ? (await poll(device)).json : null
    await sessions.revoke({ userId: someone, all: true }, { reason: 'test' })
    if (!tokens) expect((await poll(device)).json.error).toBe('invalid_grant')
    else {
      expect((await userinfo(portal, tokens.access_token)).status).toBe(401)
      expect((await refresh(portal, tv, tokens.refresh_token)).json.error).toBe('invalid_grant')
    }
  })

  it('a_reference_to_a_code_is_no_code', async () => {
    const [browser, device] = [await person(), await begin()]
    await allow(browser, device)
    const { sha256 } = await import('../base/secrets')
    const reference = { ...device, device_code: `ref.${sha256(device.device_code)}` }
    expect((await poll(reference)).json.error).toBe('invalid_grant')
    for (const value of [device.device_code, device.user_code])
      expect((await introspect(portal, await newApp(), value)).json.active).toBe(false)
  })

  it('codes_are_kept_as_hashes_only', async () => {
    const [browser, device] = [await person(), await begin()]
    await type(browser, device.user_code)
    await decide(browser, 'allow')
    const keys = await stores.redis().keys('oidc:*')
    const kept = await Promise.all(
      keys.map((name) =>
        stores
          .redis()
          .get(name)
          .catch(() => ''),
      ),
    )
    const all = JSON.stringify([keys, kept])
    for (const code of [device.device_code, device.user_code, device.user_code.replace('-', '')])
      expect(all).not.toContain(code)
  })
})
