/**
 * What a provider can be held to by OAuth 2.1, RFC 9700, FAPI 2.0 and the RFCs they name, said as requests that are wrong, at
 * the real endpoints. docs/oauth-conformance.md lists these tests, and those that stand beside what they are about.
 */
import { createServer, request } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as jose from 'jose'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { useStores } from '../testing'
import * as oidc from './index'
import {
  type Answer,
  type App,
  ask,
  CALLBACK,
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
import { asserted, assertionOf, keyed, newPair, type Pair, type Proof, proofOf } from './testing/keys'
import { newUser } from './testing/people'

const stores = useStores()
const API = 'https://api.example.com'
let portal: Portal
let user: string
let app: App
let open: App
let browser: Browser
let pair: Pair
let tokens: { access_token: string; refresh_token: string; id_token: string }

beforeAll(async () => {
  portal = await startPortal()
  user = await newUser(stores.sql)
  pair = await newPair()
  await oidc.resources.add({ id: API, name: 'Notes', scopes: [{ name: 'notes' }] })
  app = await newApp({ firstParty: true, resources: [{ resource: API }], postLogoutRedirectUris: [CALLBACK] })
  open = await newApp({ firstParty: true, authMethod: 'none' })
  browser = new Browser(portal)
  tokens = (await signInTo(browser, app, user)).json
  return () => portal.stop()
})
afterEach(() => {
  vi.useRealTimers()
  setClock(null)
})

function advance(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
  setClock(() => Date.now())
}

const errorOf = (at: Stopped): string | null => at.url.searchParams.get('error')
const codeOf = (at: Stopped): string | null => at.url.searchParams.get('code')

/** It stayed at the portal: nothing was sent anywhere. */
function expectNotSentOn(at: Stopped): void {
  expect([at.status, at.url.origin, at.hops]).toEqual([400, portal.url, 0])
  expect(at.headers.get('location')).toBeNull()
}

const push = (who: App, params: Record<string, string | null> = {}, headers: Record<string, string> = {}) => {
  const asked = ask(portal, who, params)
  const fields = Object.fromEntries(asked.url.searchParams)
  return call(portal, '/par', who, fields, headers).then((answer) => ({ ...answer, asked }))
}

const pushed = (who: Pick<App, 'clientId'>, answer: Answer, more: Record<string, string> = {}): URL => {
  const url = new URL(`${portal.issuer}/auth`)
  url.search = new URLSearchParams({
    client_id: who.clientId,
    request_uri: answer.json.request_uri,
    ...more,
  }).toString()
  return url
}

describe('the authorization endpoint', () => {
  it.each<[string, Record<string, string | null>]>([
    ['an_unregistered_address', { redirect_uri: 'https://evil.example.com/cb' }],
    ['an_address_with_a_user', { redirect_uri: 'http://somebody@localhost:4999/cb' }],
    ['an_address_with_a_path_below', { redirect_uri: `${CALLBACK}/../../evil` }],
    ['no_address_at_all', { redirect_uri: null }],
    ['a_wrong_address_and_prompt_none', { redirect_uri: 'https://evil.example.com/cb', prompt: 'none' }],
    [
      'a_wrong_address_and_a_wrong_type',
      { redirect_uri: 'https://evil.example.com/cb', response_type: 'token' },
    ],
    ['a_wrong_address_and_a_wrong_scope', { redirect_uri: 'https://evil.example.com/cb', scope: 'x' }],
    ['an_unknown_client', { client_id: 'nobody', redirect_uri: 'https://evil.example.com/cb' }],
  ])('is_no_open_redirector: %s', async (_what, params) => {
    expectNotSentOn(await browser.go(ask(portal, app, params).url))
  })

  it('a_redirect_uri_given_twice_goes_nowhere', async () => {
    const { url } = ask(portal, app)
    url.searchParams.append('redirect_uri', 'https://evil.example.com/cb')
    expectNotSentOn(await browser.go(url))
  })

  it('iss_stands_in_every_answer', async () => {
    const good = await browser.go(ask(portal, app).url)
    const bad = await browser.go(ask(portal, app, { prompt: 'none', claims: '{' }).url)
    expect([codeOf(good), errorOf(bad)]).toEqual([expect.any(String), 'invalid_request'])
    for (const { url } of [good, bad]) expect(url.searchParams.get('iss')).toBe(portal.issuer)
    const posted = await browser.go(ask(portal, app, { response_mode: 'form_post' }).url)
    expect(posted.body).toContain(`name="iss" value="${portal.issuer}"`)
  })

  it.each(['web_message', 'jwt', 'query.jwt', 'fragment.jwt', 'form_post.jwt', 'cookie'])(
    'response_mode_%s_is_not_there',
    async (response_mode) => {
      const at = await browser.go(ask(portal, app, { response_mode }).url)
      expect([codeOf(at), at.url.hash]).toEqual([null, ''])
    },
  )

  it.each(['id_token token', 'code id_token token', 'none', 'code none', ''])(
    'response_type_"%s"_is_not_there',
    async (response_type) => {
      const at = await browser.go(ask(portal, app, { response_type }).url)
      expect(at.url.href + at.body).not.toMatch(/access_token=|id_token=|code=/)
    },
  )

  it('no_script_of_another_site_reads_its_answers', async () => {
    for (const method of ['GET', 'OPTIONS']) {
      const answer = await browser.fetch(ask(portal, open).url, {
        method,
        headers: { origin: 'http://localhost:4999', 'access-control-request-method': 'GET' },
      })
      expect(answer.headers.get('access-control-allow-origin')).toBeNull()
    }
  })

  it('its_answers_and_those_of_every_endpoint_with_tokens_are_stored_by_nobody', async () => {
    const got = await obtainCode(browser, app, user)
    const pair = [await redeem(portal, app, got.code, got.verifier), await refresh(portal, app, 'x')]
    const answers = [
      got.landed,
      ...pair,
      await userinfo(portal, tokens.access_token),
      await userinfo(portal, 'x'),
      await introspect(portal, app, tokens.access_token),
      await call(portal, '/revocation', app, { token: 'x' }),
      await push(app),
    ]
    expect(answers.map(({ headers }) => headers.get('cache-control'))).toEqual(Array(8).fill('no-store'))
  })
})

describe('a code', () => {
  it('is_not_used_up_by_somebody_elses_try', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    expect((await redeem(portal, open, code, verifier)).json.error).toBe('invalid_grant')
    expect((await redeem(portal, app, code, 'x'.repeat(43))).json.error).toBe('invalid_grant')
    expect((await redeem(portal, app, code, verifier)).status).toBe(200)
  })

  it('without_the_clients_secret', async () => {
    const { code, verifier } = await obtainCode(browser, app, user)
    const bare = { ...app, clientSecret: undefined }
    expect((await redeem(portal, bare, code, verifier)).json.error).toBe('invalid_client')
  })
})

