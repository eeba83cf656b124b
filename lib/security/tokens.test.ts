/** Personal access tokens: made, shown once, used and ended (decision 089). */
import { crc32 } from 'node:zlib'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { nowMs, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { HOST_HEADERS } from '../base/requests'
import * as factors from '../factors'
import * as oidc from '../oidc'
import * as personal from '../oidc/personal-tokens'
import { call, introspect, newApp, userinfo } from '../oidc/testing/app'
import { type Portal, startPortal } from '../oidc/testing/harness'
import { setPasswordAnew } from '../recovery/renew'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as users from '../users'
import * as security from './index'
import { mails, must, newest, person, refusal, signIn, somewhere, tokenFor } from './people.fixture'

const stores = useStores({ LIMIT_REQUESTS_BURST: '1000', LIMIT_REQUESTS_PER_MINUTE: '100000' })
let portal: Portal

beforeAll(async () => {
  await audit.migrate()
  portal = await startPortal()
  return () => portal.stop()
})
afterEach(() => {
  setClock(null)
  under({ PERSONAL_TOKEN_DAYS: '365', PERSONAL_TOKEN_SCOPES: '' })
})

const under = (env: Record<string, string>) => {
  Object.assign(process.env, env)
  reloadEnv()
}

type Someone = Awaited<ReturnType<typeof person>>
const wanted = { name: 'Nightly export', scopes: ['email'], days: 30 }
const make = (someone: Someone, more: Partial<typeof wanted> = {}) =>
  security.tokens.make(someone.who, { ...wanted, ...more }, someone.caller)
const api = () => newApp({ personalTokens: true })
const active = async (app: Awaited<ReturnType<typeof newApp>>, token: string) =>
  (await introspect(portal, app, token)).json.active as boolean
const later = (ms: number) => {
  const at = Date.now() + ms
  setClock(() => at)
}
/** What was believed of it, and of its owner, is asked for anew. */
const believedNoMore = () => later(5001)

describe('the value', () => {
  test('is found by the pattern that scanners are given, with a checksum that tells it from what looks like one', async () => {
    const { value } = must(await make(await person()))
    expect(value).toMatch(/^gtp_[0-9A-Za-z]{38}$/)
    const [random, check] = [value.slice(4, 36), value.slice(36)]
    const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
    expect([...check].reduce((sum, digit) => sum * 62 + digits.indexOf(digit), 0)).toBe(crc32(random))
    expect(personal.isWellFormed(value)).toBe(true)
    const bent = value.slice(0, 10) + (value[10] === 'a' ? 'b' : 'a') + value.slice(11)
    expect(personal.isWellFormed(bent)).toBe(false)
  })

  test('the_database_and_the_history_never_have_the_value', async () => {
    const ada = await person()
    const { value } = must(await make(ada))
    const { rows } = await stores.sql('SELECT t::text AS row FROM personal_access_tokens t')
    const { items } = await audit.list(ada.id, { limit: 50 })
    const sent = (await mails(ada.email)).map(({ text, html }) => text + html)
    for (const text of [...rows.map(({ row }) => row), JSON.stringify(items), ...sent]) {
      expect(text).not.toContain(value)
      expect(text).not.toContain(value.slice(4, 30))
    }
  })
})

describe('making one', () => {
  test('asks for a fresh proof, is told to the owner by mail, and is in the history', async () => {
    const ada = await person()
    later(11 * 60_000)
    expect(refusal(await make(ada))).toBe('proof_required')
    expect(await oidc.personalTokens.list(ada.id)).toEqual([])
    const who = await signIn(ada.id)
    const made = must(await make({ ...ada, who }))
    expect(made).toMatchObject({ name: wanted.name })
    expect((await newest(ada.email)).text).toContain(wanted.name)
    const [event] = (await audit.list(ada.id, { types: ['personal_token.made'], limit: 1 })).items
    expect(event?.data).toMatchObject({ name: wanted.name, scopes: ['openid', 'email'] })
    expect(await oidc.personalTokens.list(ada.id)).toMatchObject([
      {
        name: wanted.name,
        hint: made.value.slice(-4),
        scopes: ['openid', 'email'],
        lastUsedAt: null,
        over: false,
      },
    ])
  })

  test.each([
    ['no name', { name: ' ' }],
    ['too long a name', { name: 'x'.repeat(61) }],
    ['no end', { days: Number.NaN }],
    ['an end today', { days: 0 }],
    ['an end beyond what the operator allows', { days: 366 }],
    ['a scope that nobody has', { scopes: ['admin'] }],
    ['a scope of other tokens', { scopes: ['offline_access'] }],
  ])('refused: %s', async (_, more) => {
    expect(refusal(await make(await person(), more))).toBe('invalid_input')
  })

  test('scopes of the operator’s own, as long as the operator has them', async () => {
    under({ PERSONAL_TOKEN_SCOPES: 'reports:read, reports:write' })
    const [ada, app] = [await person(), await api()]
    const { value } = must(await make(ada, { scopes: ['reports:read'] }))
    expect((await introspect(portal, app, value)).json.scope).toBe('openid reports:read')
    under({ PERSONAL_TOKEN_SCOPES: 'reports:write' })
    expect((await introspect(portal, app, value)).json.scope).toBe('openid')
  })

  test('two_at_once_do_not_both_get_the_last_place', async () => {
    const ada = await person()
    await stores.sql(
      `INSERT INTO personal_access_tokens (user_id, name, token_hash, scopes, expires_at)
       SELECT $1, 'n', gen_random_uuid()::text, '{}', now() + interval '1 day' FROM generate_series(1, 49) n`,
      [ada.id],
    )
    const answers = await Promise.all(Array.from({ length: 4 }, () => make(ada)))
    expect(answers.map(refusal).sort()).toEqual([null, 'too_many', 'too_many', 'too_many'].sort())
  })
})

describe('at userinfo and introspection', () => {
  test('says who the owner is, no more than its scopes, and for how long', async () => {
    const [ada, app] = [await person(), await api()]
    const { value } = must(await make(ada))
    const info = await userinfo(portal, value)
    expect([info.status, info.json]).toEqual([200, { sub: ada.id, email: ada.email, email_verified: true }])
    const { json } = await introspect(portal, app, value)
    expect(json).toMatchObject({
      active: true,
      sub: ada.id,
      scope: 'openid email',
      client_id: 'personal-access-token',
    })
    expect(Math.abs(json.exp - nowMs() / 1000 - 30 * 86_400)).toBeLessThan(60)
    const [{ lastUsedAt } = { lastUsedAt: null }] = await oidc.personalTokens.list(ada.id)
    expect(lastUsedAt).toBeInstanceOf(Date)
  })

  test('an_app_that_is_not_registered_for_it_learns_nothing', async () => {
    const { value } = must(await make(await person()))
    expect((await introspect(portal, await newApp(), value)).json).toEqual({ active: false })
    expect(await active(await newApp({ authMethod: 'none' }), value)).toBe(false)
    const app = await api()
    await oidc.clients.update(app.clientId, { personalTokens: false })
    expect(await active(app, value)).toBe(false)
    const spa = await newApp({ authMethod: 'none' })
    expect((await oidc.clients.update(spa.clientId, { personalTokens: true })).ok).toBe(false)
    await expect(newApp({ authMethod: 'none', personalTokens: true })).rejects.toThrow('secret')
  })

  test('an_api_that_only_introspects_needs_no_redirect_uri_and_can_do_nothing_else', async () => {
    const { value } = must(await make(await person()))
    const app = await newApp({ personalTokens: true, redirectUris: [], grants: [] })
    expect(await active(app, value)).toBe(true)
    for (const grant_type of ['authorization_code', 'refresh_token', 'client_credentials']) {
      const answer = await call(portal, '/token', app, { grant_type, code: 'x', refresh_token: 'x' })
      expect([grant_type, answer.status]).toEqual([grant_type, 400])
    }
    const url = `${portal.issuer}/auth?client_id=${app.clientId}&response_type=code&scope=openid`
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(400)
    // With the grant it needs an address, and without what it asks about it is no app.
    const { update } = oidc.clients
    const no = (field: string) => ({ ok: false, refusal: { code: expect.any(String), field } })
    expect(await update(app.clientId, { grants: ['authorization_code'] })).toMatchObject(no('redirectUris'))
    expect(await update(app.clientId, { personalTokens: false })).toMatchObject(no('grants'))
    await expect(newApp({ redirectUris: [], grants: [] })).rejects.toThrow('introspects')
    await expect(newApp({ redirectUris: [], personalTokens: true })).rejects.toThrow('at least one address')
  })

  test('is_good_nowhere_else', async () => {
    const { value } = must(await make(await person()))
    const app = await api()
    expect(await oidc.access(value)).toBeNull()
    expect(
      (await call(portal, '/token', app, { grant_type: 'refresh_token', refresh_token: value })).json.error,
    ).toBe('invalid_grant')
    expect((await call(portal, '/revocation', app, { token: value })).status).toBe(200)
    expect(await active(app, value)).toBe(true)
    // What stands for its app is none that anything can be asked for.
    const url = `${portal.issuer}/auth?client_id=personal-access-token&response_type=code&scope=openid`
    expect((await fetch(url, { redirect: 'manual' })).status).toBe(400)
    await expect(newApp({ clientId: 'personal-access-token' })).rejects.toThrow('name of no app')
  })

  test('others_and_bent_ones_are_refused', async () => {
    const app = await api()
    for (const token of ['gtp_', `gtp_${'0'.repeat(38)}`, `gtp_${'x'.repeat(5000)}`, 'gtp_\u0000']) {
      expect((await userinfo(portal, encodeURIComponent(token))).status, token).toBe(401)
      expect(await active(app, token), token).toBe(false)
    }
  })

  test('guessing_costs_a_stranger_their_network_and_an_app_nothing', async () => {
    const { value } = must(await make(await person()))
    const [caller, app] = [somewhere(), await api()]
    const guess = () => {
      const random = Array.from({ length: 32 }, () => 'abcdefghij'[Math.floor(Math.random() * 10)]).join('')
      return `gtp_${random}${checked(random)}`
    }
    for (let n = 0; n < 20; n++)
      expect(await personal.find(guess(), caller)).toEqual({ ok: true, value: null })
    const wait = { ok: false, refusal: { code: 'rate_limited', retryAfterSeconds: expect.any(Number) } }
    expect(await personal.find(guess(), caller)).toMatchObject(wait)
    // Nothing from there is looked up any more, from elsewhere it is.
    expect(await personal.find(value, caller)).toMatchObject(wait)
    expect(await personal.find(value, somewhere())).toMatchObject({
      ok: true,
      value: { id: expect.any(String) },
    })
    // At userinfo it is no "wrong token": whoever has a good one is to come back, not to throw it away.
    const fromThere = { [HOST_HEADERS.ip]: caller.ip ?? '', authorization: `Bearer ${guess()}` }
    const answer = await fetch(`${portal.issuer}/userinfo`, { headers: fromThere })
    expect([answer.status, (await answer.json()).error]).toEqual([429, 'temporarily_unavailable'])
    expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0)
    for (let n = 0; n < 25; n++) expect(await active(app, guess())).toBe(false)
    expect(await active(app, value)).toBe(true)
  })
})

