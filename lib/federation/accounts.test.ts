/** Linked accounts, the tokens of providers, and the end of sessions there. */
import { beforeEach, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import { testCaller, useStores } from '../testing'
import { ADA } from '../testing/peers'
import * as federation from './index'
import { codeOf, configure, identityOf, must, somebody, trip, usePeers } from './people.fixture'
import { adapter } from './store-adapter'

const stores = useStores()
const peers = usePeers()
const KEEP = { PROVIDER_ACME_KEEP_TOKENS: 'on' }

let subjects = 0

beforeEach(async () => {
  setClock(null)
  configure(peers().env)
  await stores.sql('DELETE FROM auth_providers')
  for (const peer of peers().all) {
    peer.bend = {}
    subjects++
    peer.person = { ...ADA, sub: String(1000 + subjects) }
    peer.requests.length = 0
  }
})

const link = (userId: string, identity: federation.Identity) =>
  inTx((tx) => federation.accounts.link(tx, userId, identity, testCaller()))

/** Somebody who has linked what the peer says of the person it has. */
async function linked(extra: Record<string, string> = {}) {
  configure({ ...peers().env, ...extra })
  const userId = await somebody()
  const identity = identityOf(await trip(peers().acme, 'acme'))
  const { id } = must(await link(userId, identity))
  return { userId, identity, id }
}

describe('linked accounts', () => {
  test('are found by provider, issuer and subject, shown to their owner, and told in the history', async () => {
    const { userId, identity, id } = await linked()
    expect(await federation.accounts.find(identity)).toEqual({ id, userId })
    const [account] = await federation.accounts.list(userId)
    expect(account).toMatchObject({
      id,
      provider: 'acme',
      subject: identity.subject,
      email: 'ada@gmail.com',
      displayName: 'Ada Lovelace',
      keepsTokens: false,
    })
    const { items } = await audit.list(userId, { limit: 10, types: ['account.linked'] })
    expect(items).toMatchObject([{ data: { provider: 'acme', account: id, name: 'Acme' } }])
  })

  test('same_address_with_another_subject_is_nobody (LNK1)', async () => {
    await linked()
    peers().acme.person = { ...ADA, sub: 'another' }
    expect(await federation.accounts.find(identityOf(await trip(peers().acme, 'acme')))).toBeNull()
  })

  test('same_subject_at_another_provider_is_nobody (LNK1)', async () => {
    const { identity } = await linked()
    peers().google.person = { ...ADA, sub: identity.subject }
    const there = identityOf(await trip(peers().google, 'google'))
    expect(there.subject).toBe(identity.subject)
    expect(await federation.accounts.find(there)).toBeNull()
  })

  test('same_subject_of_another_issuer_under_the_same_name_is_nobody (LNK1)', async () => {
    const { identity } = await linked()
    const { google } = peers()
    google.redirectUris.push('http://localhost:3000/api/auth/callback/acme')
    google.person = { ...ADA, sub: identity.subject }
    configure({
      ...peers().env,
      PROVIDER_ACME_ISSUER: google.url,
      PROVIDER_ACME_CLIENT_ID: google.clientId,
      PROVIDER_ACME_CLIENT_SECRET: google.clientSecret,
    })
    const other = identityOf(await trip(google, 'acme'))
    expect(other).toMatchObject({ provider: 'acme', subject: identity.subject })
    expect(await federation.accounts.find(other)).toBeNull()
    expect(codeOf(await link(await somebody(), other))).toBe('identity_taken')
  })

  test('one_identity_belongs_to_one_person, also of two at once', async () => {
    const identity = identityOf(await trip(peers().acme, 'acme'))
    const people = await Promise.all([1, 2, 3, 4].map(() => somebody()))
    const results = await Promise.all(people.map((userId) => link(userId, identity)))
    expect(results.map(codeOf).sort()).toEqual(['identity_taken', 'identity_taken', 'identity_taken', 'ok'])
    const { rows } = await stores.sql('SELECT count(*)::int AS count FROM auth_providers')
    expect(rows[0].count).toBe(1)
  })

  test('a refused link leaves the transaction whole', async () => {
    const { identity } = await linked()
    const userId = await somebody()
    const other = await inTx(async (tx) => {
      expect(codeOf(await federation.accounts.link(tx, userId, identity, testCaller()))).toBe(
        'identity_taken',
      )
      peers().google.person = { ...ADA, sub: 'of-google' }
      const google = identityOf(await trip(peers().google, 'google'))
      return federation.accounts.link(tx, userId, google, testCaller())
    })
    expect(codeOf(other)).toBe('ok')
  })

  test('others_account_cannot_be_unlinked; one’s own can, once', async () => {
    const { userId, id, identity } = await linked()
    const unlink = (who: string, what: string) =>
      inTx((tx) => federation.accounts.unlink(tx, who, what, testCaller()))
    expect(codeOf(await unlink(await somebody(), id))).toBe('not_found')
    expect(codeOf(await unlink(userId, uuid()))).toBe('not_found')
    expect(codeOf(await unlink(userId, "' OR true--"))).toBe('not_found')
    expect(must(await unlink(userId, id))).toMatchObject({ provider: 'acme', email: 'ada@gmail.com' })
    expect(codeOf(await unlink(userId, id))).toBe('not_found')
    expect(await federation.accounts.find(identity)).toBeNull()
  })

  test('only those of configured providers count as ways in', async () => {
    const { userId } = await linked()
    const count = () => inTx((tx) => federation.accounts.count(tx, userId))
    expect(await count()).toBe(1)
    configure({ ...peers().env, PROVIDERS: 'google' })
    expect(await count()).toBe(0)
    expect(await federation.accounts.list(userId)).toHaveLength(1)
  })

  test('a sign-in notes when, and what the provider says now', async () => {
    const { userId, id, identity } = await linked()
    peers().acme.person = { ...peers().acme.person, email: 'countess@gmail.com', name: 'Ada King' }
    const again = identityOf(await trip(peers().acme, 'acme'))
    const at = nowMs() + 3_600_000
    setClock(() => at)
    await inTx((tx) => federation.accounts.touch(tx, { id, userId }, again))
    const [account] = await federation.accounts.list(userId)
    expect(account).toMatchObject({
      email: 'countess@gmail.com',
      displayName: 'Ada King',
      lastUsedAt: new Date(at),
    })
    expect(await federation.accounts.find(identity)).toEqual({ id, userId })
  })

  test('next_auth_writes_nothing: its adapter makes no user, no link and no session', async () => {
    const { userId, identity } = await linked()
    const closed = adapter() as unknown as Record<string, (input: unknown) => unknown>
    for (const name of [
      'createUser',
      'updateUser',
      'createSession',
      'updateSession',
      'linkAccount',
      'createVerificationToken',
    ]) {
      expect(() => closed[name]?.({ id: userId, userId }), name).toThrow()
    }
    const { provider, subject } = identity
    expect(await adapter().getUserByAccount?.({ provider, providerAccountId: subject })).toMatchObject({
      id: userId,
    })
  })
})

describe('tokens of providers', () => {
  test('are not kept unless the operator says so', async () => {
    const { userId } = await linked()
    const { rows } = await stores.sql('SELECT * FROM auth_providers')
    expect(JSON.stringify(rows)).not.toMatch(/v1\./)
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('not_found')
    // Switched on later, there is still nothing to give.
    configure({ ...peers().env, ...KEEP })
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('not_found')
  })

  test('are sealed at rest, and theirs alone', async () => {
    const { userId, identity } = await linked(KEEP)
    const { accessToken, expiresAt } = must(await federation.tokens.get(userId, 'acme'))
    expect(accessToken).toMatch(/^[\w-]{32}$/)
    expect(Math.abs((expiresAt ?? 0) - nowMs() - 3_600_000)).toBeLessThan(10_000)
    const { rows } = await stores.sql('SELECT * FROM auth_providers')
    expect(JSON.stringify([rows, identity])).not.toContain(accessToken)
    expect(rows[0].access_token_sealed).toMatch(/^v1\./)
    expect(rows[0].refresh_token_sealed).toMatch(/^v1\./)
    expect(codeOf(await federation.tokens.get(await somebody(), 'acme'))).toBe('not_found')
    expect(codeOf(await federation.tokens.get(userId, 'google'))).toBe('not_found')
    expect(codeOf(await federation.tokens.get(userId, '__proto__'))).toBe('not_found')
  })

  test('swapped_ciphertexts_do_not_open: of two people, and of two columns', async () => {
    const one = await linked(KEEP)
    peers().acme.person = { ...ADA, sub: 'the-other' }
    const two = await linked(KEEP)
    const { rows } = await stores.sql(
      'SELECT id, access_token_sealed, refresh_token_sealed FROM auth_providers',
    )
    const of = (id: string) => rows.find((row) => row.id === id)
    const put = (id: string, sealed: string) =>
      stores.sql('UPDATE auth_providers SET access_token_sealed = $2 WHERE id = $1', [id, sealed])
    await put(one.id, of(two.id).access_token_sealed)
    await expect(federation.tokens.get(one.userId, 'acme')).rejects.toThrow()
    await put(two.id, of(two.id).refresh_token_sealed)
    await expect(federation.tokens.get(two.userId, 'acme')).rejects.toThrow()
  })

  test('tokens_under_way_open_for_their_identity_alone', async () => {
    configure({ ...peers().env, ...KEEP })
    const identity = identityOf(await trip(peers().acme, 'acme'))
    await expect(link(await somebody(), { ...identity, subject: 'somebody-else' })).rejects.toThrow()
  })

  const grants = () => peers().acme.requests.filter(({ form }) => form.get('grant_type') === 'refresh_token')

  test('one that is over is refreshed, by one of many who ask at once', async () => {
    const { userId } = await linked(KEEP)
    const first = must(await federation.tokens.get(userId, 'acme'))
    const at = nowMs() + 3_600_000
    setClock(() => at)
    const all = await Promise.all([1, 2, 3, 4, 5].map(() => federation.tokens.get(userId, 'acme')))
    const tokens = new Set(all.map((one) => must(one).accessToken))
    expect(tokens.size).toBe(1)
    expect(tokens.has(first.accessToken)).toBe(false)
    expect(grants()).toHaveLength(1)
    // And again with the one that was rotated.
    const later = at + 3_600_000
    setClock(() => later)
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('ok')
    expect(grants()).toHaveLength(2)
  })

  test('what the provider does not renew is over, and the history says so', async () => {
    const { userId } = await linked(KEEP)
    peers().acme.bend = { refreshOver: true }
    const at = nowMs() + 3_600_000
    setClock(() => at)
    const refused = await federation.tokens.get(userId, 'acme')
    expect(refused).toMatchObject({ refusal: { code: 'provider_tokens_over', values: { provider: 'Acme' } } })
    const { items } = await audit.list(userId, { limit: 5, types: ['account.tokens_over'] })
    expect(items).toHaveLength(1)
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('not_found')
  })

  test('a provider that is down costs no token', async () => {
    const { userId } = await linked(KEEP)
    const at = nowMs() + 3_600_000
    setClock(() => at)
    peers().acme.bend = { down: ['token'] }
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('provider_down')
    peers().acme.bend = {}
    expect(codeOf(await federation.tokens.get(userId, 'acme'))).toBe('ok')
  })

  test('of Microsoft, GitHub and Google are refreshed too', async () => {
    const names = ['microsoft', 'github', 'google'] as const
    configure({
      ...peers().env,
      ...Object.fromEntries(names.map((name) => [`PROVIDER_${name.toUpperCase()}_KEEP_TOKENS`, 'on'])),
    })
    const userId = await somebody()
    for (const name of names) must(await link(userId, identityOf(await trip(peers()[name], name))))
    const at = nowMs() + 3_600_000
    setClock(() => at)
    for (const name of names) expect(codeOf(await federation.tokens.get(userId, name)), name).toBe('ok')
  })
})

describe('sign-out at the provider', () => {
  test('leads to its end-session endpoint, with a hint where the ID token is kept', async () => {
    const { userId } = await linked()
    const ask = () =>
      federation.endSessionUrl('acme', { userId, postLogoutRedirectUri: 'http://localhost:3000/signed-out' })
    const bare = new URL((await ask()) ?? '')
    expect(bare.origin + bare.pathname).toBe(`${peers().acme.url}/end-session`)
    expect(Object.fromEntries(bare.searchParams)).toEqual({
      client_id: peers().acme.clientId,
      post_logout_redirect_uri: 'http://localhost:3000/signed-out',
    })
    configure({ ...peers().env, ...KEEP })
    const account = (await federation.accounts.find(identityOf(await trip(peers().acme, 'acme')))) ?? {
      id: '',
      userId: '',
    }
    const again = identityOf(await trip(peers().acme, 'acme'))
    await inTx((tx) => federation.accounts.touch(tx, account, again))
    expect(new URL((await ask()) ?? '').searchParams.get('id_token_hint')).toMatch(/^eyJ/)
    expect(await federation.endSessionUrl('github', { userId, postLogoutRedirectUri: 'x' })).toBeNull()
    configure(peers().env)
    peers().acme.bend = { down: ['discovery'] }
    expect(await ask()).toBeNull()
  })
})

describe('back-channel logout', () => {
  const judge = async (claims: Record<string, unknown> = {}, typ?: string) =>
    federation.backchannelLogout(
      'acme',
      await peers().acme.logoutToken(claims, typ === undefined ? {} : { typ }),
    )

  test('names whose sessions are over, and which', async () => {
    const { userId, id } = await linked()
    const { acme } = peers()
    const sid = acme.sidOf(acme.person.sub)
    expect(must(await judge())).toEqual({ provider: 'acme', account: { id, userId }, sessionId: sid })
    expect(must(await judge({ sid: undefined }))).toMatchObject({ account: { id, userId }, sessionId: null })
    expect(must(await judge({ sub: undefined }))).toMatchObject({ account: null, sessionId: sid })
    expect(must(await judge({ sub: 'nobody-we-know' }))).toMatchObject({ account: null })
  })

  test('logout_token_is_good_once, also for two at once', async () => {
    await linked()
    const token = await peers().acme.logoutToken()
    const both = await Promise.all([1, 2].map(() => federation.backchannelLogout('acme', token)))
    expect(both.map(codeOf).sort()).toEqual(['ok', 'provider_failed'])
  })

  test.each([
    ['another audience', { aud: 'another' }],
    ['another issuer', { iss: 'https://evil.example' }],
    ['a nonce', { nonce: 'x' }],
    ['no event', { events: {} }],
    [
      'an event that is no object',
      { events: { 'http://schemas.openid.net/event/backchannel-logout': true } },
    ],
    ['no events', { events: undefined }],
    ['no jti', { jti: undefined }],
    ['no iat', { iat: undefined }],
    ['an old iat', { iat: 1_700_000_000 }],
    ['an iat to come', { iat: Math.floor(Date.now() / 1000) + 3600 }],
    ['nobody', { sub: undefined, sid: undefined }],
    ['an expiry that is over', { exp: 1_700_000_000 }],
  ])('logout_token_with_%s_is_refused', async (_, claims) => {
    expect(codeOf(await judge(claims))).toBe('provider_failed')
  })

  test('id_token_is_no_logout_token, nor is one of another key, or none at all', async () => {
    expect(codeOf(await judge({ events: undefined, nonce: 'x' }, 'JWT'))).toBe('provider_failed')
    expect(codeOf(await judge({}, 'at+jwt'))).toBe('provider_failed')
    const unsigned = `${Buffer.from('{"alg":"none"}').toString('base64url')}.e30.`
    for (const token of ['', 'x', unsigned, 'a'.repeat(20_000)]) {
      expect(codeOf(await federation.backchannelLogout('acme', token))).toBe('provider_failed')
    }
    peers().acme.bend = { foreignKey: true }
    expect(codeOf(await judge())).toBe('provider_failed')
    for (const id of ['github', 'nobody', '__proto__']) {
      expect(codeOf(await federation.backchannelLogout(id, 'x'))).toBe('not_found')
    }
  })

  test('of a provider of next-auth’s catalogue, by its own discovery', async () => {
    const { acme } = peers()
    configure({
      PROVIDERS: 'keycloak',
      PROVIDER_KEYCLOAK_CLIENT_ID: acme.clientId,
      PROVIDER_KEYCLOAK_CLIENT_SECRET: acme.clientSecret,
      PROVIDER_KEYCLOAK_ISSUER: acme.url,
    })
    expect(must(await federation.backchannelLogout('keycloak', await acme.logoutToken()))).toMatchObject({
      provider: 'keycloak',
      sessionId: acme.sidOf(acme.person.sub),
    })
    const back = { userId: await somebody(), postLogoutRedirectUri: 'http://localhost:3000/' }
    expect(await federation.endSessionUrl('keycloak', back)).toContain(`${acme.url}/end-session?`)
  })

  test('keys that cannot be had are the provider’s trouble', async () => {
    configure(peers().env)
    peers().acme.bend = { down: ['discovery'] }
    expect(codeOf(await judge())).toBe('provider_down')
    configure(peers().env)
    peers().acme.bend = { down: ['jwks'] }
    expect(codeOf(await judge())).toBe('provider_down')
  })
})
