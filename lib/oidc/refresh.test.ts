/** REL6, OP4: a refresh token shown twice within the grace, and what is reuse all the same (decision 082). */
import { afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import * as sessions from '../sessions'
import { useStores } from '../testing'
import * as oidc from './index'
import { type App, call, introspect, newApp, refresh, signInTo, userinfo } from './testing/app'
import { Browser, type Portal, startPortal } from './testing/harness'
import { newUser } from './testing/people'

const SECRET = 'test-secret-test-secret-test-secret-0001'
const stores = useStores()
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
  delete process.env.REFRESH_GRACE_SECONDS
  process.env.GATEHOUSE_SECRET = SECRET
  reloadEnv()
})

function advance(seconds: number): void {
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 })
  setClock(() => Date.now())
}

async function signedIn(who: App = app) {
  const user = await newUser(stores.sql)
  const { json } = await signInTo(new Browser(portal), who, user)
  return { user, first: json.refresh_token as string, access: json.access_token as string }
}

const rowsOf = async (user: string) =>
  (await stores.sql('SELECT id FROM refresh_tokens WHERE user_id = $1', [user])).rows

const expectEnded = async (user: string, ...tokens: string[]) => {
  for (const token of tokens) expect((await refresh(portal, app, token)).json.error).toBe('invalid_grant')
  expect(await rowsOf(user)).toEqual([])
}

