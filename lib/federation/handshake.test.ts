/** The round trip, with real providers on this machine: what they say, and what strangers try. */
import { beforeEach, describe, expect, test, vi } from 'vitest'
import { nowMs, setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { sha256 } from '../base/secrets'
import { testCaller, useStores } from '../testing'
import { ADA } from '../testing/peers'
import * as federation from './index'
import { forgetMetadata } from './metadata'
import {
  away,
  codeOf,
  configure,
  identityOf,
  must,
  ORIGIN,
  pressed,
  somebody,
  trip,
  usePeers,
} from './people.fixture'

const stores = useStores()
const peers = usePeers()

beforeEach(() => {
  setClock(null)
  vi.useRealTimers()
  configure(peers().env)
  for (const peer of peers().all) {
    peer.bend = {}
    peer.person = { ...ADA }
    peer.requests.length = 0
  }
})

describe('what comes back', () => {
  test('of Google, an OpenID provider, Microsoft and Apple: who it is, by issuer and subject', async () => {
    const { google, acme, microsoft, apple } = peers()
    microsoft.person = { ...ADA, email: 'ada@contoso.example', email_verified: true }
    apple.person = { ...ADA, email: 'x7@privaterelay.appleid.com', email_verified: 'true' }
    const common = {
      subject: ADA.sub,
      displayName: 'Ada Lovelace',
      firstName: 'Ada',
      lastName: 'Lovelace',
      locale: 'en',
    }
    expect(identityOf(await trip(google, 'google'))).toMatchObject({
      ...common,
      provider: 'google',
      issuer: google.url,
      email: 'ada@gmail.com',
      emailVerified: true,
      tokens: null,
    })
    expect(identityOf(await trip(acme, 'acme'))).toMatchObject({
      ...common,
      issuer: acme.url,
      emailVerified: true,
      sessionId: acme.sidOf(ADA.sub),
    })
    expect(identityOf(await trip(microsoft, 'microsoft'))).toMatchObject({
      ...common,
      issuer: `${microsoft.url}/${String(ADA.tid)}/v2.0`,
      email: 'ada@contoso.example',
      emailVerified: false,
    })
    expect(identityOf(await trip(apple, 'apple'))).toMatchObject({
      subject: ADA.sub,
      firstName: 'Ada',
      lastName: 'Lovelace',
      email: 'x7@privaterelay.appleid.com',
      emailVerified: true,
    })
    // The second time Apple says no name any more.
    expect(identityOf(await trip(apple, 'apple'))).toMatchObject({ firstName: null, displayName: null })
  })

  test('the context is what was begun, and nothing of it was in a URL', async () => {
    const userId = await somebody()
    const { url, caller } = await away('acme', {
      purpose: 'link',
      userId,
      sid: 'a-session',
      returnTo: '/account/security',
    } as never)
    for (const secret of [userId, 'a-session', '/account/security']) expect(url).not.toContain(secret)
    const { query } = await pressed(peers().acme, url)
    expect(await federation.finish('acme', query, caller)).toMatchObject({
      ok: true,
      context: { purpose: 'link', userId, sid: 'a-session', provider: 'acme', returnTo: '/account/security' },
    })
  })

  test('github_address_is_the_verified_primary_one, also when the profile hides it or shows another', async () => {
    const { github } = peers()
    const hidden = (email: string, primary: boolean, verified: boolean) => ({
      email,
      primary,
      verified,
      visibility: 'private' as const,
    })
    github.person = { ...ADA, sub: '583231', public_email: 'victim@example.com' }
    github.emails = [hidden('old@example.com', false, true), hidden('ada@example.com', true, true)]
    expect(identityOf(await trip(github, 'github'))).toMatchObject({
      subject: '583231',
      issuer: `${github.url}/login/oauth`,
      email: 'ada@example.com',
      emailVerified: true,
    })
    github.emails = [hidden('victim@example.com', true, false), hidden('old@example.com', false, true)]
    expect(identityOf(await trip(github, 'github'))).toMatchObject({ email: null, emailVerified: false })
    github.emails = []
    expect(identityOf(await trip(github, 'github'))).toMatchObject({ email: null, emailVerified: false })
  })

  test('names and addresses that only userinfo tells are asked for; another subject there is refused', async () => {
    const { acme } = peers()
    acme.claimsByUserinfo = true
    expect(identityOf(await trip(acme, 'acme'))).toMatchObject({
      displayName: 'Ada Lovelace',
      emailVerified: true,
    })
    acme.bend = { userinfo: { sub: 'somebody-else' } }
    expect(codeOf(await trip(acme, 'acme'))).toBe('provider_failed')
    acme.claimsByUserinfo = false
  })

  test('a provider of next-auth’s catalogue is there by its name alone', async () => {
    configure({
      PROVIDERS: 'gitlab,keycloak,twitter,discord',
      PROVIDER_GITLAB_CLIENT_ID: 'a',
      PROVIDER_GITLAB_CLIENT_SECRET: 'b',
      PROVIDER_KEYCLOAK_CLIENT_ID: peers().acme.clientId,
      PROVIDER_KEYCLOAK_CLIENT_SECRET: peers().acme.clientSecret,
      PROVIDER_KEYCLOAK_ISSUER: peers().acme.url,
      PROVIDER_TWITTER_CLIENT_ID: 'a',
      PROVIDER_TWITTER_CLIENT_SECRET: 'b',
      PROVIDER_DISCORD_CLIENT_ID: 'a',
      PROVIDER_DISCORD_CLIENT_SECRET: 'b',
    })
    expect(federation.problems()).toEqual([])
    expect(federation.providers().map(({ id, name, kind }) => [id, name, kind])).toEqual([
      ['gitlab', 'GitLab', 'oauth'],
      ['keycloak', 'Keycloak', 'oidc'],
      ['twitter', 'Twitter', 'oauth'],
      ['discord', 'Discord', 'oauth'],
    ])
    const { url } = await away('gitlab')
    expect(new URL(url).host).toBe('gitlab.com')
    expect(new URL(url).searchParams.get('redirect_uri')).toBe(`${ORIGIN}/api/auth/callback/gitlab`)
    expect(new URL((await away('discord')).url).searchParams.get('state')).toBeTruthy()
    expect(new URL((await away('twitter')).url).searchParams.get('code_challenge_method')).toBe('S256')
    // And there and back, with one whose issuer is ours to say.
    peers().acme.redirectUris.push(`${ORIGIN}/api/auth/callback/keycloak`)
    expect(identityOf(await trip(peers().acme, 'keycloak'))).toMatchObject({
      provider: 'keycloak',
      subject: ADA.sub,
    })
  })

  test('a generic OAuth 2 provider is read by the map of its claims', async () => {
    const { github } = peers()
    github.redirectUris.push(`${ORIGIN}/api/auth/callback/forge`)
    configure({
      PROVIDERS: 'forge',
      PROVIDER_FORGE_TYPE: 'oauth',
      PROVIDER_FORGE_NAME: 'Forge',
      PROVIDER_FORGE_CLIENT_ID: github.clientId,
      PROVIDER_FORGE_CLIENT_SECRET: github.clientSecret,
      PROVIDER_FORGE_AUTHORIZATION_URL: `${github.url}/login/oauth/authorize`,
      PROVIDER_FORGE_TOKEN_URL: `${github.url}/login/oauth/access_token`,
      PROVIDER_FORGE_USERINFO_URL: `${github.url}/user`,
      PROVIDER_FORGE_MAP: 'subject=id,displayName=login',
    })
    github.person = { ...ADA, sub: '42', public_email: 'ada@gmail.com' }
    expect(identityOf(await trip(github, 'forge'))).toMatchObject({
      issuer: github.url,
      subject: '42',
      displayName: 'ada',
      email: 'ada@gmail.com',
      emailVerified: false,
    })
  })
})

describe('what goes out', () => {
  test('state, nonce and PKCE, fresh each time, and the redirect URI of the one origin', async () => {
    for (const id of ['google', 'microsoft', 'apple', 'acme']) {
      const [one, two] = [new URL((await away(id)).url), new URL((await away(id)).url)]
      expect(one.searchParams.get('redirect_uri'), id).toBe(`${ORIGIN}/api/auth/callback/${id}`)
      expect(one.searchParams.get('code_challenge_method'), id).toBe('S256')
      for (const name of ['state', 'nonce', 'code_challenge']) {
        expect(one.searchParams.get(name)?.length, `${id} ${name}`).toBeGreaterThan(40)
        expect(one.searchParams.get(name)).not.toBe(two.searchParams.get(name))
      }
    }
    const github = new URL((await away('github')).url)
    expect(github.searchParams.get('state')).toBeTruthy()
    expect(github.searchParams.get('code_challenge_method')).toBe('S256')
    expect(new URL((await away('apple')).url).searchParams.get('response_mode')).toBe('form_post')
  })

  test('login_hint_of_a_relying_app_is_not_forwarded', async () => {
    const { url } = await away('acme', {
      login_hint: 'victim@example.com',
      callbackUrl: 'https://evil.example/',
      returnTo: '/signin?login_hint=victim@example.com',
    } as never)
    expect([...new URL(url).searchParams.keys()].sort()).toEqual([
      'client_id',
      'code_challenge',
      'code_challenge_method',
      'nonce',
      'redirect_uri',
      'response_type',
      'scope',
      'state',
    ])
    expect(url).not.toMatch(/victim|evil/)
  })

  test('open_redirect_by_return_address: a place that is not ours becomes the account', async () => {
    for (const returnTo of [
      '//evil.example',
      '/\\evil.example',
      'https:evil.example',
      '/x/..//evil.example',
      '/\r\nx',
    ]) {
      const { url, caller } = await away('acme', { returnTo })
      const { query } = await pressed(peers().acme, url)
      expect((await federation.finish('acme', query, caller)).context?.returnTo).toBe('/account')
    }
  })

  test('the check values are kept sealed, for ten minutes, and the browser has none of them', async () => {
    const { url, caller } = await away('acme')
    const state = new URL(url).searchParams.get('state') ?? ''
    const raw = (await stores.redis().get(`oauth_state:${state}`)) ?? ''
    expect(raw).toMatch(/^v1\./)
    expect(raw).not.toContain('a-flow-of-22-letters-x')
    expect(await stores.redis().ttl(`oauth_state:${state}`)).toBeGreaterThan(590)
    expect(Object.keys(caller.cookies)).toEqual([`gatehouse.oauth-${sha256(state).slice(0, 10)}`])
    const posted = new URL((await away('apple')).url).searchParams.get('state')
    expect(await stores.redis().exists(`oauth_state:apple:${posted}`)).toBe(1)
  })

  test('a browser that begins again and again keeps a handful of cookies', async () => {
    let cookies: Record<string, string> = {}
    for (let i = 0; i < 9; i++) cookies = (await away('acme', {}, cookies)).caller.cookies
    expect(Object.keys(cookies)).toHaveLength(5)
  })
})

describe('attacks', () => {
  test('forged_state_is_refused', async () => {
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    for (const state of [
      '',
      'x',
      'A'.repeat(43),
      `${query.get('state')}A`,
      '../../../etc/passwd',
      'é'.repeat(43),
    ]) {
      const forged = new URLSearchParams(query)
      forged.set('state', state)
      expect(codeOf(await federation.finish('acme', forged, caller))).toBe('flow_expired')
    }
    query.delete('state')
    expect(codeOf(await federation.finish('acme', query, caller))).toBe('flow_expired')
    expect(peers().acme.requests.some(({ path }) => path === '/token')).toBe(false)
  })

  test('callback_is_good_once, also for two at once (ZITADEL CVE-2025-46815)', async () => {
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    const both = await Promise.all([1, 2, 3].map(() => federation.finish('acme', query, caller)))
    expect(both.map(codeOf).sort()).toEqual(['flow_expired', 'flow_expired', 'ok'])
    expect(codeOf(await federation.finish('acme', query, caller))).toBe('flow_expired')
  })

  test('posted_answer_is_good_once, and its GET too', async () => {
    const { url, caller } = await away('apple')
    const { query, form } = await pressed(peers().apple, url)
    const again = await Promise.all([1, 2].map(() => federation.keepPosted('apple', form as URLSearchParams)))
    expect(again.map(codeOf)).toEqual(['flow_expired', 'flow_expired'])
    expect([...query.keys()]).toEqual(['state'])
    expect(codeOf(await federation.finish('apple', query, caller))).toBe('ok')
    expect(codeOf(await federation.finish('apple', query, caller))).toBe('flow_expired')
  })

  test('login_csrf: a stranger’s answer does not finish in the victim’s browser, nor the victim’s in theirs', async () => {
    for (const id of ['acme', 'apple'] as const) {
      const stranger = await away(id)
      const victim = await away(id)
      const theirs = await pressed(peers()[id], stranger.url)
      const outcome = await federation.finish(id, theirs.query, victim.caller)
      expect(outcome).toMatchObject({ ok: false, context: null, refusal: { code: 'flow_foreign_browser' } })
      const own = await pressed(peers()[id], victim.url)
      expect(codeOf(await federation.finish(id, own.query, stranger.caller))).toBe('flow_foreign_browser')
      // What was seen in the wrong browser is over in the right one.
      expect(codeOf(await federation.finish(id, own.query, victim.caller))).toBe('flow_expired')
      expect(codeOf(await federation.finish(id, theirs.query, testCaller()))).toBe('flow_expired')
    }
  })

  test('swapped_cookies: the binding of one round trip does not open another', async () => {
    const one = await away('acme')
    const two = await away('acme', {}, one.caller.cookies)
    const [mine, other] = Object.keys(two.caller.cookies) as [string, string]
    const swapped = { [mine]: two.caller.cookies[other] ?? '', [other]: two.caller.cookies[mine] ?? '' }
    const { query } = await pressed(peers().acme, two.url)
    expect(codeOf(await federation.finish('acme', query, testCaller({ cookies: swapped })))).toBe(
      'flow_foreign_browser',
    )
  })

  test('mix_up_of_two_providers: begun with one, ended at another (next-auth CVE-2026-73419)', async () => {
    for (const [begun, ended] of [
      ['google', 'acme'],
      ['acme', 'google'],
      ['acme', 'github'],
      // Neither names its issuer beside the code, nor checks what the other made: the place alone tells them apart.
      ['google', 'github'],
      ['github', 'google'],
    ] as const) {
      const { url, caller } = await away(begun)
      const { query } = await pressed(peers()[begun], url)
      const outcome = await federation.finish(ended, query, caller)
      expect(outcome, `${begun} → ${ended}`).toMatchObject({
        ok: false,
        context: { provider: begun },
        refusal: { code: 'provider_failed' },
      })
      expect(codeOf(await federation.finish(begun, query, caller))).toBe('flow_expired')
      expect(peers()[ended].requests.some(({ path }) => /token/.test(path))).toBe(false)
    }
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    expect(codeOf(await federation.finish('apple', query, caller))).toBe('flow_expired')
    expect(codeOf(await federation.keepPosted('apple', query))).toBe('flow_expired')
    expect(codeOf(await federation.keepPosted('acme', query))).toBe('not_found')
  })

  test('another_issuer_beside_the_code, or none where there must be one (RFC 9207)', async () => {
    const { acme } = peers()
    acme.bend = { responseIss: peers().google.url }
    expect(codeOf(await trip(acme, 'acme'))).toBe('provider_failed')
    acme.bend = { responseIss: null }
    expect(codeOf(await trip(acme, 'acme'))).toBe('provider_failed')
    expect(acme.requests.some(({ path }) => path === '/token')).toBe(false)
    // Where the library that exchanges the code does not look.
    const { microsoft } = peers()
    const { url, caller } = await away('microsoft')
    const { query } = await pressed(microsoft, url)
    query.set('iss', peers().google.url)
    expect(codeOf(await federation.finish('microsoft', query, caller))).toBe('provider_failed')
    expect(microsoft.requests.some(({ path }) => /token/.test(path))).toBe(false)
  })

  test('code_injection: a stolen code does not go through another round trip (PKCE)', async () => {
    for (const id of ['acme', 'google', 'github'] as const) {
      const victim = await away(id)
      const stolen = await pressed(peers()[id], victim.url)
      const attacker = await away(id)
      const own = await pressed(peers()[id], attacker.url)
      own.query.set('code', stolen.query.get('code') ?? '')
      expect(codeOf(await federation.finish(id, own.query, attacker.caller)), id).toBe('provider_failed')
    }
  })

  test('code_made_without_a_challenge is refused by a provider that looks (PKCE downgrade)', async () => {
    const { acme } = peers()
    const { url, caller } = await away('acme')
    const { query } = await pressed(acme, url)
    query.set('code', acme.issueCode({ redirect_uri: `${ORIGIN}/api/auth/callback/acme` }))
    expect(codeOf(await federation.finish('acme', query, caller))).toBe('provider_failed')
  })

  test.each([
    ['missing_nonce', { nonce: undefined }],
    ['wrong_nonce', { nonce: 'another' }],
    ['wrong_issuer', { iss: 'https://accounts.evil.example' }],
    ['missing_issuer', { iss: undefined }],
    ['wrong_audience', { aud: 'another-client' }],
    ['missing_audience', { aud: undefined }],
    ['foreign_authorized_party', { aud: ['another-client'], azp: 'another-client' }],
    ['missing_subject', { sub: undefined }],
    ['empty_subject', { sub: '' }],
    ['expired', { exp: 1_700_000_000 }],
    ['missing_expiry', { exp: undefined }],
  ])('id_token_%s_is_refused', async (_, idToken) => {
    for (const id of ['acme', 'microsoft', 'apple'] as const) {
      peers()[id].bend = { idToken }
      expect(codeOf(await trip(peers()[id], id)), id).toBe('provider_failed')
    }
  })

  test('id_token_of_another_key_is_refused', async () => {
    for (const id of ['acme', 'microsoft', 'apple'] as const) {
      peers()[id].bend = { foreignKey: true }
      expect(codeOf(await trip(peers()[id], id)), id).toBe('provider_failed')
    }
  })

  test('microsoft_issuer_is_that_of_the_tenant_that_the_token_names', async () => {
    const { microsoft } = peers()
    const other = '11111111-2222-4333-8444-555555555555'
    for (const idToken of [
      { tid: other },
      { iss: `${microsoft.url}/{tenantid}/v2.0`, tid: '{tenantid}' },
      { iss: `${microsoft.url}/evil/v2.0`, tid: 'evil' },
      { tid: undefined },
    ]) {
      microsoft.bend = { idToken }
      expect(codeOf(await trip(microsoft, 'microsoft'))).toBe('provider_failed')
    }
  })

  test('microsoft_of_one_tenant_takes_no_other', async () => {
    const { microsoft } = peers()
    microsoft.tenant = String(ADA.tid)
    configure({ ...peers().env, PROVIDER_MICROSOFT_TENANT: String(ADA.tid) })
    expect(codeOf(await trip(microsoft, 'microsoft'))).toBe('ok')
    microsoft.person = { ...ADA, tid: '11111111-2222-4333-8444-555555555555' }
    expect(codeOf(await trip(microsoft, 'microsoft'))).toBe('provider_failed')
    microsoft.tenant = 'common'
    configure({ ...peers().env, PROVIDER_MICROSOFT_TENANTS: '99999999-2222-4333-8444-555555555555' })
    expect(codeOf(await trip(microsoft, 'microsoft'))).toBe('provider_not_allowed')
  })

  test('n_o_auth: an address that a tenant wrote is not verified, whatever `email_verified` says', async () => {
    const { microsoft } = peers()
    const email = 'victim@example.com'
    const verified = async (claims: object) => {
      microsoft.person = { ...ADA, email, email_verified: true, ...claims }
      return identityOf(await trip(microsoft, 'microsoft')).emailVerified
    }
    expect(await verified({})).toBe(false)
    expect(await verified({ xms_edov: false })).toBe(false)
    expect(await verified({ xms_edov: 'true' })).toBe(false)
    expect(await verified({ xms_edov: true })).toBe(true)
    configure({ ...peers().env, PROVIDER_MICROSOFT_TRUST_EMAIL: 'on' })
    expect(await verified({})).toBe(true)
  })

  test('a_word_about_one_address_vouches_for_no_other: one that the operator took from another claim', async () => {
    const { microsoft, acme } = peers()
    const claims = { email: 'eve@evil.example', email_verified: true, xms_edov: true }
    microsoft.person = { ...ADA, ...claims, preferred_username: 'victim@example.com' } as never
    acme.person = { ...ADA, ...claims, mail: 'victim@example.com', confirmed: true } as never
    configure({
      ...peers().env,
      PROVIDER_MICROSOFT_MAP: 'email=preferred_username',
      PROVIDER_ACME_MAP: 'email=mail',
    })
    const there = async (id: 'microsoft' | 'acme') => identityOf(await trip(peers()[id], id))
    const victim = { email: 'victim@example.com', emailVerified: false }
    expect(await there('microsoft')).toMatchObject(victim)
    expect(await there('acme')).toMatchObject(victim)
    microsoft.person = { ...microsoft.person, email: 'Victim@example.com' }
    expect((await there('microsoft')).emailVerified).toBe(true)
    configure({ ...peers().env, PROVIDER_ACME_MAP: 'email=mail,emailVerified=confirmed' })
    expect((await there('acme')).emailVerified).toBe(true)
  })

  test('a_word_about_one_address_vouches_for_no_other: one of userinfo for one of the ID token', async () => {
    const { acme } = peers()
    acme.person = { ...ADA, name: undefined, email: 'victim@example.com', email_verified: undefined } as never
    acme.bend = { userinfo: { email: 'eve@evil.example', email_verified: true } }
    expect(identityOf(await trip(acme, 'acme'))).toMatchObject({
      email: 'victim@example.com',
      emailVerified: false,
    })
    acme.bend = { userinfo: { email: 'victim@example.com', email_verified: true } }
    expect(identityOf(await trip(acme, 'acme')).emailVerified).toBe(true)
    acme.bend = {}
  })

  test.each([
    ['missing', { email_verified: undefined }],
    ['false', { email_verified: false }],
    ['a word', { email_verified: 'true' }],
    ['a number', { email_verified: 1 }],
    ['no address', { email: '', email_verified: true }],
    ['two addresses', { email: 'a@example.com,b@example.com', email_verified: true }],
    ['not a text', { email: ['a@example.com'], email_verified: true }],
    ['a homoglyph', { email: 'victim＠example.com@evil.example', email_verified: true }],
  ])('unverified_address_never_matches: %s (Nhost CVE-2026-41574)', async (_, claims) => {
    for (const id of ['acme', 'google'] as const) {
      peers()[id].person = { ...ADA, ...claims } as never
      expect(identityOf(await trip(peers()[id], id)).emailVerified, id).toBe(false)
    }
  })

  test('google_speaks_for_its_own_addresses_and_those_of_a_workspace', async () => {
    const { google } = peers()
    google.person = { ...ADA, email: 'ada@example.com' }
    expect(identityOf(await trip(google, 'google')).emailVerified).toBe(false)
    google.person = { ...ADA, email: 'ada@example.com', hd: 'example.com' }
    expect(identityOf(await trip(google, 'google')).emailVerified).toBe(true)
  })

  test('apple_name_is_text_and_its_address_beside_the_code_is_not_believed', async () => {
    const { apple } = peers()
    const { url, caller } = await away('apple')
    const back = await apple.press(url)
    const form = new URLSearchParams({
      ...back.form,
      user: JSON.stringify({
        name: { firstName: '<b>Eve\u202e', lastName: { x: 1 } },
        email: 'victim@example.com',
      }),
    })
    const kept = must(await federation.keepPosted('apple', form))
    const { firstName, lastName, email } = identityOf(
      await federation.finish('apple', new URL(kept.url).searchParams, caller),
    )
    // A name that is none is no name at all.
    expect([firstName, lastName, email]).toEqual([null, null, 'ada@gmail.com'])
  })

  test('provider_error_texts_are_never_echoed', async () => {
    const { acme, apple } = peers()
    const evil = '<script>alert(1)</script>'
    for (const [error, code] of [
      ['access_denied', 'provider_denied'],
      ['temporarily_unavailable', 'provider_down'],
      ['server_error', 'provider_down'],
      [evil, 'provider_failed'],
      ['', 'provider_failed'],
    ] as const) {
      acme.bend = { error: { error, error_description: evil } }
      const outcome = await trip(acme, 'acme')
      expect(codeOf(outcome)).toBe(code)
      expect(JSON.stringify(outcome)).not.toMatch(/script|alert/)
    }
    const { url, caller } = await away('acme')
    acme.bend = {}
    const denied = await pressed(acme, url, 'cancel')
    expect(await federation.finish('acme', denied.query, caller)).toMatchObject({
      context: { flow: 'a-flow-of-22-letters-x' },
      refusal: { code: 'provider_denied', values: { provider: 'Acme' } },
    })
    const gone = await away('apple')
    const cancelled = await pressed(apple, gone.url, 'cancel')
    expect(codeOf(await federation.finish('apple', cancelled.query, gone.caller))).toBe('provider_denied')
  })

  test('hostile_parameters_are_refusals, never errors', async () => {
    const values = [
      '\0',
      '%00',
      '{"$gt":""}',
      'a'.repeat(20_000),
      '__proto__',
      '💥',
      '\r\nSet-Cookie: x=1',
      "' OR 1=1--",
    ]
    for (const value of values) {
      for (const name of ['code', 'state', 'iss', 'error', 'user', 'id_token', 'nextauth', 'callbackUrl']) {
        const { url, caller } = await away('acme')
        const { query } = await pressed(peers().acme, url)
        query.set(name, value)
        const code = codeOf(await federation.finish('acme', query, caller))
        expect(['ok', 'flow_expired', 'provider_failed'], `${name}=${value.slice(0, 20)}`).toContain(code)
        if (['code', 'iss', 'error', 'state'].includes(name)) expect(code).not.toBe('ok')
      }
      expect(
        codeOf(await federation.finish(value, new URLSearchParams({ state: value }), testCaller())),
      ).toBe('not_found')
      expect(codeOf(await federation.keepPosted('apple', new URLSearchParams({ state: value })))).not.toBe(
        'ok',
      )
    }
    for (const id of ['__proto__', 'constructor', 'credentials', 'email', '../acme']) {
      expect(codeOf(await federation.finish(id, new URLSearchParams(), testCaller()))).toBe('not_found')
    }
  })

  test('doubled_parameters_are_refused', async () => {
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    query.append('code', 'another')
    expect(codeOf(await federation.finish('acme', query, caller))).toBe('flow_expired')
    expect(peers().acme.requests.some(({ path }) => path === '/token')).toBe(false)
  })

  test('an ID token in the answer itself is not looked at', async () => {
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    query.set('id_token', 'eyJhbGciOiJub25lIn0.eyJzdWIiOiJldmUifQ.')
    query.set('access_token', 'x')
    query.set('response', 'y')
    expect(identityOf(await federation.finish('acme', query, caller)).subject).toBe(ADA.sub)
  })

  test('nothing_is_written: no user, no account, no session, no cookie of next-auth’s', async () => {
    await trip(peers().acme, 'acme')
    for (const table of ['users', 'auth_providers', 'sessions']) {
      const { rows } = await stores.sql(`SELECT count(*)::int AS count FROM ${table} WHERE $1 = $1`, [1])
      if (table !== 'users') expect(rows[0].count, table).toBe(0)
    }
    const outcome = await trip(peers().google, 'google')
    expect(outcome.setCookies.every((line) => /^gatehouse\.oauth-.*Max-Age=0/.test(line))).toBe(true)
  })

  test('on https the cookie belongs to this host alone', async () => {
    process.env.GATEHOUSE_URL = 'https://id.example.com'
    reloadEnv()
    try {
      const { setCookies, url } = must(
        await federation.begin({
          purpose: 'sign_in',
          flow: 'x',
          returnTo: '/',
          provider: 'acme',
          caller: testCaller(),
        }),
      )
      expect(setCookies[0]).toMatch(
        /^__Host-gatehouse\.oauth-[\w-]{10}=[\w-]{43}; Path=\/; HttpOnly; SameSite=Lax; Max-Age=600; Secure$/,
      )
      expect(new URL(url).searchParams.get('redirect_uri')).toBe(
        'https://id.example.com/api/auth/callback/acme',
      )
    } finally {
      process.env.GATEHOUSE_URL = ORIGIN
      reloadEnv()
    }
  })
})

describe('when things are not well', () => {
  test('after ten minutes a round trip is over', async () => {
    const { url, caller } = await away('acme')
    const { query } = await pressed(peers().acme, url)
    const at = nowMs()
    setClock(() => at + 600_001)
    expect(codeOf(await federation.finish('acme', query, caller))).toBe('flow_expired')
  })

  test.each(['discovery', 'token', 'jwks'] as const)(
    'a provider whose %s is down is a refusal with a way back',
    async (place) => {
      const { acme } = peers()
      acme.bend = { down: [place] }
      if (place === 'discovery') {
        const caller = testCaller()
        const begun = await federation.begin({
          purpose: 'sign_in',
          flow: 'x',
          returnTo: '/',
          provider: 'acme',
          caller,
        })
        expect(begun).toMatchObject({ refusal: { code: 'provider_down', values: { provider: 'Acme' } } })
      } else {
        expect(await trip(acme, 'acme')).toMatchObject({
          context: { flow: 'a-flow-of-22-letters-x' },
          refusal: { code: 'provider_down' },
        })
      }
    },
  )

  test('a provider that never answers is given up in seconds', async () => {
    peers().acme.bend = { silent: ['token'] }
    peers().github.bend = { silent: ['emails'] }
    const [one, two] = await Promise.all([trip(peers().acme, 'acme'), trip(peers().github, 'github')])
    expect([codeOf(one), codeOf(two)]).toEqual(['provider_down', 'provider_down'])
  }, 20_000)

  test('a provider that is gone keeps no other out', async () => {
    await peers().google.stop()
    try {
      forgetMetadata()
      const caller = testCaller()
      const begun = await federation.begin({
        purpose: 'sign_in',
        flow: 'x',
        returnTo: '/',
        provider: 'google',
        caller,
      })
      expect(codeOf(begun)).toBe('provider_down')
      expect(codeOf(await trip(peers().acme, 'acme'))).toBe('ok')
    } finally {
      await peers().google.start()
    }
  })

  test('a wrong clock: a minute is borne, hours are not', async () => {
    for (const id of ['acme', 'microsoft'] as const) {
      for (const skewSeconds of [60, -60]) {
        peers()[id].bend = { skewSeconds }
        expect(codeOf(await trip(peers()[id], id)), `${id} ${skewSeconds}`).toBe('ok')
      }
      peers()[id].bend = { skewSeconds: -7200 }
      expect(codeOf(await trip(peers()[id], id)), id).toBe('provider_failed')
      const later = Math.floor(Date.now() / 1000) + 600
      peers()[id].bend = { idToken: { nbf: later } }
      expect(codeOf(await trip(peers()[id], id)), id).toBe('provider_failed')
    }
  })

  test('rotated keys are found at once, and forgotten ones sign nobody in', async () => {
    const { acme, microsoft } = peers()
    for (const [peer, id] of [
      [acme, 'acme'],
      [microsoft, 'microsoft'],
    ] as const) {
      expect(codeOf(await trip(peer, id))).toBe('ok')
      await peer.rotateKeys()
      // The library asks again after a few seconds at the earliest; it has a clock of its own.
      vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 8000 })
      expect(codeOf(await trip(peer, id)), id).toBe('ok')
      vi.useRealTimers()
    }
    await acme.rotateKeys({ forget: true })
    expect(codeOf(await trip(acme, 'acme'))).toBe('ok')
  })

  test('discovery that names another issuer is not believed', async () => {
    const { google, acme } = peers()
    configure({ ...peers().env, PROVIDER_ACME_ISSUER: `${acme.url}/` })
    const caller = testCaller()
    const ask = () =>
      federation.begin({ purpose: 'sign_in', flow: 'x', returnTo: '/', provider: 'acme', caller })
    expect(codeOf(await ask())).toBe('provider_down')
    configure({ ...peers().env, PROVIDER_ACME_ISSUER: google.url })
    expect(codeOf(await ask())).toBe('ok')
  })
})

