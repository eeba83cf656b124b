/** Tokens of other providers for relying apps: a real provider, a real app, a real account there. */
import { request } from 'node:http'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { env, reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import * as federation from '../federation'
import * as oidc from '../oidc'
import { type App, ask, newApp, redeem, refresh, userinfo } from '../oidc/testing/app'
import { Browser, type Portal, type Stopped, startPortal } from '../oidc/testing/harness'
import { newUser } from '../oidc/testing/people'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import { type Peers, startPeers } from '../testing/peers'
import { type ListeningHost, listeningHost } from './host.fixture'

const stores = useStores({ GUESTS: 'on', LIMIT_REQUESTS_BURST: '100000' })
const SCOPE = 'provider_tokens:acme'

let portal: Portal
let peers: Peers
let host: ListeningHost
let port = 0
let app: App

beforeAll(async () => {
  portal = await startPortal()
  peers = await startPeers(portal.url)
  await set({ ...peers.env, PROVIDER_ACME_KEEP_TOKENS: 'on', PROVIDER_TOKENS: 'on' })
  // As the portal would have started with them.
  await oidc.stop()
  await oidc.start()
  host = await listeningHost({
    oidc: oidc.handle,
    checkSession: sessions.check,
    management: oidc,
    providerTokens: { access: oidc.access, tokenOf: federation.tokens.get },
  })
  port = host.port
  app = await newApp({ providerTokens: ['acme'], guests: true })
})
afterAll(async () => {
  for (const name of Object.keys(process.env)) if (name.startsWith('PROVIDER')) delete process.env[name]
  await host.drain(0)
  await peers.stop()
  await portal.stop()
})

async function set(variables: Record<string, string>): Promise<void> {
  Object.assign(process.env, variables)
  reloadEnv()
}

interface Answer {
  status: number
  // biome-ignore lint/suspicious/noExplicitAny: JSON from the wire, judged by the test
  json: any
  headers: Record<string, string | string[] | undefined>
}

function call(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        headers: { host: new URL(env().url).host, ...headers },
        agent: false,
      },
      (res) => {
        let text = ''
        res.setEncoding('utf8')
        res.on('data', (chunk) => {
          text += chunk
        })
        res.on('end', () =>
          resolve({
            status: res.statusCode ?? 0,
            json: text.startsWith('{') ? JSON.parse(text) : text,
            headers: res.headers,
          }),
        )
      },
    )
    sent.on('error', reject)
    sent.end()
  })
}

const get = (token: string, provider = 'acme') =>
  call(`/api/me/provider-tokens/${provider}`, { authorization: `Bearer ${token}` })

const view = (at: Stopped) => JSON.parse(at.body).view as oidc.InteractionView
const error = (at: Stopped) => at.url.searchParams.get('error')

/** Links what Acme says of a new person there. */
async function link(userId: string): Promise<void> {
  peers.acme.person = { ...peers.acme.person, sub: uuid() }
  const caller = testCaller()
  const begun = await federation.begin({
    purpose: 'sign_in',
    flow: 'a-flow-of-22-letters-x',
    returnTo: '/account',
    provider: 'acme',
    caller,
  })
  if (!begun.ok) throw new Error(begun.refusal.code)
  const cookies = Object.fromEntries(
    begun.value.setCookies.map((line) => (line.split(';')[0] ?? '').split(/=(.*)/s) as [string, string]),
  )
  const back = await peers.acme.press(begun.value.url)
  const outcome = await federation.finish('acme', back.url.searchParams, { ...caller, cookies })
  if (!outcome.ok) throw new Error(outcome.refusal.code)
  await inTx((tx) => federation.accounts.link(tx, userId, outcome.identity, caller))
}

/** Somebody with an account at Acme, signed in to the app, which may have their tokens of it. */
async function signedIn(scope = `openid ${SCOPE}`, linked = true) {
  const user = await newUser(stores.sql)
  if (linked) await link(user)
  const browser = new Browser(portal)
  const asked = ask(portal, app, { scope })
  const at = await browser.allow(await browser.signIn(user, await browser.go(asked.url)))
  const { json } = await redeem(portal, app, at.url.searchParams.get('code') ?? '', asked.verifier)
  return { user, browser, json, token: json.access_token as string }
}