describe('within the grace', () => {
  it('two_tabs_refresh_at_once_and_both_stay_signed_in', async () => {
    const { user, first, access } = await signedIn()
    const [one, two] = await Promise.all([refresh(portal, app, first), refresh(portal, app, first)])
    expect([one.status, two.status]).toEqual([200, 200])
    expect(one.json.refresh_token).toBe(two.json.refresh_token)
    expect(one.json.refresh_token).toHaveLength(64)
    expect(await rowsOf(user)).toHaveLength(1)
    for (const token of [access, one.json.access_token, two.json.access_token])
      expect((await userinfo(portal, token)).status).toBe(200)
    expect((await refresh(portal, app, one.json.refresh_token)).status).toBe(200)
  })

  it('ten_at_once_get_one_successor', async () => {
    const { user, first } = await signedIn()
    const answers = await Promise.all(Array.from({ length: 10 }, () => refresh(portal, app, first)))
    // On a busy machine a store may not answer some of them in time: they are told so, and nobody is signed out.
    const told = answers.filter((a) => a.status !== 503)
    expect(told.length).toBeGreaterThan(1)
    expect(told.every((a) => a.status === 200)).toBe(true)
    expect(new Set(told.map((a) => a.json.refresh_token)).size).toBe(1)
    expect(await rowsOf(user)).toHaveLength(1)
  })

  it('a_lost_answer_is_asked_for_again', async () => {
    const { first } = await signedIn()
    const lost = await refresh(portal, app, first)
    advance(9)
    const again = await refresh(portal, app, first)
    expect([again.status, again.json.refresh_token]).toEqual([200, lost.json.refresh_token])
  })

  it('narrows_a_scope_for_one_tab_only', async () => {
    const { first } = await signedIn()
    const wide = await refresh(portal, app, first)
    const narrow = await call(portal, '/token', app, {
      grant_type: 'refresh_token',
      refresh_token: first,
      scope: 'openid',
    })
    expect([wide.json.scope, narrow.json.scope]).toEqual(['openid profile email', 'openid'])
    const next = await refresh(portal, app, narrow.json.refresh_token)
    expect(next.json.scope).toBe('openid profile email')
  })

  it('survives_a_rotated_secret', async () => {
    const { first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    process.env.GATEHOUSE_SECRET = `another-secret-another-secret-another-01,${SECRET}`
    reloadEnv()
    expect((await refresh(portal, app, first)).json.refresh_token).toBe(json.refresh_token)
  })
})

describe('is reuse all the same, and ends the family', () => {
  it('after_the_grace', async () => {
    const { user, first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    advance(11)
    await expectEnded(user, first, json.refresh_token)
    expect((await userinfo(portal, json.access_token)).status).toBe(401)
  })

  it('once_the_successor_was_used', async () => {
    const { user, first } = await signedIn()
    const second = await refresh(portal, app, first)
    const third = await refresh(portal, app, second.json.refresh_token)
    await expectEnded(user, first, second.json.refresh_token, third.json.refresh_token)
  })

  it('however_old_the_token_is', async () => {
    const { user, first } = await signedIn()
    const tokens = [first]
    for (let i = 0; i < 5; i++) tokens.push((await refresh(portal, app, tokens[i] ?? '')).json.refresh_token)
    expect(await rowsOf(user)).toHaveLength(1)
    await expectEnded(user, first, ...tokens.slice(-2))
  })

  it('of_a_token_that_begins_like_its_family_and_was_never_given', async () => {
    const { user, first } = await signedIn()
    const made = first.slice(0, -4) + (first.endsWith('AAAA') ? 'BBBB' : 'AAAA')
    expect((await introspect(portal, app, made)).json).toEqual({ active: false })
    expect((await refresh(portal, await newApp(), made)).json.error).toBe('invalid_grant')
    expect(await rowsOf(user)).toHaveLength(1)
    await expectEnded(user, made, first)
  })

  it('with_a_grace_of_0', async () => {
    process.env.REFRESH_GRACE_SECONDS = '0'
    reloadEnv()
    const { user, first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    await expectEnded(user, first, json.refresh_token)
  })

  it('ten_at_once_while_the_successor_is_used', async () => {
    const { user, first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    const [used, ...answers] = await Promise.all([
      refresh(portal, app, json.refresh_token),
      ...Array.from({ length: 10 }, () => refresh(portal, app, first)),
    ])
    // Whoever was told a successor was told the same; one who came too late ended everybody's.
    const told = answers.filter((a) => a.status === 200)
    expect(told.every((a) => a.json.refresh_token === json.refresh_token)).toBe(true)
    if (told.length < answers.length && used?.status === 200) await expectEnded(user, used.json.refresh_token)
    if (told.length === answers.length) expect(used?.status).toBe(200)
  })
})

describe('gets nothing from the grace', () => {
  it('another_client', async () => {
    const { first } = await signedIn()
    await refresh(portal, app, first)
    const foreign = await refresh(portal, await newApp(), first)
    expect(foreign.json).not.toHaveProperty('refresh_token')
    expect(foreign.json.error).toBe('invalid_grant')
    const nobody = await refresh(portal, { ...app, clientSecret: 'gts_wrong' }, first)
    expect(nobody.json.error).toBe('invalid_client')
    expect((await refresh(portal, app, first)).status).toBe(200)
  })

  it('a_revoked_session_consent_or_token', async () => {
    const s = await signedIn()
    await refresh(portal, app, s.first)
    await sessions.revoke({ userId: s.user, all: true }, { reason: 'test' })
    expect((await refresh(portal, app, s.first)).json.error).toBe('invalid_grant')
    const t = await signedIn()
    await refresh(portal, app, t.first)
    await oidc.grants.revoke(t.user, app.clientId)
    expect((await refresh(portal, app, t.first)).json.error).toBe('invalid_grant')
    const u = await signedIn()
    const { json } = await refresh(portal, app, u.first)
    await call(portal, '/revocation', app, { token: json.refresh_token })
    expect((await refresh(portal, app, u.first)).json.error).toBe('invalid_grant')
  })

  it('introspection_and_revocation_of_a_used_token', async () => {
    const { user, first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    expect((await introspect(portal, app, first)).json).toEqual({ active: false })
    expect((await introspect(portal, app, json.refresh_token)).json.active).toBe(true)
    await call(portal, '/revocation', app, { token: first })
    await expectEnded(user, first, json.refresh_token)
  })

  it('the_database_with_the_secret', async () => {
    const { first } = await signedIn()
    const { json } = await refresh(portal, app, first)
    const { successors, sha256 } = await import('../base/secrets')
    const dump = (await stores.sql('SELECT * FROM refresh_tokens')).rows
    const made = [first, ...dump.flatMap((row) => [...Object.values(row), sha256(row.current_hash)])]
      .filter((seed) => typeof seed === 'string')
      .map((seed) => first.slice(0, 24) + successors('refresh_token', seed, 30)[0])
    // From the token itself it is made, from no column of its row.
    expect(made.indexOf(json.refresh_token)).toBe(0)
    expect(made.lastIndexOf(json.refresh_token)).toBe(0)
    for (const token of [first, json.refresh_token]) {
      expect(JSON.stringify(dump)).not.toContain(token)
      expect(JSON.stringify(dump)).not.toContain(token.slice(0, 24))
    }
  })
})

describe('of a portal before, which kept a row for each token', () => {
  /** Makes the family of a sign-in what such a portal left: tokens that were used up, and one that is good. */
  async function keptBefore(user: string, used: string[], good: string) {
    const { sha256 } = await import('../base/secrets')
    await stores.sql(
      `INSERT INTO refresh_tokens (id, family_id, user_id, client_id, grant_id, session_id, payload, expires_at, consumed_at)
       SELECT old.id, family_id, user_id, client_id, grant_id, session_id, payload, expires_at, now()
       FROM unnest($2::text[]) AS old (id), (SELECT * FROM refresh_tokens WHERE user_id = $1) t`,
      [user, used.map(sha256)],
    )
    await stores.sql(
      'UPDATE refresh_tokens SET id = $2, current_hash = NULL WHERE user_id = $1 AND consumed_at IS NULL',
      [user, sha256(good)],
    )
  }
  const token = (letter: string) => letter.repeat(44)

  it('live_on_and_become_a_family_of_one_row', async () => {
    const { user } = await signedIn()
    await keptBefore(user, [], token('a'))
    expect((await introspect(portal, app, token('a'))).json.active).toBe(true)
    const answers = await Promise.all(Array.from({ length: 5 }, () => refresh(portal, app, token('a'))))
    const told = answers.filter((a) => a.status === 200)
    expect(told.length).toBeGreaterThan(1)
    const [next] = new Set(told.map((a) => a.json.refresh_token))
    expect(new Set(told.map((a) => a.json.refresh_token)).size).toBe(1)
    expect(next).toHaveLength(64)
    process.env.GATEHOUSE_SECRET = `another-secret-another-secret-another-01,${SECRET}`
    reloadEnv()
    expect((await refresh(portal, app, token('a'))).json.refresh_token).toBe(next)
    expect((await refresh(portal, app, next)).status).toBe(200)
    expect(await rowsOf(user)).toHaveLength(1)
    await expectEnded(user, token('a'))
  })

  it('tell_reuse_from_before_and_after', async () => {
    const { user } = await signedIn()
    await keptBefore(user, [token('b'), token('c')], token('d'))
    const { json } = await refresh(portal, app, token('d'))
    await expectEnded(user, token('c'), json.refresh_token)
    const other = await signedIn()
    await keptBefore(other.user, [token('e')], token('f'))
    await expectEnded(other.user, token('e'), token('f'))
  })
})
