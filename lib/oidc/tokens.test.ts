/** Tokens at use: OP4, OP7, OP8, SES4 for apps, CON1's revocation, REL3/REL6 for refresh, losing Redis. */
import pg from 'pg'
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import * as sessions from '../sessions'
import { testCaller, useStores } from '../testing'
import * as users from '../users'
import * as oidc from './index'
import {
  type App,
  call,
  introspect,
  newApp,
  obtainCode,
  redeem,
  refresh,
  signInTo,
  userinfo,
} from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const stores = useStores({
  REFRESH_TOKEN_DAYS: '10',
  SESSION_MAX_DAYS: '100',
  SESSION_IDLE_MINUTES: '144000',
})
/** Polls until it holds; what comes by a message takes a moment. */
const soon = (fn: () => void | Promise<void>) => vi.waitFor(fn, { timeout: 5000, interval: 20 })

let portal: Portal
let app: App

beforeAll(async () => {
  portal = await startPortal()
  app = await newApp()
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

async function signedIn(who: App = app) {
  const user = await newUser(stores.sql)
  const browser = new Browser(portal)
  const { json } = await signInTo(browser, who, user)
  const { rows } = await stores.sql(
    'SELECT id::text FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
    [user],
  )
  return {
    user,
    browser,
    sid: rows[0].id as string,
    access: json.access_token as string,
    refreshToken: json.refresh_token as string,
    idToken: json.id_token as string,
  }
}

/** Everything an app could do with its tokens is refused. */
async function expectDead(tokens: { access: string; refreshToken: string }, who: App = app): Promise<void> {
  expect((await userinfo(portal, tokens.access)).status).toBe(401)
  expect((await introspect(portal, who, tokens.access)).json).toEqual({ active: false })
  expect((await introspect(portal, who, tokens.refreshToken)).json).toEqual({ active: false })
  expect((await refresh(portal, who, tokens.refreshToken)).json.error).toBe('invalid_grant')
}

describe('OP4: refresh tokens', () => {
  it('refresh_token_reuse_kills_the_family_with_its_access_tokens', async () => {
    const s = await signedIn()
    const next = await refresh(portal, app, s.refreshToken)
    expect(next.status).toBe(200)
    advance(11)
    expect((await refresh(portal, app, s.refreshToken)).json.error).toBe('invalid_grant')
    await expectDead({ access: next.json.access_token, refreshToken: next.json.refresh_token })
    await expectDead(s)
    await soon(async () => {
      const { rows } = await stores.sql(
        `SELECT outcome, client_id FROM events WHERE user_id = $1 AND type = 'token.reused'`,
        [s.user],
      )
      expect(rows).toEqual([{ outcome: 'failure', client_id: app.clientId }])
    })
  })

  it('rotate for confidential clients too, keep claims, and end with the family, however often rotated', async () => {
    const s = await signedIn()
    let token = s.refreshToken
    for (let i = 0; i < 3; i++) {
      advance(3 * 86_400)
      const { json } = await refresh(portal, app, token)
      expect(json.scope).toBe('openid profile email')
      token = json.refresh_token
    }
    advance(86_400 + 60)
    expect((await refresh(portal, app, token)).json.error).toBe('invalid_grant')
  })

  it('refresh_with_another_client', async () => {
    const s = await signedIn()
    expect((await refresh(portal, await newApp(), s.refreshToken)).json.error).toBe('invalid_grant')
    expect((await refresh(portal, app, s.refreshToken)).status).toBe(200)
  })

  it('refresh_cannot_widen_its_scope', async () => {
    const s = await signedIn()
    const wider = await call(portal, '/token', app, {
      grant_type: 'refresh_token',
      refresh_token: s.refreshToken,
      scope: 'openid phone',
    })
    expect(wider.json.error).toBe('invalid_scope')
    const narrower = await call(portal, '/token', app, {
      grant_type: 'refresh_token',
      refresh_token: s.refreshToken,
      scope: 'openid',
    })
    expect(narrower.json.scope).toBe('openid')
  })

  it('are kept as hashes only', async () => {
    const s = await signedIn()
    const dump = JSON.stringify((await stores.sql('SELECT * FROM refresh_tokens')).rows)
    const keys = await stores.redis().keys('oidc:*')
    const kept = await Promise.all(
      keys.map((k) =>
        stores
          .redis()
          .get(k)
          .catch(() => ''),
      ),
    )
    for (const secret of [s.refreshToken, s.access])
      expect(dump + JSON.stringify([keys, kept])).not.toContain(secret)
  })

  it('rotate_in_one_row_and_change_nothing_that_an_index_has', async () => {
    const s = await signedIn()
    const rows = async () =>
      (await stores.sql('SELECT * FROM refresh_tokens WHERE user_id = $1', [s.user])).rows as Record<
        string,
        unknown
      >[]
    const [before = {}] = await rows()
    let token = s.refreshToken
    for (let i = 0; i < 20; i++) token = (await refresh(portal, app, token)).json.refresh_token
    const [after = {}, ...others] = await rows()
    expect(others).toEqual([])
    // A token made in the last instant of a second may expire with the next one.
    const changed = Object.keys(after).filter(
      (name) => JSON.stringify(after[name]) !== JSON.stringify(before[name]),
    )
    expect(changed.filter((name) => name !== 'expires_at').sort()).toEqual([
      'current_hash',
      'payload',
      'previous_hash',
      'rotated_at',
    ])
    const indexed = await stores.sql(
      `SELECT DISTINCT a.attname FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY(i.indkey)
       WHERE i.indrelid = 'refresh_tokens'::regclass`,
    )
    const names = indexed.rows.map(({ attname }) => attname)
    expect(names).toContain('id')
    expect(names.filter((name) => name !== 'expires_at' && changed.includes(name))).toEqual([])
  })

  it('are found by their key among many', async () => {
    const s = await signedIn()
    await stores.sql(
      `INSERT INTO refresh_tokens (id, current_hash, family_id, user_id, client_id, grant_id, payload, expires_at)
       SELECT md5(n::text), md5(n::text), n::text, gen_random_uuid(), t.client_id, t.grant_id, t.payload, t.expires_at
       FROM refresh_tokens t, generate_series(1, 1000) n WHERE t.user_id = $1`,
      [s.user],
    )
    await stores.sql('ANALYZE refresh_tokens')
    const { rows } = await stores.sql(
      `EXPLAIN SELECT t.payload FROM refresh_tokens t WHERE t.id = ANY('{x}'::text[]) AND t.expires_at > now()`,
    )
    expect(JSON.stringify(rows)).toContain('refresh_tokens_pkey')
    expect((await refresh(portal, app, s.refreshToken)).status).toBe(200)
  })
})

describe('OP7: what ends tokens at once', () => {
  it('session_revoked', async () => {
    const s = await signedIn()
    await sessions.revoke({ userId: s.user, sid: s.sid }, { reason: 'test' })
    await expectDead(s)
  })

  it('all_sessions_revoked', async () => {
    const s = await signedIn()
    await sessions.revoke({ userId: s.user, all: true }, { reason: 'test' })
    await expectDead(s)
  })

  it('another session of the same user leaves the tokens alone', async () => {
    const s = await signedIn()
    const second = new Browser(portal)
    const { json } = await signInTo(second, app, s.user)
    await sessions.revoke({ userId: s.user, sid: s.sid }, { reason: 'test' })
    await expectDead(s)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)
  })

  it('user_disabled', async () => {
    const s = await signedIn()
    await users.disable(s.user, { actor: 'operator' })
    await sessions.revoke({ userId: s.user, all: true }, { reason: 'disabled' })
    await expectDead(s)
  })

  it('user_disabled_without_anyone_revoking_sessions', async () => {
    const s = await signedIn()
    await users.disable(s.user, { actor: 'operator' })
    await soon(() => expectDead(s))
  })

  it('account_closed_and_kept_again', async () => {
    const s = await signedIn()
    const got = await obtainCode(s.browser, app, s.user)
    const by = { actor: 'operator' }
    await inTx(async (tx) => {
      expect((await users.close(tx, s.user, new Date(), by)).ok).toBe(true)
      await sessions.revokeIn(tx, { userId: s.user, all: true }, { reason: 'closed' })
      await oidc.grants.revokeAll(tx, s.user, by)
    })
    await expectDead(s)
    expect((await redeem(portal, app, got.code, got.verifier)).json.error).toBe('invalid_grant')
    await inTx((tx) => users.keep(tx, s.user, by))
    await expectDead(s)
  })

  it('account_closed_without_anyone_revoking_sessions', async () => {
    const s = await signedIn()
    await inTx((tx) => users.close(tx, s.user, new Date(), { actor: 'operator' }))
    await soon(() => expectDead(s))
  })

  it('account_erased', async () => {
    const s = await signedIn()
    await inTx((tx) => users.close(tx, s.user, new Date(), { actor: 'operator' }))
    await users.eraseClosed()
    expect(await users.get(s.user)).toBeNull()
    await soon(() => expectDead(s))
  })

  it('session_revoked_between_code_and_token', async () => {
    const user = await newUser(stores.sql)
    const got = await obtainCode(new Browser(portal), app, user)
    await sessions.revoke({ userId: user, all: true }, { reason: 'test' })
    expect((await redeem(portal, app, got.code, got.verifier)).json.error).toBe('invalid_grant')
  })

  it('client_disabled_and_removed', async () => {
    const mine = await newApp()
    const s = await signedIn(mine)
    expect((await oidc.clients.disable(mine.clientId)).ok).toBe(true)
    expect((await userinfo(portal, s.access)).status).toBe(401)
    expect((await refresh(portal, mine, s.refreshToken)).json.error).toBe('invalid_client')
    await oidc.clients.enable(mine.clientId)
    expect((await userinfo(portal, s.access)).status).toBe(200)
    await oidc.clients.remove(mine.clientId)
    expect((await userinfo(portal, s.access)).status).toBe(401)
  })

  it('tokens_and_codes_of_an_app_that_was_removed_are_nothing_to_the_next_one_of_its_id', async () => {
    const old = await newApp({ clientId: 'reborn' })
    const user = await newUser(stores.sql)
    const browser = new Browser(portal)
    const { json } = await signInTo(browser, old, user)
    const got = await obtainCode(browser, old, user)
    expect((await userinfo(portal, json.access_token)).status).toBe(200)

    await oidc.clients.remove(old.clientId)
    const next = await newApp({ clientId: 'reborn' })
    await expectDead({ access: json.access_token, refreshToken: json.refresh_token }, next)
    expect((await redeem(portal, next, got.code, got.verifier)).json.error).toBe('invalid_grant')
    // It has to ask for itself, and what it is given is good; a change is no new registration.
    const own = await signInTo(browser, next, user)
    await oidc.clients.update(next.clientId, { name: 'Other name' })
    expect((await userinfo(portal, own.json.access_token)).status).toBe(200)
    expect((await introspect(portal, next, own.json.access_token)).json.active).toBe(true)
  })

  it('a token of a portal that did not keep yet whose registration it is goes on', async () => {
    const s = await signedIn()
    for (const name of await stores.redis().keys('*AccessToken*')) {
      const text = await stores.redis().get(name)
      const kept = JSON.parse(text?.slice(1) ?? '')
      await stores.redis().set(name, `0${JSON.stringify({ ...kept, registeredAt: undefined })}`, 'KEEPTTL')
    }
    expect((await userinfo(portal, s.access)).status).toBe(200)
  })

  it('consent_revoked', async () => {
    const s = await signedIn()
    expect(await oidc.grants.list(s.user)).toMatchObject([
      { clientId: app.clientId, scopes: expect.arrayContaining(['openid', 'email']) },
    ])
    expect((await oidc.grants.revoke(s.user, app.clientId)).ok).toBe(true)
    await expectDead(s)
    expect(await oidc.grants.list(s.user)).toEqual([])
  })

  it('revocation_endpoint', async () => {
    const s = await signedIn()
    expect((await call(portal, '/revocation', app, { token: s.refreshToken })).status).toBe(200)
    await expectDead(s)
    const t = await signedIn()
    const foreign = await call(portal, '/revocation', await newApp(), { token: t.refreshToken })
    expect(foreign.status).toBe(400)
    expect((await refresh(portal, app, t.refreshToken)).status).toBe(200)
    expect((await call(portal, '/revocation', app, { token: 'unknown' })).status).toBe(200)
  })

  it('introspection_by_others', async () => {
    const s = await signedIn()
    expect((await introspect(portal, await newApp(), s.access)).json).toEqual({ active: false })
    expect((await introspect(portal, await newApp({ authMethod: 'none' }), s.access)).status).toBe(401)
    expect((await call(portal, '/introspection', null, { token: s.access })).status).toBe(400)
    expect((await introspect(portal, { ...app, clientSecret: 'gts_wrong' }, s.access)).status).toBe(401)
  })

  it('access_token_expires', async () => {
    const s = await signedIn()
    advance(16 * 60)
    expect((await userinfo(portal, s.access)).status).toBe(401)
    expect((await refresh(portal, app, s.refreshToken)).status).toBe(200)
  })
})

describe('OP8: each token is good for its own purpose only', () => {
  it('token_confusion', async () => {
    const s = await signedIn()
    const cookie = [...s.browser.cookies].find(([name]) => name.endsWith('gatehouse.session'))?.[1] ?? ''
    for (const wrong of [s.idToken, s.refreshToken, cookie, 'x', '__proto__']) {
      expect((await userinfo(portal, wrong)).status).toBe(401)
      const { json } = await introspect(portal, app, wrong)
      expect(json.active ?? false).toBe(wrong === s.refreshToken)
    }
    for (const wrong of [s.idToken, s.access, cookie]) {
      expect((await refresh(portal, app, wrong)).json.error).toBe('invalid_grant')
      expect((await redeem(portal, app, wrong, 'v'.repeat(43))).json.error).toBe('invalid_grant')
    }
    const asCookie = await fetch(`${portal.issuer}/auth`, {
      headers: { cookie: `gatehouse.session=${s.idToken}` },
    })
    expect(asCookie.status).toBe(400)
  })
})

describe('userinfo', () => {
  it('shows a change of the person at once', async () => {
    const s = await signedIn()
    expect((await userinfo(portal, s.access)).json.name).toBe('Ada Lovelace')
    const changed = await users.profile.update(s.user, { displayName: 'Countess' }, testCaller())
    expect(changed.ok).toBe(true)
    await soon(async () => expect((await userinfo(portal, s.access)).json.name).toBe('Countess'))
  })
})

describe('losing Redis', () => {
  it('codes and access tokens are gone, refresh tokens and consents live', async () => {
    const s = await signedIn()
    const pending = await obtainCode(s.browser, app, s.user)
    await stores.redis().flushdb()
    expect((await redeem(portal, app, pending.code, pending.verifier)).json.error).toBe('invalid_grant')
    expect((await userinfo(portal, s.access)).status).toBe(401)
    const next = await refresh(portal, app, s.refreshToken)
    expect(next.status).toBe(200)
    expect((await userinfo(portal, next.json.access_token)).status).toBe(200)
    expect((await obtainCode(s.browser, app, s.user)).landed.hops).toBe(1)
  })

  it('what was revoked stays revoked', async () => {
    const s = await signedIn()
    await oidc.grants.revoke(s.user, app.clientId)
    const t = await signedIn()
    const { json } = await refresh(portal, app, t.refreshToken)
    await refresh(portal, app, json.refresh_token)
    await refresh(portal, app, t.refreshToken)
    await stores.redis().flushdb()
    await expectDead(s)
    await expectDead(t)
  })
})

describe('REL2', () => {
  it('a database that hangs is 503 with Retry-After in time, keys and discovery still answer, and it recovers', async () => {
    const s = await signedIn()
    const locked = new pg.Client(process.env.DATABASE_URL)
    await locked.connect()
    await locked.query('BEGIN; LOCK TABLE refresh_tokens IN ACCESS EXCLUSIVE MODE')
    try {
      const hung = await refresh(portal, app, s.refreshToken)
      expect([hung.status, hung.json.error]).toEqual([503, 'temporarily_unavailable'])
      expect(hung.headers.get('retry-after')).toBe('2')
      expect((await fetch(`${portal.issuer}/jwks`)).status).toBe(200)
      expect((await fetch(`${portal.issuer}/.well-known/openid-configuration`)).status).toBe(200)
    } finally {
      await locked.query('ROLLBACK')
      await locked.end()
    }
    expect((await refresh(portal, app, s.refreshToken)).status).toBe(200)
  })
})

describe('REL3', () => {
  it('a refresh token whose successor could not be stored is not used up', async () => {
    const s = await signedIn()
    await stores.sql(
      `ALTER TABLE refresh_tokens ADD CONSTRAINT test_full CHECK (created_at < now() - interval '1 year') NOT VALID`,
    )
    const failed = await refresh(portal, app, s.refreshToken)
    await stores.sql('ALTER TABLE refresh_tokens DROP CONSTRAINT test_full')
    expect(failed.status).toBe(500)
    expect((await refresh(portal, app, s.refreshToken)).status).toBe(200)
  })
})