describe('a relying app that may', () => {
  test('gets the person’s access token, good now, and nobody keeps the answer', async () => {
    const { token, user } = await signedIn()
    const { status, json, headers } = await get(token)
    expect(status).toBe(200)
    expect(Object.keys(json).sort()).toEqual(['access_token', 'expires_in', 'scope', 'token_type'])
    expect(json.expires_in).toBeGreaterThan(0)
    expect(headers['cache-control']).toBe('no-store')
    // It is Acme's own token: Acme says who that is.
    const said = await federation.tokens.get(user, 'acme')
    expect(said).toMatchObject({ ok: true, value: { accessToken: json.access_token } })
    // The refresh token stays here.
    expect(JSON.stringify(json)).not.toContain('refresh')
    const { rows } = await stores.sql(
      `SELECT client_id, data FROM events WHERE user_id = $1 AND type = 'provider_token.given'`,
      [user],
    )
    expect(rows).toEqual([{ client_id: app.clientId, data: { provider: 'acme' } }])
  })

  test('gets another one when that is over; the history has one line an hour', async () => {
    const { token, user } = await signedIn()
    const first = (await get(token)).json.access_token
    await stores.sql(`UPDATE auth_providers SET token_expires_at = now() WHERE user_id = $1`, [user])
    const second = await get(token)
    expect(second.status).toBe(200)
    expect(second.json.access_token).not.toBe(first)
    const { rows } = await stores.sql(
      `SELECT 1 FROM events WHERE user_id = $1 AND type = 'provider_token.given'`,
      [user],
    )
    expect(rows).toHaveLength(1)
  })

  test('is slowed down, with the time to come back', async () => {
    const { token } = await signedIn()
    const answers: Answer[] = []
    for (let i = 0; i < 21; i++) answers.push(await get(token))
    expect(answers.slice(0, 20).every(({ status }) => status === 200)).toBe(true)
    expect(answers[20]).toMatchObject({ status: 429, json: { error: 'rate_limited' } })
    expect(Number(answers[20]?.headers['retry-after'])).toBeGreaterThan(0)
  })
})

describe('the person is asked', () => {
  test('in_words_of_their_own_also_by_an_app_of_the_house', async () => {
    const house = await newApp({ firstParty: true, providerTokens: ['acme'] })
    const browser = new Browser(portal)
    const at = await browser.signIn(
      await newUser(stores.sql),
      await browser.go(ask(portal, house, { scope: `openid ${SCOPE}` }).url),
    )
    expect(at.url.pathname).toBe('/consent')
    expect(view(at).newScopes).toContain(SCOPE)
    // What the house's apps get without a question stays so.
    const plain = await browser.go(ask(portal, house, { scope: 'openid profile' }).url)
    expect(plain.url.searchParams.get('code')).toBeTruthy()
  })

  test('not_at_all_by_an_app_that_is_not_registered_for_it', async () => {
    for (const providerTokens of [[], ['google']]) {
      const other = await newApp({ firstParty: true, providerTokens })
      const at = await new Browser(portal).go(ask(portal, other, { scope: `openid ${SCOPE}` }).url)
      expect(error(at)).toBe('invalid_scope')
      // A provider whose tokens are not kept has no such scope: it is passed over.
      expect(error(await new Browser(portal).go(ask(portal, other).url))).toBeNull()
    }
  })

  test('an_app_without_a_secret_cannot_be_registered_for_it', async () => {
    const input = { name: 'x', redirectUris: ['https://x.example/'], authMethod: 'none' as const }
    expect(await oidc.clients.add({ ...input, providerTokens: ['acme'] })).toMatchObject({ ok: false })
    const spa = await newApp({ authMethod: 'none' })
    expect(await oidc.clients.update(spa.clientId, { providerTokens: ['acme'] })).toMatchObject({ ok: false })
  })
})

