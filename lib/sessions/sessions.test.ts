import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx, pool } from '../base/db'
import { env, reloadEnv } from '../base/env'
import { key } from '../base/keys'
import { redis } from '../base/redis'
import { testCaller, useStores } from '../testing'
import * as cache from './cache'
import { cookieName, openTicket } from './cookies'
import { acrOf, amrOf } from './facts'
import * as sessions from './index'

const stores = useStores()
const password = () => [{ method: 'password', amr: ['pwd'], at: Date.now() }]

async function newUser(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id::text`)
  return rows[0].id
}

function jar(setCookies: string[]): Record<string, string> {
  return Object.fromEntries(
    setCookies.map((line) => {
      const [pair = ''] = line.split(';')
      const at = pair.indexOf('=')
      return [pair.slice(0, at), pair.slice(at + 1)]
    }),
  )
}

async function signIn(
  userId: string,
  cookies: Record<string, string> = {},
  previous?: sessions.SessionFacts,
) {
  const result = await sessions.open({
    userId,
    method: 'password',
    proofs: password(),
    caller: testCaller({ cookies }),
    previous,
  })
  if (!result.ok) throw new Error(result.refusal.code)
  return { ...result.value, cookies: { ...cookies, ...jar(result.value.setCookies) } }
}

beforeAll(async () => {
  await sessions.start()
  return () => sessions.stop()
})
beforeEach(() => setClock(null))

describe('a session', () => {
  it('is read back from its cookie, with the truth of its row', async () => {
    const userId = await newUser()
    const { cookies, facts, newDevice } = await signIn(userId)
    expect(newDevice).toBe(true)
    expect(await sessions.check(cookies)).toMatchObject({
      sid: facts.sid,
      userId,
      amr: ['pwd'],
      acr: 'aal1',
      roles: ['user'],
    })
  })

  it('is not opened for a disabled user, and nothing is written', async () => {
    const userId = await newUser()
    await stores.sql(`UPDATE users SET status = 'disabled', disabled_at = now() WHERE id = $1`, [userId])
    const result = await sessions.open({
      userId,
      method: 'password',
      proofs: password(),
      caller: testCaller(),
    })
    expect(result).toMatchObject({ ok: false, refusal: { code: 'account_disabled' } })
    const { rows } = await stores.sql(
      'SELECT (SELECT count(*) FROM sessions WHERE user_id = $1)::int s, (SELECT count(*) FROM events WHERE user_id = $1)::int e',
      [userId],
    )
    expect(rows[0]).toEqual({ s: 0, e: 0 })
  })

  it('cookie_value_is_sealed_and_does_not_show_the_row', async () => {
    const { cookies, facts } = await signIn(await newUser())
    const value = cookies[cookieName('session')] ?? ''
    expect(value).not.toContain(facts.sid)
    expect(openTicket(value)).toEqual({
      sid: facts.sid,
      generation: 1,
      userId: facts.userId,
    })
    expect(openTicket(`${value.slice(0, -2)}${value.endsWith('AA') ? 'QQ' : 'AA'}`)).toBeNull()
  })

  it('dump_of_rows_cannot_be_replayed_as_a_cookie', async () => {
    const { facts } = await signIn(await newUser())
    for (const value of [
      facts.sid,
      JSON.stringify([facts.sid, 1]),
      Buffer.from(JSON.stringify([facts.sid, 1])).toString('base64url'),
    ]) {
      expect(await sessions.check({ [cookieName('session')]: value })).toBeNull()
    }
  })

  it('other_cookies_of_the_house_are_not_sessions', async () => {
    const { cookies } = await signIn(await newUser())
    const { token } = sessions.newBrowserToken()
    for (const value of [token, cookies[cookieName('device')] ?? '']) {
      expect(await sessions.check({ [cookieName('session')]: value })).toBeNull()
    }
  })

  it('knows the device again and counts it once', async () => {
    const userId = await newUser()
    const first = await signIn(userId)
    const second = await signIn(userId, { [cookieName('device')]: first.cookies[cookieName('device')] ?? '' })
    expect(second.newDevice).toBe(false)
    expect(await sessions.devices(userId)).toHaveLength(1)
    expect(await sessions.knownDevice(userId, second.cookies)).not.toBeNull()
    expect(await sessions.knownDevice(await newUser(), second.cookies)).toBeNull()
  })
})

describe('proving again in the same browser', () => {
  it('renews the session: same sid, and the old cookie is dead', async () => {
    const userId = await newUser()
    const first = await signIn(userId)
    const second = await signIn(userId, first.cookies, first.facts)
    expect(second.facts.sid).toBe(first.facts.sid)
    expect(await sessions.check(second.cookies)).toMatchObject({ generation: 2 })
    expect(await sessions.check(first.cookies)).toBeNull()
  })

  it('without its device cookie gets none that no device row knows', async () => {
    const userId = await newUser()
    const first = await signIn(userId)
    const session = { [cookieName('session')]: first.cookies[cookieName('session')] ?? '' }
    const second = await signIn(userId, session, first.facts)
    expect(second.facts.sid).toBe(first.facts.sid)
    expect(second.cookies[cookieName('device')]).toBeUndefined()
  })

  it('as somebody else ends the session that was there', async () => {
    const first = await signIn(await newUser())
    const second = await signIn(await newUser(), first.cookies, first.facts)
    expect(second.facts.sid).not.toBe(first.facts.sid)
    expect(await sessions.check(first.cookies)).toBeNull()
    expect(await sessions.check(second.cookies)).not.toBeNull()
  })
})

describe('the end of a session', () => {
  it('comes after the idle time, judged at use', async () => {
    const { cookies, facts } = await signIn(await newUser())
    setClock(() => Date.now() + facts.idleSeconds * 1000 + 1000)
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('sliding_cannot_pass_the_absolute_limit', async () => {
    const { cookies, facts } = await signIn(await newUser())
    const step = (facts.idleSeconds * 1000) / 2
    let at = Date.now()
    while (at + step < facts.expiresAt) {
      at += step
      setClock(() => at)
      expect(await sessions.check(cookies)).not.toBeNull()
    }
    setClock(() => facts.expiresAt + 1)
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('later activity known to the row keeps a session whose cached facts look idle', async () => {
    const { cookies, facts } = await signIn(await newUser())
    const at = facts.lastActiveAt + facts.idleSeconds * 1000 + 1000
    await stores.sql('UPDATE sessions SET last_active_at = $2 WHERE id = $1', [
      facts.sid,
      new Date(at - 5000),
    ])
    setClock(() => at)
    expect(await sessions.check(cookies)).not.toBeNull()
  })

  it('is a revoke that reaches cache, redis and row at once', async () => {
    const userId = await newUser()
    const { cookies, facts } = await signIn(userId)
    expect(await sessions.check(cookies)).not.toBeNull()
    expect(await sessions.revoke({ userId, sid: facts.sid }, { reason: 'signed_out' })).toMatchObject({
      sids: [facts.sid],
    })
    expect(await sessions.check(cookies)).toBeNull()
    expect(await stores.redis().get(key('sessionValid', facts.sid))).toBe('revoked')
    expect(await sessions.revoke({ userId, sid: facts.sid }, { reason: 'signed_out' })).toMatchObject({
      sids: [],
    })
  })

  it('revoking_another_users_session_does_nothing', async () => {
    const { cookies, facts } = await signIn(await newUser())
    expect(await sessions.revoke({ userId: await newUser(), sid: facts.sid }, { reason: 'x' })).toMatchObject(
      {
        sids: [],
      },
    )
    expect(await sessions.check(cookies)).not.toBeNull()
  })

  it('of all others leaves this one', async () => {
    const userId = await newUser()
    const [here, there, elsewhere] = [await signIn(userId), await signIn(userId), await signIn(userId)]
    const { sids } = await sessions.revoke(
      { userId, exceptSid: here.facts.sid },
      { reason: 'signed_out_elsewhere' },
    )
    expect(new Set(sids)).toEqual(new Set([there.facts.sid, elsewhere.facts.sid]))
    expect(await sessions.check(here.cookies)).not.toBeNull()
    expect(await sessions.list(userId)).toHaveLength(1)
  })

  it('everywhere raises the version, so that a row missed by the statement is dead too', async () => {
    const userId = await newUser()
    const { cookies, facts } = await signIn(userId)
    await sessions.revoke({ userId, all: true }, { reason: 'all' })
    await stores.sql('UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1', [
      facts.sid,
    ])
    await stores.redis().del(key('sessionValid', facts.sid))
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('revoked_session_is_not_resurrected_by_an_answer_loaded_meanwhile', async () => {
    const userId = await newUser()
    const { facts } = await signIn(userId)
    const since = cache.mark()
    await sessions.revoke({ userId, sid: facts.sid }, { reason: 'race' })
    expect(cache.store(facts, since)).toBe(false)
    expect(await sessions.alive(facts.sid)).toBeNull()
  })

  it('revoked_session_is_not_resurrected_by_an_activity_write', async () => {
    const userId = await newUser()
    const { cookies, facts } = await signIn(userId)
    setClock(() => Date.now() + 120_000)
    await Promise.all([
      sessions.check(cookies),
      sessions.revoke({ userId, sid: facts.sid }, { reason: 'race' }),
    ])
    await sessions.list(userId)
    expect(await sessions.alive(facts.sid)).toBeNull()
  })

  it('two_revokes_at_once_end_a_session_once', async () => {
    const userId = await newUser()
    const { facts } = await signIn(userId)
    const results = await Promise.all(
      Array.from({ length: 10 }, () => sessions.revoke({ userId, sid: facts.sid }, { reason: 'race' })),
    )
    expect(results.flatMap((r) => r.sids)).toEqual([facts.sid])
  })

  it('a_revoked_cookie_is_dead_after_a_restart_too', async () => {
    const userId = await newUser()
    const { cookies, facts } = await signIn(userId)
    await sessions.revoke({ userId, sid: facts.sid }, { reason: 'user' })
    await sessions.stop()
    await stores.redis().flushdb()
    await sessions.start()
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('fixation: a cookie planted before a sign-in names nothing afterwards', async () => {
    const [victim, attacker] = [await newUser(), await newUser()]
    const planted = await signIn(attacker)
    const after = await signIn(victim, planted.cookies, planted.facts)
    expect(after.facts.sid).not.toBe(planted.facts.sid)
    expect(await sessions.check(planted.cookies)).toBeNull()
    expect(await sessions.check(after.cookies)).toMatchObject({ userId: victim })
  })

  it('forged_session_id_in_a_where_is_not_sql', async () => {
    await expect(
      sessions.revoke({ userId: await newUser(), sid: "' OR 1=1 --" }, { reason: 'x' }),
    ).rejects.toThrow()
    expect(await sessions.alive("' OR 1=1 --")).toBeNull()
  })
})

describe('redis', () => {
  it('flushed in between costs a query, not a session, and brings no revoked one back', async () => {
    const userId = await newUser()
    const [kept, ended] = [await signIn(userId), await signIn(userId)]
    await sessions.revoke({ userId, sid: ended.facts.sid }, { reason: 'x' })
    await stores.redis().flushdb()
    cache.clear()
    expect(await sessions.check(kept.cookies)).not.toBeNull()
    expect(await sessions.check(ended.cookies)).toBeNull()
  })
})

describe('assurance', () => {
  it('two mails are not two factors', () => {
    const mails = [
      { method: 'email_code', amr: ['email'], at: 1 },
      { method: 'email_link', amr: ['email'], at: 2 },
    ]
    expect(acrOf(mails)).toBe('aal1')
    expect(amrOf(mails)).not.toContain('mfa')
  })
  it('a password and a one-time code are', () => {
    expect(
      acrOf([
        { method: 'password', amr: ['pwd'], at: 1 },
        { method: 'totp', amr: ['otp'], at: 2 },
      ]),
    ).toBe('aal2')
  })
})

describe('an app in use', () => {
  it('keeps its session from falling idle, but never past the absolute end', async () => {
    const { cookies, facts } = await signIn(await newUser())
    const later = Date.now() + (facts.idleSeconds * 1000) / 2
    setClock(() => later)
    expect(await sessions.alive(facts.sid)).not.toBeNull()
    sessions.noteUse(facts.sid)
    setClock(() => later + (facts.idleSeconds * 1000) / 2 + 60_000)
    expect(await sessions.check(cookies)).not.toBeNull()
    setClock(() => facts.expiresAt + 1)
    sessions.noteUse(facts.sid)
    expect(await sessions.check(cookies)).toBeNull()
  })
})

describe('Redis away for a moment', () => {
  const away = () => {
    throw new Error('Connection is closed.')
  }
  const later = (ms: number) => setClock(() => Date.now() + ms)

  /** A session that Redis knows and this process has just forgotten. */
  async function known() {
    const signedIn = await signIn(await newUser())
    later(cache.BELIEVED_MS + 1)
    expect(await sessions.check(signedIn.cookies)).not.toBeNull()
    expect(await stores.redis().get(key('sessionValid', signedIn.facts.sid))).toContain(signedIn.facts.sid)
    return signedIn
  }

  it('a session revoked meanwhile does not live on in what Redis remembers (SES4)', async () => {
    const { cookies, facts } = await known()
    const pipeline = vi.spyOn(redis(), 'pipeline').mockImplementation(away)
    const { sids } = await sessions.revoke({ userId: facts.userId, sid: facts.sid }, { reason: 'user' })
    expect(sids).toEqual([facts.sid])
    // Reading works again before Redis was told: the row decides.
    expect(await sessions.check(cookies)).toBeNull()
    pipeline.mockRestore()
    await vi.waitFor(
      async () => expect(await stores.redis().get(key('sessionValid', facts.sid))).toBe('revoked'),
      { timeout: 5000 },
    )
    later(2 * cache.BELIEVED_MS)
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('a cookie renewed meanwhile leaves no life in the old one (SES2)', async () => {
    const old = await known()
    const run = vi.spyOn(redis(), 'eval').mockImplementation(away)
    const renewed = await signIn(old.facts.userId, old.cookies, old.facts)
    expect(renewed.facts.sid).toBe(old.facts.sid)
    run.mockRestore()
    later(3 * cache.BELIEVED_MS)
    expect(await sessions.check(old.cookies)).toBeNull()
    expect(await sessions.check(renewed.cookies)).not.toBeNull()
    await vi.waitFor(
      async () =>
        expect(await stores.redis().get(key('sessionValid', old.facts.sid))).toContain('"generation":2'),
      { timeout: 5000 },
    )
  })

  it.each([
    ['one', {}],
    ['all', { all: true } as const],
  ])('what_redis_lost_between_a_revoke_and_its_commit_lives_no_longer: %s', async (_name, all) => {
    const { cookies, facts } = await known()
    const { sid, userId } = facts
    await inTx(async (tx) => {
      await sessions.revokeIn(tx, { userId, ...('all' in all ? all : { sid }) }, { reason: 'user' })
      await stores.redis().del(key('sessionValid', sid), key('sessionEpoch', userId))
      cache.clear()
      // Not over yet: another request reads the row as it is, and tells Redis.
      expect(await sessions.check(cookies)).not.toBeNull()
    })
    expect(await sessions.check(cookies)).toBeNull()
    later(3 * cache.BELIEVED_MS)
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('a_lost_message_is_believed_for_five_seconds_and_no_longer', async () => {
    const { cookies, facts } = await known()
    // Another process revoked it, and its message never came.
    await stores.sql(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'elsewhere' WHERE id = $1`, [
      facts.sid,
    ])
    await stores.redis().set(key('sessionValid', facts.sid), 'revoked')
    const asked = Date.now()
    setClock(() => asked + 2 * cache.BELIEVED_MS + 2)
    expect(await sessions.check(cookies)).toBeNull()
  })

  it('with_redis_stopped_the_row_decides_within_the_bound', async () => {
    const { cookies, facts } = await known()
    await stores.sql(`UPDATE sessions SET revoked_at = now(), revoked_reason = 'elsewhere' WHERE id = $1`, [
      facts.sid,
    ])
    const get = vi.spyOn(redis(), 'get').mockRejectedValue(new Error('Connection is closed.'))
    const run = vi.spyOn(redis(), 'eval').mockRejectedValue(new Error('Connection is closed.'))
    later(2 * cache.BELIEVED_MS + 2)
    expect(await sessions.check(cookies)).toBeNull()
    get.mockRestore()
    run.mockRestore()
  })

  it('with_postgres_down_nobody_is_told_to_be_signed_in_or_out', async () => {
    const { cookies, facts } = await known()
    await stores.redis().del(key('sessionValid', facts.sid))
    cache.clear()
    const down = vi
      .spyOn(pool(), 'query')
      .mockRejectedValue(Object.assign(new Error('ended'), { code: '57P01' }) as never)
    await expect(sessions.check(cookies)).rejects.toMatchObject({ name: 'StoresDown', store: 'postgres' })
    down.mockRestore()
    expect(await sessions.check(cookies)).not.toBeNull()
  })

  it('a process that will not be there to tell Redis revokes nothing rather than half', async () => {
    const { cookies, facts } = await known()
    await sessions.stop()
    const pipeline = vi.spyOn(redis(), 'pipeline').mockImplementation(away)
    await expect(
      sessions.revoke({ userId: facts.userId, sid: facts.sid }, { reason: 'operator' }),
    ).rejects.toMatchObject({ name: 'StoresDown', store: 'redis' })
    pipeline.mockRestore()
    await sessions.start()
    expect(await sessions.check(cookies)).not.toBeNull()
  })
})

