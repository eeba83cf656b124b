/** Authorization codes and redirect addresses: OP2, OP3, OP5, OP6, OP9, OP14, RED2. */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { useStores } from '../testing'
import {
  type App,
  ask,
  CALLBACK,
  call,
  introspect,
  newApp,
  obtainCode,
  pkce,
  redeem,
  refresh,
  userinfo,
} from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores({ REFRESH_GRACE_SECONDS: '0' })
let portal: Portal
let user: string
let app: App
let browser: Browser

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  app = await newApp()
  browser = new Browser(portal)
  await obtainCode(browser, app, user)
  return () => portal.stop()
})
afterEach(() => {
  vi.useRealTimers()
  setClock(null)
})

/** Both clocks: the library's and ours. */
function advance(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
  setClock(() => Date.now())
}

describe('text that no store could keep', () => {
  it('is no letter that an app wrote as JSON does', async () => {
    const state = JSON.stringify({ at: '\\ud83d\\ude00', nul: '\\u0000' })
    const at = await new Browser(portal).go(ask(portal, app, { state }).url)
    expect(at.url.pathname).toBe('/signin/start')
  })

  it.each([
    ['nonce', '\u0000'],
    ['acr_values', 'a\u0000'],
    ['claims', '{"id_token":{"a\\u0000":null}}'],
  ])('%s_of_nul_is_refused_before_anybody_is_asked', async (name, value) => {
    const at = await new Browser(portal).go(ask(portal, app, { [name]: value }).url)
    expect(at.status).toBeLessThan(500)
    expect(at.url.pathname).not.toBe('/signin/start')
  })
})

describe('OP2: a code', () => {
  it('code_is_good_once_and_its_replay_kills_what_it_gave', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    const first = await redeem(portal, app, code, verifier)
    expect(first.status).toBe(200)
    const second = await redeem(portal, app, code, verifier)
    expect([second.status, second.json.error]).toEqual([400, 'invalid_grant'])
    expect((await userinfo(portal, first.json.access_token)).status).toBe(401)
    expect((await refresh(portal, app, first.json.refresh_token)).json.error).toBe('invalid_grant')
  })

  it('a replay ends one sign-in, not the others of the same user at the same app', async () => {
    const other = await obtainCode(browser, app, user)
    const kept = await redeem(portal, app, other.code, other.verifier)
    const { code, verifier } = await obtainCode(browser, app, user)
    await redeem(portal, app, code, verifier)
    await redeem(portal, app, code, verifier)
    expect((await userinfo(portal, kept.json.access_token)).status).toBe(200)
    expect((await refresh(portal, app, kept.json.refresh_token)).status).toBe(200)
  })

  it('code_is_dead_after_a_minute', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    advance(61)
    expect((await redeem(portal, app, code, verifier)).json.error).toBe('invalid_grant')
  })

  it('code_of_another_client', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    expect((await redeem(portal, await newApp(), code, verifier)).json.error).toBe('invalid_grant')
  })

  it('code_with_another_redirect_uri', async () => {
    const two = await newApp({ redirectUris: [CALLBACK, `${CALLBACK}2`] })
    const { code, verifier } = await obtainCode(browser, two, user)
    const answer = await redeem(portal, two, code, verifier, { redirect_uri: `${CALLBACK}2` })
    expect(answer.json.error).toBe('invalid_grant')
  })

  it('code_without_a_redirect_uri', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    const answer = await call(portal, '/token', app, {
      grant_type: 'authorization_code',
      code,
      code_verifier: verifier,
    })
    expect(answer.status).toBe(400)
  })

  it('is kept as a hash only', async () => {
    const { code } = await obtainCode(browser, app, user)
    const keys = await stores.redis().keys('*')
    const values = await Promise.all(
      keys.map((k) =>
        stores
          .redis()
          .get(k)
          .catch(() => ''),
      ),
    )
    expect(JSON.stringify([keys, values])).not.toContain(code)
  })
})

describe('OP3: races', () => {
  it('one_code_redeemed_fifty_times_at_once', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    const answers = await Promise.all(Array.from({ length: 50 }, () => redeem(portal, app, code, verifier)))
    const won = answers.filter((a) => a.status === 200)
    expect(won).toHaveLength(1)
    expect(answers.filter((a) => a.status !== 200).every((a) => a.json.error === 'invalid_grant')).toBe(true)
    expect((await refresh(portal, app, won[0]?.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, won[0]?.json.access_token)).status).toBe(401)
    expect((await introspect(portal, app, won[0]?.json.access_token)).json).toEqual({ active: false })
  })

  it('one_refresh_token_redeemed_fifty_times_at_once_without_a_grace', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    const { json } = await redeem(portal, app, code, verifier)
    const answers = await Promise.all(
      Array.from({ length: 50 }, () => refresh(portal, app, json.refresh_token)),
    )
    const won = answers.filter((a) => a.status === 200)
    expect(won).toHaveLength(1)
    expect((await refresh(portal, app, won[0]?.json.refresh_token)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, won[0]?.json.access_token)).status).toBe(401)
  })
})