describe('the token endpoint', () => {
  const query = async (search: string, init: RequestInit = {}) => {
    const res = await fetch(`${portal.issuer}/token?${search}`, init)
    return { status: res.status, text: await res.text() }
  }

  it('takes_nothing_from_the_query', async () => {
    const { code, verifier } = await obtainCode(browser, open, user)
    const all = new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: open.clientId,
      code,
      code_verifier: verifier,
      redirect_uri: open.redirectUri,
    }).toString()
    for (const init of [{}, { method: 'POST' }, { method: 'PUT', body: all }]) {
      const { status, text } = await query(all, init)
      expect(status).toBeGreaterThanOrEqual(400)
      expect(text).not.toContain('access_token')
    }
    const secret = new URLSearchParams({ client_id: app.clientId, client_secret: app.clientSecret ?? '' })
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: tokens.refresh_token })
    expect((await query(secret.toString(), { method: 'POST', body })).status).toBe(400)
    expect((await redeem(portal, open, code, verifier)).status).toBe(200)
  })

  it('takes_forms_alone', async () => {
    const body = JSON.stringify({ grant_type: 'refresh_token', client_id: open.clientId, refresh_token: 'x' })
    const res = await fetch(`${portal.issuer}/token`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body,
    })
    expect([res.status, (await res.json()).error]).toEqual([400, 'invalid_request'])
  })

  it('takes_no_parameter_twice', async () => {
    const body = `grant_type=refresh_token&refresh_token=x&refresh_token=y&client_id=${open.clientId}`
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const res = await fetch(`${portal.issuer}/token`, { method: 'POST', headers, body })
    expect([res.status, (await res.json()).error]).toEqual([400, 'invalid_request'])
  })

  it.each<[string, () => Promise<[Record<string, string>, Record<string, string>]>]>([
    ['a_secret_in_header_and_body', async () => [{ client_secret: app.clientSecret ?? '' }, {}]],
    ['a_secret_and_an_assertion', async () => [asserted(app, await assertionOf(portal, app, pair)), {}]],
    ['another_client_id_than_the_header', async () => [{ client_id: open.clientId }, {}]],
    ['a_bearer_token_for_a_secret', async () => [{}, { authorization: `Bearer ${tokens.access_token}` }]],
  ])('client_authentication_with_%s', async (_what, make) => {
    const [fields, headers] = await make()
    const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'x', ...fields })
    const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`
    const res = await fetch(`${portal.issuer}/token`, {
      method: 'POST',
      headers: { authorization: basic, ...headers },
      body,
    })
    expect([res.status, (await res.json()).error]).toEqual([400, 'invalid_request'])
  })

  it('a_refresh_token_without_its_clients_secret', async () => {
    const bare = { ...app, clientSecret: undefined }
    expect((await refresh(portal, bare, tokens.refresh_token)).json.error).toBe('invalid_client')
    const wrong = { ...app, clientSecret: 'gts_wrong' }
    expect((await refresh(portal, wrong, tokens.refresh_token)).json.error).toBe('invalid_client')
  })
})

describe('an assertion', () => {
  const show = (who: App, jwt: string, more: Record<string, string> = {}) =>
    call(portal, '/token', null, {
      grant_type: 'refresh_token',
      refresh_token: 'x',
      ...asserted(who, jwt),
      ...more,
    })

  it('signed_with_the_public_key_as_a_secret', async () => {
    const who = await keyed(pair)
    for (const secret of [JSON.stringify(pair.jwk), await jose.exportSPKI(pair.publicKey)]) {
      const jwt = await new jose.SignJWT({ jti: 'a' })
        .setProtectedHeader({ alg: 'HS256', kid: pair.jwk.kid })
        .setIssuer(who.clientId)
        .setSubject(who.clientId)
        .setAudience(portal.issuer)
        .setExpirationTime('1m')
        .sign(Buffer.from(secret))
      expect((await show(who, jwt)).json.error).toBe('invalid_client')
    }
  })

  it('of_another_kind_or_beside_another_client_id', async () => {
    const who = await keyed(pair)
    const jwt = () => assertionOf(portal, who, pair)
    const kind = { client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:saml2-bearer' }
    expect((await show(who, await jwt(), kind)).json.error).toBe('invalid_request')
    expect((await show(who, await jwt(), { client_id: app.clientId })).json.error).toBe('invalid_request')
    expect((await show(who, await jwt())).json.error).toBe('invalid_grant')
  })
})

describe('a pushed request', () => {
  it('of_another_client', async () => {
    const answer = await push(app)
    const at = await browser.go(pushed(open, answer))
    expect(codeOf(at)).toBeNull()
    expect(codeOf(await browser.go(pushed(app, answer)))).not.toBeNull()
  })

  it('is_good_once_also_for_ten_at_once', async () => {
    const answer = await push(app)
    const all = await Promise.all(Array.from({ length: 10 }, () => browser.go(pushed(app, answer))))
    expect(all.filter((at) => codeOf(at) !== null)).toHaveLength(1)
    expect(codeOf(await browser.go(pushed(app, answer)))).toBeNull()
  })

  it('is_over_after_a_minute', async () => {
    const answer = await push(app)
    expect(answer.json.expires_in).toBeLessThanOrEqual(60)
    advance(61)
    expect(codeOf(await browser.go(pushed(app, answer)))).toBeNull()
  })

  it('what_stands_beside_it_counts_for_nothing', async () => {
    const two = await newApp({ firstParty: true, redirectUris: [CALLBACK, `${CALLBACK}2`] })
    const answer = await push(two, { scope: 'openid' })
    const more = {
      redirect_uri: `${CALLBACK}2`,
      scope: 'openid email',
      code_challenge: 'x'.repeat(43),
      state: 'x',
    }
    const at = await browser.go(pushed(two, answer, more))
    expect([at.url.origin + at.url.pathname, at.url.searchParams.get('state')]).toEqual([
      CALLBACK,
      answer.asked.state,
    ])
    const got = await redeem(portal, two, codeOf(at) ?? '', answer.asked.verifier)
    expect([got.status, got.json.scope]).toEqual([200, 'openid'])
  })

  it.each<[string, Record<string, string | null>, string]>([
    ['an_unregistered_address', { redirect_uri: 'https://evil.example.com/cb' }, 'invalid_request'],
    ['no_challenge', { code_challenge: null, code_challenge_method: null }, 'invalid_request'],
    [
      'a_pushed_request_in_it',
      { request_uri: 'urn:ietf:params:oauth:request_uri:x' },
      'request_uri_not_supported',
    ],
    ['the_implicit_type', { response_type: 'token' }, 'unsupported_response_type'],
  ])('pushed_with_%s', async (_what, params, error) => {
    expect((await push(app, params)).json.error).toBe(error)
  })

  it('without_the_clients_secret_or_with_a_wrong_one', async () => {
    expect((await push({ ...app, clientSecret: undefined })).json.error).toBe('invalid_client')
    expect((await push({ ...app, clientSecret: 'gts_wrong' })).status).toBe(401)
  })
})

describe('a signed request', () => {
  const send = (who: App, request: string, more: Record<string, string> = {}) => {
    const url = new URL(`${portal.issuer}/auth`)
    url.search = new URLSearchParams({ client_id: who.clientId, request, ...more }).toString()
    return browser.go(url)
  }
  const paramsOf = (who: App) => Object.fromEntries(ask(portal, who).url.searchParams)
  const sign = (claims: jose.JWTPayload) =>
    new jose.SignJWT(claims).setAudience(portal.issuer).setExpirationTime('1m')

  it('that_names_another_client_than_the_address', async () => {
    const who = await newApp({ firstParty: true, jwks: { keys: [pair.jwk] }, signedRequests: true })
    const header = { alg: pair.alg, kid: pair.jwk.kid }
    const good = await sign({ ...paramsOf(who), iss: who.clientId })
      .setProtectedHeader(header)
      .sign(pair.privateKey)
    expect(codeOf(await send(who, good))).not.toBeNull()
    const claims = { ...paramsOf(who), client_id: app.clientId, iss: who.clientId }
    const bad = await sign(claims).setProtectedHeader(header).sign(pair.privateKey)
    const at = await send(who, bad)
    expect([codeOf(at), errorOf(at) ?? at.body]).toEqual([
      null,
      expect.stringContaining('invalid_request_object'),
    ])
  })

  it('by_a_shared_secret_or_by_nothing', async () => {
    const who = await newApp({ firstParty: true, jwks: { keys: [pair.jwk] }, signedRequests: true })
    const claims = { ...paramsOf(who), iss: who.clientId }
    const secrets = [who.clientSecret ?? '', 'kept-as-a-hash', await jose.exportSPKI(pair.publicKey)]
    for (const secret of secrets) {
      const jwt = await sign(claims).setProtectedHeader({ alg: 'HS256' }).sign(Buffer.from(secret))
      expect(codeOf(await send(who, jwt))).toBeNull()
    }
    expect(codeOf(await send(who, new jose.UnsecuredJWT(claims).encode()))).toBeNull()
    expect(codeOf(await send(app, new jose.UnsecuredJWT(paramsOf(app)).encode()))).toBeNull()
  })

  it('together_with_a_pushed_one', async () => {
    const who = await newApp({ firstParty: true, jwks: { keys: [pair.jwk] } })
    const request = await sign({ ...paramsOf(who), iss: who.clientId })
      .setProtectedHeader({ alg: pair.alg, kid: pair.jwk.kid })
      .sign(pair.privateKey)
    // Each is good by itself.
    expect(codeOf(await send(who, request))).not.toBeNull()
    expect(codeOf(await browser.go(pushed(who, await push(who))))).not.toBeNull()
    expect(codeOf(await browser.go(pushed(who, await push(who), { request })))).toBeNull()
  })
})

describe('a DPoP proof', () => {
  /** A token request whose code is wrong: whoever passes hears `invalid_grant` of the code. */
  const at = async (dpop: string | string[]) => {
    const body = new URLSearchParams({
      ...{ grant_type: 'authorization_code', code: 'x', redirect_uri: open.redirectUri },
      ...{ code_verifier: 'x'.repeat(43), client_id: open.clientId },
    }).toString()
    return new Promise<{ status: number; error: string }>((done, fail) => {
      const req = request(`${portal.issuer}/token`, {
        method: 'POST',
        headers: { dpop, 'content-type': 'application/x-www-form-urlencoded' },
      })
      req.on('response', async (res) => {
        let text = ''
        for await (const chunk of res) text += chunk
        done({ status: res.statusCode ?? 0, error: JSON.parse(text).error })
      })
      req.on('error', fail)
      req.end(body)
    })
  }
  const now = () => Math.floor(Date.now() / 1000)

  it.each<[string, () => Promise<string | string[]>]>([
    ['of_another_type', () => proofOf(portal, pair, { header: { typ: 'JWT' } })],
    ['without_a_jti', () => proofOf(portal, pair, { claims: { jti: undefined } })],
    ['without_a_time', () => proofOf(portal, pair, { claims: { iat: undefined } })],
    ['of_an_hour_to_come', () => proofOf(portal, pair, { claims: { iat: now() + 3600 } })],
    ['for_another_method', () => proofOf(portal, pair, { htm: 'GET' })],
    ['for_another_endpoint', () => proofOf(portal, pair, { path: '/par' })],
    [
      'for_another_host',
      () => proofOf(portal, pair, { claims: { htu: 'https://evil.example.com/oidc/token' } }),
    ],
    ['with_a_nonce_of_its_own', () => proofOf(portal, pair, { claims: { nonce: 'mine' } })],
    ['without_its_key', () => proofOf(portal, pair, { header: { jwk: undefined } })],
    [
      'that_shows_the_private_key',
      async () => proofOf(portal, pair, { header: { jwk: await jose.exportJWK(pair.privateKey) } }),
    ],
    [
      'signed_by_another_key',
      async () => proofOf(portal, { ...(await newPair()), publicKey: pair.publicKey }),
    ],
    [
      'signed_by_a_shared_secret',
      async () =>
        new jose.SignJWT({ htm: 'POST', htu: `${portal.issuer}/token`, jti: 'a', iat: now() })
          .setProtectedHeader({
            alg: 'HS256',
            typ: 'dpop+jwt',
            jwk: { kty: 'oct', k: 'c2VjcmV0' } as jose.JWK,
          })
          .sign(Buffer.from('secret')),
    ],
    [
      'signed_by_nothing',
      async () => {
        const [, payload] = (await proofOf(portal, pair)).split('.')
        const header = { alg: 'none', typ: 'dpop+jwt', jwk: pair.jwk }
        return `${Buffer.from(JSON.stringify(header)).toString('base64url')}.${payload}.`
      },
    ],
    ['sent_twice', async () => [await proofOf(portal, pair), await proofOf(portal, pair)]],
    ['that_is_no_jwt', async () => 'x'],
  ])('dpop_proof_%s', async (_what, make) => {
    expect((await at(await proofOf(portal, pair))).error).toBe('invalid_grant')
    expect((await at(await make())).error).toMatch(/^(invalid_dpop_proof|use_dpop_nonce)$/)
  })

  it('a_code_that_was_asked_for_with_one_key_is_redeemed_with_no_other', async () => {
    const other = await newPair()
    const dpop_jkt = await jose.calculateJwkThumbprint(await jose.exportJWK(pair.publicKey))
    const redeemed = async (headers: Record<string, string>) => {
      const { code, verifier } = await obtainCode(browser, open, user, { dpop_jkt })
      const fields = { grant_type: 'authorization_code', code, redirect_uri: open.redirectUri }
      return call(portal, '/token', open, { ...fields, code_verifier: verifier }, headers)
    }
    expect((await redeemed({})).json.error).toBe('invalid_grant')
    expect((await redeemed({ dpop: await proofOf(portal, other) })).json.error).toBe('invalid_grant')
    expect((await redeemed({ dpop: await proofOf(portal, pair) })).json.token_type).toBe('DPoP')
  })

  it('a_bound_token_is_no_bearer_token_in_any_place', async () => {
    const { code, verifier } = await obtainCode(browser, open, user)
    const fields = {
      grant_type: 'authorization_code',
      code,
      redirect_uri: open.redirectUri,
      code_verifier: verifier,
    }
    const dpop = await proofOf(portal, pair)
    const token = (await call(portal, '/token', open, fields, { dpop })).json.access_token
    const proof = (said: Proof = {}) =>
      proofOf(portal, pair, { htm: 'GET', path: '/userinfo', token, ...said })
    const ask = async (headers: Record<string, string>) =>
      (await fetch(`${portal.issuer}/userinfo`, { headers })).status
    expect(await ask({ authorization: `DPoP ${token}`, dpop: await proof() })).toBe(200)
    expect(await ask({ authorization: `Bearer ${token}`, dpop: await proof() })).toBeGreaterThanOrEqual(400)
    expect(await ask({ authorization: `Bearer ${token}` })).toBe(401)
    expect(await ask({ authorization: `DPoP ${token}` })).toBeGreaterThanOrEqual(400)
    const body = new URLSearchParams({ access_token: token })
    const posted = await fetch(`${portal.issuer}/userinfo`, {
      method: 'POST',
      body,
      headers: { dpop: await proof({ htm: 'POST' }) },
    })
    expect(posted.status).toBeGreaterThanOrEqual(400)
  })
})

describe('FAPI 2.0', () => {
  it('fapi2_asks_for_a_pushed_request_by_an_app_that_proved_itself_and_a_key', async () => {
    const who = await keyed(pair, { security: 'fapi2', firstParty: true })
    const front = await browser.go(ask(portal, who).url)
    expect(codeOf(front)).toBeNull()
    expect((await push(who)).json.error).toBe('invalid_client')
    const asked = ask(portal, who)
    const fields = async (said = {}) => ({
      ...Object.fromEntries(asked.url.searchParams),
      ...asserted(who, await assertionOf(portal, who, pair, said)),
    })
    const answer = await call(portal, '/par', null, await fields())
    expect(answer.status).toBe(201)
    expect(
      (await call(portal, '/par', null, { ...(await fields()), code_challenge_method: 'plain' })).json.error,
    ).toBe('invalid_request')
    const code = codeOf(await browser.go(pushed(who, answer))) ?? ''
    const token = async (headers: Record<string, string>) =>
      call(
        portal,
        '/token',
        null,
        {
          ...{
            grant_type: 'authorization_code',
            code,
            code_verifier: asked.verifier,
            redirect_uri: who.redirectUri,
          },
          ...asserted(who, await assertionOf(portal, who, pair)),
        },
        headers,
      )
    expect((await token({})).json.error).toBe('invalid_grant')
    const told = await token({ dpop: await proofOf(portal, pair) })
    expect(told.json.error).toBe('use_dpop_nonce')
    const nonce = told.headers.get('dpop-nonce') ?? ''
    const good = await token({ dpop: await proofOf(portal, pair, { claims: { nonce } }) })
    expect([good.status, good.json.token_type]).toEqual([200, 'DPoP'])
  })
})

describe('tokens', () => {
  const info = async (search: string, init: RequestInit = {}) =>
    (await fetch(`${portal.issuer}/userinfo${search}`, init)).status

  it('an_access_token_in_the_query_is_none', async () => {
    const search = `?${new URLSearchParams({ access_token: tokens.access_token })}`
    expect(await info(search)).toBeGreaterThanOrEqual(400)
    expect(await info(search, { method: 'POST' })).toBeGreaterThanOrEqual(400)
    expect(await info('', { headers: { authorization: `Bearer ${tokens.access_token}` } })).toBe(200)
  })

  it('an_access_token_in_two_places_at_once_is_refused', async () => {
    const body = new URLSearchParams({ access_token: tokens.access_token })
    const authorization = `Bearer ${tokens.access_token}`
    expect(await info('', { method: 'POST', body, headers: { authorization } })).toBe(400)
  })

  it('a_refused_token_is_told_by_www_authenticate_and_says_nothing_of_the_token', async () => {
    const answer = await userinfo(portal, 'never-issued')
    expect([answer.status, answer.json.error]).toEqual([401, 'invalid_token'])
    expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer .*error="invalid_token"/)
    expect(JSON.stringify(answer.json)).not.toContain('never-issued')
  })

  it('a_signed_access_token_is_no_hint_of_who_signs_in_or_out', async () => {
    const params = { resource: API, scope: 'notes', nonce: null }
    const { code, verifier } = await obtainCode(browser, app, user, params)
    const { json } = await redeem(portal, app, code, verifier, { resource: API })
    expect(jose.decodeProtectedHeader(json.access_token).typ).toBe('at+jwt')
    const at = await browser.go(ask(portal, app, { id_token_hint: json.access_token }).url)
    expect([codeOf(at), errorOf(at)]).toEqual([null, 'invalid_request'])
    const out = await browser.go(
      `/oidc/logout?${new URLSearchParams({ id_token_hint: json.access_token, post_logout_redirect_uri: CALLBACK })}`,
    )
    expect([out.status, out.url.origin]).toEqual([400, portal.url])
    expect((await userinfo(portal, tokens.access_token)).status).toBe(200)
  })

  it('a_logout_token_is_no_hint_either', async () => {
    let logoutToken = ''
    const server = createServer(async (req, res) => {
      let body = ''
      for await (const chunk of req) body += chunk
      logoutToken = new URLSearchParams(body).get('logout_token') ?? ''
      res.end()
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const backchannelLogoutUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/logout`
    try {
      const told = await newApp({ firstParty: true, backchannelLogoutUri })
      await signInTo(browser, told, user)
      // The session, which it names, goes on.
      await oidc.grants.revoke(user, told.clientId)
      await audit.drain()
      expect(jose.decodeProtectedHeader(logoutToken).typ).toBe('logout+jwt')
      const out = await browser.go(`/oidc/logout?${new URLSearchParams({ id_token_hint: logoutToken })}`)
      expect(out.status).toBe(400)
      const into = await browser.go(ask(portal, told, { id_token_hint: logoutToken }).url)
      expect([codeOf(into), errorOf(into)]).toEqual([null, 'invalid_request'])
      // Whatever stands where a name should is no more than wrong.
      for (const typ of [1, null, {}]) {
        const header = Buffer.from(JSON.stringify({ typ })).toString('base64url')
        const odd = await browser.go(`/oidc/logout?id_token_hint=${header}.e30.x`)
        expect(odd.status).toBe(400)
      }
      expect((await userinfo(portal, tokens.access_token)).status).toBe(200)
    } finally {
      server.closeAllConnections()
      server.close()
    }
  })

  it('a_token_of_another_client_is_not_revoked', async () => {
    expect((await call(portal, '/revocation', open, { token: tokens.access_token })).status).toBe(200)
    const other = await newApp()
    expect((await call(portal, '/revocation', other, { token: tokens.access_token })).status).toBe(400)
    expect((await userinfo(portal, tokens.access_token)).status).toBe(200)
  })

  it('introspection_takes_nothing_from_the_query_and_tells_strangers_nothing', async () => {
    const search = new URLSearchParams({ token: tokens.access_token })
    const basic = `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}`
    const res = await fetch(`${portal.issuer}/introspection?${search}`, {
      method: 'POST',
      headers: { authorization: basic },
      body: new URLSearchParams(),
    })
    expect(res.status).toBe(400)
    expect((await fetch(`${portal.issuer}/introspection?${search}`)).status).toBeGreaterThanOrEqual(400)
    expect((await introspect(portal, open, tokens.access_token)).status).toBe(401)
  })
})