describe('the order of locks', () => {
  /** A transaction of somebody else, in the midst of which `fn` runs. */
  async function beside(fn: (run: (text: string, values: unknown[]) => Promise<unknown>) => Promise<void>) {
    const client = await pool().connect()
    try {
      await client.query('BEGIN')
      await fn((text, values) => client.query(text, values))
      await client.query('COMMIT')
    } finally {
      client.release(true)
    }
  }
  const somebodyWaits = () =>
    vi.waitFor(async () => {
      const { rows } = await stores.sql(
        `SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
      )
      expect(rows).toHaveLength(1)
    }, 15_000)

  it('revoke_of_one_session_beside_one_of_several_fails_neither', async () => {
    const userId = await newUser()
    const { facts } = await signIn(userId)
    let ended: Promise<{ sids: string[] }> | undefined
    // What ends several has written of one already, and comes to the next.
    await beside(async (run) => {
      await run('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId])
      await run('UPDATE event_heads SET seq = seq WHERE user_id = $1', [userId])
      ended = sessions.revoke({ userId, sid: facts.sid }, { reason: 'user' })
      await somebodyWaits()
      await run('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE NOWAIT', [facts.sid])
    })
    expect((await ended)?.sids).toEqual([facts.sid])
  })

  it('forgetting_a_device_beside_a_sign_in_on_it_fails_neither', async () => {
    const userId = await newUser()
    const { facts } = await signIn(userId)
    const deviceId = facts.deviceId ?? ''
    let forgotten: ReturnType<typeof sessions.forgetDevice> | undefined
    // A sign-in has the user's row, and comes to the device.
    await beside(async (run) => {
      await run('SELECT 1 FROM users WHERE id = $1 FOR NO KEY UPDATE', [userId])
      forgotten = sessions.forgetDevice(userId, deviceId, { reason: 'user' })
      await somebodyWaits()
      await run('SELECT 1 FROM devices WHERE id = $1 FOR UPDATE NOWAIT', [deviceId])
    })
    expect(await forgotten).toMatchObject({ ok: true, value: { sids: [facts.sid] } })
  })

  it('activity_waits_for_no_revoke_and_is_written_for_the_others', async () => {
    const userId = await newUser()
    const [held, other] = [await signIn(userId), await signIn(userId)]
    const at = Date.now() + 120_000
    setClock(() => at)
    await sessions.check(held.cookies)
    await sessions.check(other.cookies)
    await beside(async (run) => {
      await run('SELECT 1 FROM sessions WHERE id = $1 FOR UPDATE', [held.facts.sid])
      const rows = await sessions.list(userId)
      const seen = new Map(rows.map(({ sid, lastActiveAt }) => [sid, lastActiveAt.getTime()]))
      expect(seen.get(other.facts.sid)).toBe(at)
      expect(seen.get(held.facts.sid)).toBe(held.facts.createdAt)
    })
  })
})

describe('limits', () => {
  afterEach(() => reloadEnv())

  it('the least recently active session goes when there are too many, and the person is told why', async () => {
    env().sessionsPerUser = 2
    const userId = await newUser()
    const start = Date.now()
    const at = (minutes: number) => setClock(() => start + minutes * 60_000)
    const first = await signIn(userId)
    at(1)
    const second = await signIn(userId)
    // The first is used again: it is the second that goes.
    at(5)
    expect(await sessions.check(first.cookies)).not.toBeNull()
    await sessions.list(userId)
    at(6)
    const third = await signIn(userId)
    expect(await sessions.check(second.cookies)).toBeNull()
    for (const kept of [first, third]) expect(await sessions.check(kept.cookies)).not.toBeNull()
    const { rows } = await stores.sql(
      `SELECT actor, session_id::text AS sid, data->>'reason' AS reason FROM events WHERE user_id = $1 AND type = 'session.revoked'`,
      [userId],
    )
    expect(rows).toEqual([{ actor: 'system', sid: second.facts.sid, reason: 'too_many' }])
  })

  it('ten_sign_ins_at_once_leave_no_more_than_the_limit', async () => {
    env().sessionsPerUser = 3
    const userId = await newUser()
    await Promise.all(Array.from({ length: 10 }, () => signIn(userId)))
    await signIn(userId)
    expect(await sessions.list(userId)).toHaveLength(3)
  })

  it('a stricter role has the shorter life, also one that was given afterwards', async () => {
    env().sessionRoleLimits = new Map([
      ['support', { idleSeconds: 3600 }],
      ['chief', { idleSeconds: 600, maxSeconds: 7200, count: 1 }],
    ])
    const userId = await newUser()
    const { facts, cookies } = await signIn(userId)
    expect(facts.idleSeconds).toBe(env().sessionIdleSeconds)
    await stores.sql(`INSERT INTO roles (name) VALUES ('support'), ('chief') ON CONFLICT DO NOTHING`)
    await stores.sql(`INSERT INTO user_roles (user_id, role_name) VALUES ($1, 'support'), ($1, 'chief')`, [
      userId,
    ])
    await stores.redis().del(key('sessionValid', facts.sid))
    cache.clear()
    expect(await sessions.check(cookies)).toMatchObject({
      idleSeconds: 600,
      expiresAt: facts.authAt + 7_200_000,
    })
    const again = await signIn(userId)
    const { rows } = await stores.sql(
      'SELECT idle_seconds, expires_at, ends_at FROM sessions WHERE id = $1',
      [again.facts.sid],
    )
    expect(rows[0].idle_seconds).toBe(600)
    expect(rows[0].expires_at.getTime()).toBe(again.facts.authAt + 7_200_000)
    expect(rows[0].ends_at.getTime()).toBe(again.facts.lastActiveAt + 600_000)
    // One at a time for chiefs.
    expect(await sessions.check(cookies)).toBeNull()
    setClock(() => again.facts.lastActiveAt + 600_001)
    expect(await sessions.check(again.cookies)).toBeNull()
  })
})

describe('all at once', () => {
  /** So many live sessions of a user, straight into the table. */
  const fill = (userId: string, count: number) =>
    stores.sql(
      `INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, expires_at, idle_seconds)
       SELECT $1, session_version, 'password', '{pwd}', 'aal1', now(), now() + interval '1 day', 3600
       FROM users, generate_series(1, $2) WHERE id = $1`,
      [userId, count],
    )

  it('a revoke of 10 and one of 2,000 sessions touch as many rows, and all of them are dead', async () => {
    const touched: number[] = []
    for (const count of [60, 2000]) {
      const userId = await newUser()
      await fill(userId, count)
      const { rows: before } = await stores.sql('SELECT id::text FROM sessions WHERE user_id = $1', [userId])
      const { sids, rest } = await sessions.revoke({ userId, all: true }, { reason: 'user' })
      expect(rest).toBe(true)
      const { rows } = await stores.sql(
        'SELECT count(*)::int AS n FROM sessions WHERE user_id = $1 AND revoked_at IS NOT NULL',
        [userId],
      )
      touched.push(rows[0].n)
      expect(rows[0].n).toBe(sids.length)
      for (const { id } of before.slice(-20)) expect(await sessions.alive(id)).toBeNull()
      expect(await sessions.list(userId)).toEqual([])
      await audit.drain()
      const { rows: left } = await stores.sql(
        'SELECT count(*)::int AS n FROM sessions WHERE user_id = $1 AND revoked_at IS NULL',
        [userId],
      )
      expect(left[0].n).toBe(0)
    }
    expect(touched).toEqual([50, 50])
  })

  it('what redis remembers of a session that is not marked yet counts for nothing', async () => {
    const userId = await newUser()
    const mine = await signIn(userId)
    const kept = await signIn(userId)
    setClock(() => Date.now() + cache.BELIEVED_MS + 1)
    for (const one of [mine, kept]) expect(await sessions.check(one.cookies)).not.toBeNull()
    const held = await stores.redis().get(key('sessionValid', mine.facts.sid))
    await sessions.revoke({ userId, exceptSid: kept.facts.sid }, { reason: 'user' })
    // As if its row had been one of the rest: no mark, no tombstone, and Redis remembers it.
    await stores.sql('UPDATE sessions SET revoked_at = NULL, revoked_reason = NULL WHERE id = $1', [
      mine.facts.sid,
    ])
    await stores.redis().set(key('sessionValid', mine.facts.sid), held ?? '')
    cache.clear()
    expect(await sessions.check(mine.cookies)).toBeNull()
    expect(await sessions.check(kept.cookies)).not.toBeNull()
    // And the kept one is warm again: two checks later Redis has it by its new version.
    expect(await stores.redis().get(key('sessionValid', kept.facts.sid))).toContain('"sessionVersion":2')
  })

  it('a sign-in at the same instant either ended too or came after', async () => {
    const userId = await newUser()
    const here = await signIn(userId)
    for (let n = 0; n < 5; n++) {
      const [there] = await Promise.all([
        signIn(userId),
        sessions.revoke({ userId, exceptSid: here.facts.sid }, { reason: 'user' }),
      ])
      cache.clear()
      const { rows } = await stores.sql(
        'SELECT revoked_at IS NULL AS live, s.session_version = u.session_version AS now FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.id = $1',
        [there.facts.sid],
      )
      expect((await sessions.check(there.cookies)) !== null).toBe(rows[0].live && rows[0].now)
      expect(rows[0].live).toBe(rows[0].now)
    }
    expect(await sessions.check(here.cookies)).not.toBeNull()
  })

  it('told to Redis late, it holds from the first moment on', async () => {
    const userId = await newUser()
    const { cookies } = await signIn(userId)
    setClock(() => Date.now() + cache.BELIEVED_MS + 1)
    expect(await sessions.check(cookies)).not.toBeNull()
    const run = vi.spyOn(redis(), 'eval').mockRejectedValue(new Error('Connection is closed.'))
    await sessions.revoke({ userId, all: true }, { reason: 'user' })
    expect(await sessions.check(cookies)).toBeNull()
    run.mockRestore()
    await vi.waitFor(async () => expect(await stores.redis().get(key('sessionEpoch', userId))).toBe('2'), {
      timeout: 5000,
    })
    expect(await sessions.check(cookies)).toBeNull()
  })
})

describe('clean-up', () => {
  it('is not what ends a session, marks it once, and deletes it a month later', async () => {
    const userId = await newUser()
    const { cookies, facts } = await signIn(userId)
    const of = async () =>
      (await stores.sql('SELECT revoked_reason FROM sessions WHERE id = $1', [facts.sid])).rows
    const over = facts.lastActiveAt + facts.idleSeconds * 1000
    setClock(() => over + 1)
    expect(await sessions.check(cookies)).toBeNull()
    // Not before activity that another process knows of would be written.
    await sessions.endExpired()
    expect(await of()).toEqual([{ revoked_reason: null }])
    setClock(() => over + 6 * 60_000)
    const [one, two] = await Promise.all([sessions.endExpired(), sessions.endExpired()])
    expect(one + two).toBeGreaterThanOrEqual(1)
    expect(await of()).toEqual([{ revoked_reason: 'expired' }])
    const { rows } = await stores.sql(
      `SELECT data->>'reason' AS reason FROM events WHERE session_id = $1 AND type = 'session.revoked'`,
      [facts.sid],
    )
    expect(rows).toEqual([{ reason: 'expired' }])
    setClock(() => facts.expiresAt + 31 * 86_400_000)
    await sessions.sweep()
    expect(await of()).toEqual([])
    expect(await sessions.devices(userId)).toHaveLength(1)
    setClock(() => facts.createdAt + 401 * 86_400_000)
    await sessions.sweep()
    expect(await sessions.devices(userId)).toEqual([])
  })

  it('goes by small batches that an index gives', async () => {
    for (const [statement, index] of [
      [
        `SELECT id FROM sessions WHERE revoked_at IS NULL AND ends_at < now() ORDER BY ends_at LIMIT 200 FOR UPDATE SKIP LOCKED`,
        'sessions_ends_at_idx',
      ],
      [`SELECT id FROM sessions WHERE expires_at < now() LIMIT 1000`, 'sessions_expires_at_idx'],
      [
        `SELECT d.id FROM devices d WHERE d.last_seen_at < now() ORDER BY d.last_seen_at LIMIT 1000`,
        'devices_last_seen_at_idx',
      ],
    ]) {
      const { rows } = await stores
        .sql(`SET enable_seqscan = off; SET enable_sort = off; EXPLAIN ${statement}`)
        .then((all) => (Array.isArray(all) ? all.at(-1) : all))
      expect(JSON.stringify(rows), statement).toContain(index)
    }
  })
})

describe('what other services hear', () => {
  /** Messages of a channel, as any subscriber gets them. */
  async function hear(channel: string): Promise<{ messages: Record<string, unknown>[]; stop(): void }> {
    const client = stores.redis().duplicate()
    const messages: Record<string, unknown>[] = []
    client.on('message', (_channel, text) => messages.push(JSON.parse(text)))
    await client.subscribe(channel)
    return { messages, stop: () => client.disconnect() }
  }
  const ISO = /^\d{4}-\d\d-\d\dT[\d:.]+Z$/

  it('session:created and session:revoked, after the commit, with nothing secret in them', async () => {
    const [created, revoked] = [await hear('session:created'), await hear('session:revoked')]
    const userId = await newUser()
    const one = await signIn(userId)
    const two = await signIn(userId)
    // Channels know no databases: other people's sessions are told on them too.
    const mine = (messages: Record<string, unknown>[]) =>
      messages.filter((message) => message.userId === userId)
    await vi.waitFor(() => expect(mine(created.messages)).toHaveLength(2), 15_000)
    expect(mine(created.messages)[0]).toEqual({
      userId,
      sessionId: one.facts.sid,
      at: expect.stringMatching(ISO),
    })
    await sessions.revoke({ userId, sid: one.facts.sid }, { reason: 'user' })
    await sessions.revoke({ userId, exceptSid: one.facts.sid }, { reason: 'user' })
    await vi.waitFor(() => expect(mine(revoked.messages)).toHaveLength(2), 15_000)
    expect(mine(revoked.messages)).toEqual([
      { userId, sessionIds: [one.facts.sid], reason: 'user', at: expect.stringMatching(ISO) },
      {
        userId,
        sessionIds: [two.facts.sid],
        all: true,
        exceptSessionId: one.facts.sid,
        reason: 'user',
        at: expect.stringMatching(ISO),
      },
    ])
    created.stop()
    revoked.stop()
  })

  it('nothing_of_a_transaction_that_was_rolled_back', async () => {
    const revoked = await hear('session:revoked')
    const { userId, sid } = (await signIn(await newUser())).facts
    const broken = inTx(async (tx) => {
      await sessions.revokeIn(tx, { userId, sid }, { reason: 'user' })
      throw new Error('no')
    })
    await expect(broken).rejects.toThrow('no')
    // The next message is that of the next revoke: there was none between.
    const other = await signIn(await newUser())
    await sessions.revoke({ userId: other.facts.userId, sid: other.facts.sid }, { reason: 'user' })
    const of = (id: string) => revoked.messages.filter((message) => message.userId === id)
    await vi.waitFor(() => expect(of(other.facts.userId)).toHaveLength(1), 15_000)
    expect(of(userId)).toEqual([])
    revoked.stop()
  })
})

describe('another user’s session', () => {
  it('id_of_somebody_else_does_nothing_in_any_verb', async () => {
    const [ada, eve] = [await signIn(await newUser()), await signIn(await newUser())]
    const { sid, deviceId } = ada.facts
    const userId = eve.facts.userId
    for (const where of [
      { userId, sid },
      { userId, sid, lost: true as const },
      { userId, deviceId: deviceId ?? '' },
    ])
      expect(await sessions.revoke(where, { reason: 'user' })).toMatchObject({ sids: [], rest: false })
    expect(await sessions.wouldEnd({ userId, sid })).toEqual([])
    // To be the one that stays does not help a session of somebody else either, nor move it anywhere.
    await sessions.revoke({ userId, exceptSid: sid }, { reason: 'user' })
    expect(await sessions.check(eve.cookies)).toBeNull()
    expect(await sessions.check(ada.cookies)).not.toBeNull()
    const { id } = await sessions.revoke({ userId: ada.facts.userId, sid }, { reason: 'user' })
    expect(await sessions.endedBy(userId, id)).toEqual([])
    expect(await sessions.endedBy(ada.facts.userId, id)).toEqual([sid])
  })
})