describe('ends at the next use', () => {
  const ways: Record<string, (ada: Someone, id: string) => Promise<unknown>> = {
    'its owner ended it': async (ada, id) => must(await security.tokens.remove(ada.who, { id }, ada.caller)),
    'its owner was disabled': (ada) => users.disable(ada.id, { actor: 'operator' }),
    '“this wasn’t me”': async (ada) => {
      const token = await tokenFor(ada.email, 'lockdown')
      must(await security.lockdown.lockDown(token, somewhere()))
    },
    'its time was over': async () => later(30 * 86_400_000 + 1000),
    'the operator shortened what tokens live': async () => {
      under({ PERSONAL_TOKEN_DAYS: '1' })
      later(86_400_000 + 1000)
    },
    'the operator takes none any more': async () => under({ PERSONAL_TOKEN_DAYS: '0' }),
  }
  for (const [name, way] of Object.entries(ways)) {
    test(name, async () => {
      const [ada, app] = [await person(), await api()]
      const { value } = must(await make(ada))
      expect([(await userinfo(portal, value)).status, await active(app, value)]).toEqual([200, true])
      const [{ id } = { id: '' }] = await oidc.personalTokens.list(ada.id)
      await way(ada, id)
      expect([(await userinfo(portal, value)).status, await active(app, value)]).toEqual([401, false])
    })
  }

  test('personal_tokens_of_a_disabled_user_stay_dead', async () => {
    const [ada, app] = [await person(), await api()]
    const { value } = must(await make(ada))
    const caller = somewhere()
    must(await users.disable(ada.id, { actor: 'operator', caller }))
    must(await users.enable(ada.id, { actor: 'operator' }))
    believedNoMore()
    expect([(await userinfo(portal, value)).status, await active(app, value)]).toEqual([401, false])
    expect(await oidc.personalTokens.list(ada.id)).toEqual([])
    const [ended] = (await audit.list(ada.id, { types: ['personal_token.ended'], limit: 9 })).items
    expect(ended).toMatchObject({ actor: 'operator', ip: caller.ip, data: { name: wanted.name } })
  })

  test('what_is_taken_back_with_the_disabling_is_taken_back_with_the_tokens', async () => {
    const [ada, app] = [await person(), await api()]
    const { value } = must(await make(ada))
    const undone = inTx(async (tx) => {
      must(await users.disable(ada.id, { actor: 'operator', tx }))
      throw new Error('undone')
    })
    await expect(undone).rejects.toThrow('undone')
    expect(await active(app, value)).toBe(true)
  })

  test('a_token_made_while_its_owner_is_disabled_is_dead_or_none', async () => {
    const [ada, app] = [await person(), await api()]
    const [made] = await Promise.all([
      make(ada),
      users.disable(ada.id, { actor: 'operator' }),
      users.disable(ada.id, { actor: 'operator' }),
    ])
    expect([null, 'session_required']).toContain(refusal(made))
    must(await users.enable(ada.id, { actor: 'operator' }))
    believedNoMore()
    if (made.ok) expect(await active(app, made.value.value)).toBe(false)
    expect(await oidc.personalTokens.list(ada.id)).toEqual([])
  })

  test('a new password by mail ends them, as it ends every session; a sign-out everywhere does not', async () => {
    const [ada, app] = [await person(), await api()]
    const { value } = must(await make(ada))
    await sessions.revoke({ userId: ada.id, all: true }, { reason: 'user' })
    believedNoMore()
    expect(await active(app, value)).toBe(true)
    const hash = must(await factors.password.hash('another violet harbour lamp'))
    await inTx((tx) => setPasswordAnew(tx, ada.id, hash, { reason: 'password_reset', caller: somewhere() }))
    expect(await active(app, value)).toBe(false)
  })

  test('somebody_elses_is_not_ended', async () => {
    const [ada, eve, app] = [await person(), await person(), await api()]
    const { value } = must(await make(ada))
    const [{ id } = { id: '' }] = await oidc.personalTokens.list(ada.id)
    expect(refusal(await security.tokens.remove(eve.who, { id }, eve.caller))).toBe('not_found')
    expect(await active(app, value)).toBe(true)
    const both = await Promise.all([1, 2].map(() => security.tokens.remove(ada.who, { id }, ada.caller)))
    expect(both.filter(({ ok }) => ok)).toHaveLength(1)
    expect((await audit.list(ada.id, { types: ['personal_token.ended'], limit: 9 })).items).toHaveLength(1)
  })

  test('the look-up is one indexed statement', async () => {
    // A table of a few rows is read as fast from end to end: what is asked is whether it need not be.
    const answers: unknown = await stores.sql(
      `SET LOCAL enable_seqscan = off;
       EXPLAIN SELECT t.id FROM personal_access_tokens t JOIN users u ON u.id = t.user_id
       WHERE t.token_hash = 'x' AND t.revoked_at IS NULL AND u.status = 'active' AND u.locked_down_at IS NULL`,
    )
    const { rows } = (answers as { rows: Record<string, string>[] }[])[1] ?? { rows: [] }
    const plan = rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(plan).toContain('personal_access_tokens_token_hash_key')
    expect(plan).not.toContain('Seq Scan on personal_access_tokens')
  })
})

function checked(random: string): string {
  const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz'
  let [rest, text] = [crc32(random), '']
  for (; text.length < 6; rest = Math.floor(rest / 62)) text = digits[rest % 62] + text
  return text
}