describe('OP5, OP6: what the authorization endpoint refuses', () => {
  const answered = async (params: Record<string, string | null>, who: App = app) => {
    const at = await browser.go(ask(portal, who, params).url)
    return {
      error: at.url.searchParams.get('error') ?? new URLSearchParams(at.url.hash.slice(1)).get('error'),
      at,
    }
  }

  it.each([
    ['implicit', { response_type: 'token' }],
    ['implicit_id_token', { response_type: 'id_token' }],
    ['hybrid', { response_type: 'code id_token' }],
    ['hybrid_token', { response_type: 'code token' }],
  ])('response_type_%s', async (_name, params) => {
    const { error, at } = await answered(params)
    expect(error).toBe('unsupported_response_type')
    expect(at.url.href).not.toContain('access_token')
  })

  it.each([
    ['missing', { code_challenge: null, code_challenge_method: null }],
    ['plain', { code_challenge: 'a'.repeat(43), code_challenge_method: 'plain' }],
    ['without_method', { code_challenge_method: null }],
    ['empty', { code_challenge: '' }],
    ['too_short', { code_challenge: 'abc' }],
    ['method_only', { code_challenge: null }],
  ])('pkce_%s', async (_name, params) => {
    const { error } = await answered(params)
    expect(error).toBe('invalid_request')
  })

  it('pkce_verifier_omitted_wrong_or_empty', async () => {
    for (const code_verifier of ['', 'x'.repeat(43), pkce().verifier]) {
      const { code } = await obtainCode(browser, app, user)
      expect((await redeem(portal, app, code, '', { code_verifier })).json.error).toBe('invalid_grant')
    }
    const { code } = await obtainCode(browser, app, user)
    const answer = await call(portal, '/token', app, {
      grant_type: 'authorization_code',
      code,
      redirect_uri: app.redirectUri,
    })
    expect(answer.json.error).toBe('invalid_grant')
  })

  it('pkce_downgrade: a challenge sent must be answered even where PKCE is off; a verifier without one is refused', async () => {
    const lax = await newApp({ pkce: false })
    const with_ = await obtainCode(browser, lax, user)
    const bare = { grant_type: 'authorization_code', redirect_uri: lax.redirectUri }
    expect((await call(portal, '/token', lax, { ...bare, code: with_.code })).json.error).toBe(
      'invalid_grant',
    )
    const none = { code_challenge: null, code_challenge_method: null }
    const without = await obtainCode(browser, lax, user, none)
    expect((await redeem(portal, lax, without.code, without.verifier)).json.error).toBe('invalid_grant')
    const good = await obtainCode(browser, lax, user, none)
    expect((await call(portal, '/token', lax, { ...bare, code: good.code })).status).toBe(200)
  })

  it('pkce_off_for_a_public_client', async () => {
    const made = await newApp({ authMethod: 'none', pkce: false }).catch((error: Error) => error.message)
    expect(made).toContain('can only be off for a client with a secret')
  })

  it.each(['password', 'implicit', 'client_credentials', 'urn:ietf:params:oauth:grant-type:device_code'])(
    'grant_%s',
    async (grant_type) => {
      const answer = await call(portal, '/token', app, { grant_type, username: 'a', password: 'b' })
      expect(answer.status).toBe(400)
      expect(answer.json.error).toMatch(/unsupported_grant_type|invalid_request/)
    },
  )

  it('request_object_unsigned_and_request_uri', async () => {
    const none = `${Buffer.from('{"alg":"none"}').toString('base64url')}.${Buffer.from('{}').toString('base64url')}.`
    expect((await answered({ request: none })).error).toBe('invalid_request_object')
    expect((await answered({ request_uri: 'http://127.0.0.1:1/x' })).error).toBeTruthy()
  })
})