describe('the operator’s word', () => {
  test('only people of these domains, by a verified address', async () => {
    const { acme } = peers()
    configure({ ...peers().env, PROVIDER_ACME_DOMAINS: 'example.com,Example.org' })
    const by = async (claims: object) => {
      acme.person = { ...ADA, ...claims }
      return codeOf(await trip(acme, 'acme'))
    }
    expect(await by({ email: 'ada@example.com' })).toBe('ok')
    expect(await by({ email: 'ADA@EXAMPLE.ORG' })).toBe('ok')
    expect(await by({ email: 'ada@sub.example.com' })).toBe('provider_not_allowed')
    expect(await by({ email: 'ada@example.com.evil.example' })).toBe('provider_not_allowed')
    expect(await by({ email: 'ada@example.com', email_verified: false })).toBe('provider_not_allowed')
    expect(await by({ email: undefined })).toBe('provider_not_allowed')
  })

  test('roles come from claims where they are mapped, and from nowhere else', async () => {
    const { acme } = peers()
    acme.person = { ...ADA, groups: ['staff', 'portal-admins', 'other', 7], roles: ['admin'], role: 'admin' }
    expect(identityOf(await trip(acme, 'acme')).roles).toBeNull()
    configure({ ...peers().env, PROVIDER_ACME_ROLES: 'groups:staff=user,portal-admins=admin' })
    expect(identityOf(await trip(acme, 'acme')).roles).toEqual(['user', 'admin'])
    acme.person = { ...ADA, groups: 'staff' }
    expect(identityOf(await trip(acme, 'acme')).roles).toEqual(['user'])
    acme.person = { ...ADA, groups: ['__proto__', 'constructor'] }
    expect(identityOf(await trip(acme, 'acme')).roles).toEqual([])
  })

  test('names and addresses are taken from the claims that are mapped', async () => {
    const { acme } = peers()
    acme.person = { ...ADA, mail: 'ada@example.com', confirmed: true, who: { first: 'Augusta' } }
    configure({ ...peers().env, PROVIDER_ACME_MAP: 'email=mail,emailVerified=confirmed,firstName=who.first' })
    expect(identityOf(await trip(acme, 'acme'))).toMatchObject({
      email: 'ada@example.com',
      emailVerified: true,
      firstName: 'Augusta',
      lastName: 'Lovelace',
    })
  })
})
