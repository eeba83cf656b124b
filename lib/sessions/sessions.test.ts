import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { setClock } from '../base/clock'
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
    expect(openTicket(`${value.slice(0, -2)}AA`)).toBeNull()
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