describe('nobody else', () => {
  test('without_a_token_or_with_a_bad_one_is_401', async () => {
    const bare = await call('/api/me/provider-tokens/acme')
    expect(bare).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
    // RFC 6750 section 3.1: who showed nothing is told nothing of errors.
    expect(bare.headers['www-authenticate']).toBe(`Bearer realm="${portal.url}"`)
    const { token, json, browser } = await signedIn()
    const cookie = [...browser.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    for (const headers of [
      { authorization: 'Bearer x' },
      { authorization: `Bearer ${token}x` },
      { authorization: `Bearer ${json.refresh_token}` },
      { authorization: `Bearer ${json.id_token}` },
      { authorization: `Basic ${Buffer.from(`${app.clientId}:${app.clientSecret}`).toString('base64')}` },
      { authorization: `Bearer ${token} ${token}` },
    ]) {
      const answer = await call('/api/me/provider-tokens/acme', headers)
      expect(answer, JSON.stringify(headers)).toMatchObject({ status: 401, json: { error: 'invalid_token' } })
      expect(answer.headers['www-authenticate']).toContain('error="invalid_token"')
    }
    // Neither in the address, nor by the cookies of the person's own browser.
    expect((await call(`/api/me/provider-tokens/acme?access_token=${token}`)).status).toBe(401)
    expect((await call('/api/me/provider-tokens/acme', { cookie })).status).toBe(401)
  })

  test('without_the_scope_is_403', async () => {
    const { token } = await signedIn('openid profile')
    expect((await userinfo(portal, token)).status).toBe(200)
    const answer = await get(token)
    expect(answer).toMatchObject({ status: 403, json: { error: 'insufficient_scope' } })
    expect(answer.headers['www-authenticate']).toContain(`scope="${SCOPE}"`)
    expect((await get((await signedIn()).token, 'google')).status).toBe(403)
  })

  test('a_person_without_that_account_is_404', async () => {
    expect(await get((await signedIn(`openid ${SCOPE}`, false)).token)).toMatchObject({
      status: 404,
      json: { error: 'not_found' },
    })
  })

  test('an_app_whose_registration_was_taken_back_is_403', async () => {
    const { token, json } = await signedIn()
    expect(await oidc.clients.update(app.clientId, { providerTokens: [] })).toMatchObject({ ok: true })
    expect((await get(token)).status).toBe(403)
    const renewed = await refresh(portal, app, json.refresh_token)
    if (renewed.status === 200) expect((await get(renewed.json.access_token)).status).toBe(403)
    expect(await oidc.clients.update(app.clientId, { providerTokens: ['acme'] })).toMatchObject({ ok: true })
    expect((await get(token)).status).toBe(200)
  })

  test('a_revoked_session_a_withdrawn_consent_a_disabled_app_are_401', async () => {
    const ended = await signedIn()
    await sessions.revoke({ userId: ended.user, all: true }, { reason: 'user' })
    expect((await get(ended.token)).status).toBe(401)
    const withdrawn = await signedIn()
    expect(await oidc.grants.revoke(withdrawn.user, app.clientId)).toMatchObject({ ok: true })
    expect((await get(withdrawn.token)).status).toBe(401)
    const { token } = await signedIn()
    await oidc.clients.disable(app.clientId)
    expect((await get(token)).status).toBe(401)
    await oidc.clients.enable(app.clientId)
    expect((await get(token)).status).toBe(200)
  })

  test('a_token_that_is_over_is_401', async () => {
    const { token } = await signedIn()
    const at = nowMs() + (env().accessTokenSeconds + 1) * 1000
    setClock(() => at)
    try {
      expect((await get(token)).status).toBe(401)
    } finally {
      setClock(null)
    }
  })

  test('a_guest_is_403_whatever_was_allowed', async () => {
    const browser = new Browser(portal)
    const asked = ask(portal, app, { scope: `openid ${SCOPE}` })
    const at = await browser.allow(await browser.asGuest(await browser.go(asked.url)))
    const { json } = await redeem(portal, app, at.url.searchParams.get('code') ?? '', asked.verifier)
    expect(json.scope).toContain(SCOPE)
    expect((await get(json.access_token)).status).toBe(403)
  })

  test('a_provider_that_is_down_is_503_one_that_gives_no_more_409', async () => {
    const { token, user } = await signedIn()
    await stores.sql(`UPDATE auth_providers SET token_expires_at = now() WHERE user_id = $1`, [user])
    peers.acme.bend = { down: ['token'] }
    const down = await get(token)
    peers.acme.bend = {}
    expect(down).toMatchObject({ status: 503, json: { error: 'provider_down' } })
    expect(Number(down.headers['retry-after'])).toBeGreaterThan(0)
    await stores.sql(
      `UPDATE auth_providers SET token_expires_at = now(), refresh_token_sealed = NULL WHERE user_id = $1`,
      [user],
    )
    expect(await get(token)).toMatchObject({ status: 409, json: { error: 'provider_tokens_over' } })
  })

  test('the_address_takes_get_alone_and_is_off_by_default', async () => {
    const { token } = await signedIn()
    const authorization = `Bearer ${token}`
    for (const method of ['HEAD', 'DELETE', 'OPTIONS', 'PUT']) {
      const answer = await call('/api/me/provider-tokens/acme', { authorization }, method)
      expect(answer.status, method).toBe(405)
    }
    await set({ PROVIDER_TOKENS: 'off' })
    try {
      expect((await get(token)).status).toBe(404)
    } finally {
      await set({ PROVIDER_TOKENS: 'on' })
    }
  })
})