describe('OP14: hostile parameters', () => {
  it('are never a 5xx, and duplicates are refused', async () => {
    const { url } = ask(portal, app)
    for (const name of ['client_id', 'redirect_uri', 'scope', 'state', 'response_type', 'code_challenge']) {
      const twice = new URL(url)
      twice.searchParams.append(name, 'x')
      const at = await browser.go(twice)
      expect([name, at.status < 500]).toEqual([name, true])
      expect(at.url.searchParams.get('code')).toBeNull()
    }
    const junk = [
      '\u0000',
      '%',
      '[]',
      '{"a":1}',
      '__proto__',
      'a'.repeat(9000),
      '\r\nSet-Cookie: x=1',
      '<script>',
    ]
    for (const name of [
      'client_id',
      'redirect_uri',
      'scope',
      'prompt',
      'max_age',
      'claims',
      'id_token_hint',
      'login_hint',
      'response_mode',
    ]) {
      for (const value of junk) {
        const bad = new URL(url)
        bad.searchParams.set(name, value)
        const at = await browser.go(bad)
        expect([name, value.slice(0, 20), at.status < 500]).toEqual([name, value.slice(0, 20), true])
        expect(at.headers.get('set-cookie') ?? '').not.toContain('x=1')
      }
    }
    for (const fields of [
      {},
      { grant_type: '' },
      { grant_type: 'authorization_code', code: '__proto__' },
      { grant_type: 'refresh_token', refresh_token: '\u0000' },
    ]) {
      expect((await call(portal, '/token', app, fields as Record<string, string>)).status).toBeLessThan(500)
    }
    const big = await call(portal, '/token', app, {
      grant_type: 'authorization_code',
      code: 'x'.repeat(100_000),
    })
    expect(big.status).toBe(400)
  })

  it('answers an unknown client or address with a page of ours, and JSON to programs', async () => {
    const at = await browser.go(ask(portal, { ...app, clientId: 'nobody' }).url)
    expect([at.status, at.body]).toEqual([400, '<h1>invalid_client</h1>'])
    expect(portal.problems.at(-1)).toMatchObject({ status: 400, error: 'invalid_client' })
    const json = await browser.fetch(ask(portal, { ...app, clientId: 'nobody' }).url, {
      headers: { accept: 'application/json' },
    })
    expect(await json.json()).toMatchObject({ error: 'invalid_client' })
    expect((await browser.go('/oidc/nothing')).status).toBe(404)
  })
})

describe('RED2: redirect_uri is compared character by character', () => {
  const registered = 'https://app.example.com/cb'
  it.each([
    'https://app.example.com/cb/',
    'https://app.example.com/cb?x=1',
    'https://app.example.com/cb#x',
    'https://app.example.com/CB',
    'https://APP.example.com/cb',
    'https://app.example.com:443/cb',
    'https://app.example.com.evil.com/cb',
    'https://app.example.com@evil.com/cb',
    'https://evil.com/https://app.example.com/cb',
    'https://appXexample.com/cb',
    'https://sub.app.example.com/cb',
    'http://app.example.com/cb',
    '//app.example.com/cb',
    'https:app.example.com/cb',
    'https://app.example.com/cb/../cb',
    'https://app.example.com/%63b',
    'https://app.example.com/cb%00',
    'https://app.example.com/cb\\@evil.com',
    'https://app.example.com\\.evil.com/cb',
    ' https://app.example.com/cb',
    'https://app.example.com/cb\t',
    'javascript:alert(1)',
    'data:text/html,x',
    'https://app.example.com',
    '/cb',
    '',
    'null',
    'https://app.example.com/cb,https://evil.com',
  ])('redirect_uri %j', async (redirect_uri) => {
    const exact = await newApp({ redirectUris: [registered] })
    const at = await browser.go(ask(portal, exact, { redirect_uri }).url)
    expect(at.url.origin).toBe(portal.url)
    expect([at.status, at.url.pathname]).toEqual([400, '/oidc/auth'])
  })

  it('a web app on loopback keeps its port; a native one may take any (RFC 8252)', async () => {
    expect(
      (await browser.go(ask(portal, app, { redirect_uri: 'http://localhost:5000/cb' }).url)).status,
    ).toBe(400)
    const native = await newApp({ redirectUris: ['http://127.0.0.1/cb'], native: true, authMethod: 'none' })
    const at = await browser.go(ask(portal, native, { redirect_uri: 'http://127.0.0.1:50123/cb' }).url)
    expect(at.url.pathname).toBe('/consent')
  })
})

describe('OP9: answers', () => {
  it('are 303, echo state and name the issuer, errors too; POST becomes GET by 303', async () => {
    const asked = ask(portal, app, { prompt: 'none', scope: 'openid phone' })
    const at = await browser.go(asked.url)
    expect(at.status).toBe(303)
    expect(Object.fromEntries(at.url.searchParams)).toMatchObject({
      error: 'consent_required',
      state: asked.state,
      iss: portal.issuer,
    })
    const posted = await browser.fetch('/oidc/auth', { method: 'POST', body: asked.url.searchParams })
    expect([posted.status, posted.headers.get('location')?.startsWith(`${portal.issuer}/auth?`)]).toEqual([
      303,
      true,
    ])
    const through = await browser.go('/oidc/auth', {
      method: 'POST',
      body: ask(portal, app).url.searchParams,
    })
    expect(through.url.searchParams.get('code')).toBeTruthy()
  })

  it('response_mode=form_post carries the answer in a form with no inline script the policy would not allow', async () => {
    const at = await browser.go(ask(portal, app, { response_mode: 'form_post' }).url)
    expect(at.body).toContain(`action="${CALLBACK}"`)
    expect(at.body).toContain('name="code"')
  })
})
