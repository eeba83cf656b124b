import { beforeAll, beforeEach, describe, expect, it, vi } from 'vitest'
import { callerFrom } from '../base/caller'
import { setClock } from '../base/clock'
import { testCaller, useStores } from '../testing'
import * as sessions from './index'
import * as store from './store-devices'

const stores = useStores()
const { known } = sessions

async function newUser(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id::text`)
  return rows[0].id
}

const LONDON = {
  country: 'GB',
  city: 'London',
  timezone: 'Europe/London',
  latitude: 51.5,
  longitude: -0.1,
}

/** Signs in from a browser that has never been seen. */
async function signIn(userId: string, caller: Partial<Parameters<typeof testCaller>[0]> = {}) {
  const proofs = [
    { method: 'password', amr: ['pwd'], at: Date.now() },
    { method: 'totp', amr: ['otp'], at: Date.now() },
  ]
  const opened = await sessions.open({ userId, method: 'password', proofs, caller: testCaller(caller) })
  if (!opened.ok) throw new Error(opened.refusal.code)
  const { facts, setCookies } = opened.value
  if (!facts.deviceId) throw new Error('no device')
  return { ...facts, deviceId: facts.deviceId, setCookies }
}

const cookiesOf = (setCookies: string[]) =>
  Object.fromEntries(
    setCookies.map((line) => {
      const [pair = ''] = line.split(';')
      return [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]
    }),
  )

const all = { limit: 20, exceptId: null }
const wanted = (text: string, more: Partial<store.Wanted> = {}) => ({
  text,
  countries: [],
  sids: [],
  ...more,
})

beforeAll(async () => {
  // What is noted of activity is written when a test says so, not when ten seconds are over.
  vi.useFakeTimers({ toFake: ['setInterval'] })
  await sessions.start()
  return async () => {
    await sessions.stop()
    vi.useRealTimers()
  }
})
beforeEach(() => setClock(null))

describe('the list of devices', () => {
  it('says what is known of each, and how its newest session was entered', async () => {
    const userId = await newUser()
    const { sid, deviceId } = await signIn(userId, {
      ip: '81.2.69.160',
      place: LONDON,
      userAgent:
        'Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Mobile Safari/537.36',
      hints: { platform: '"Android"', platformVersion: '"16.0.0"', model: '"Pixel 8"', mobile: '?1' },
    })
    const { rows, next } = await known.page(userId, all)
    expect(next).toBeNull()
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      id: deviceId,
      name: null,
      browser: 'Chrome 150',
      os: 'Android 16',
      kind: 'mobile',
      model: 'Pixel 8',
      ip: '81.2.69.160',
      country: 'GB',
      city: 'London',
      timezone: 'Europe/London',
      trustedUntil: null,
      live: 1,
      sids: [sid],
      method: 'password',
      methods: ['password', 'totp'],
    })
    const { rows: own } = await known.sessions(userId, deviceId, { limit: 5 })
    expect(own).toMatchObject([{ sid, ip: '81.2.69.160', timezone: 'Europe/London', secondSkipped: false }])
  })

  it('place_that_is_unknown_stays_unknown_even_where_the_device_was_somewhere_before', async () => {
    const userId = await newUser()
    const first = await signIn(userId, { place: LONDON })
    const again = await signIn(userId, { cookies: cookiesOf(first.setCookies), place: null })
    expect(again.deviceId).toBe(first.deviceId)
    expect(await known.get(userId, first.deviceId)).toMatchObject({ country: null, city: null, live: 2 })
  })

  it('keeps a device whose sessions have ended, and counts none of them', async () => {
    const userId = await newUser()
    const { sid, deviceId } = await signIn(userId)
    await sessions.revoke({ userId, sid }, { reason: 'user' })
    expect(await known.get(userId, deviceId)).toMatchObject({ live: 0, sids: [], method: null })
    const idle = await signIn(userId)
    setClock(() => idle.lastActiveAt + idle.idleSeconds * 1000)
    expect(await known.get(userId, idle.deviceId)).toMatchObject({ live: 0 })
    expect((await known.sessions(userId, idle.deviceId, { limit: 5 })).rows).toEqual([])
  })

  it('pages from the newest to the oldest, each once', async () => {
    const userId = await newUser()
    const at = Date.now()
    const ids: string[] = []
    for (let i = 0; i < 7; i++) {
      setClock(() => at + Math.floor(i / 2) * 1000)
      ids.unshift((await signIn(userId)).deviceId)
    }
    const seen: string[] = []
    let before: sessions.PlaceInList | undefined
    do {
      const { rows, next } = await known.page(userId, { limit: 3, exceptId: ids[4] ?? null, before })
      seen.push(...rows.map(({ id }) => id))
      before = next ?? undefined
    } while (before)
    expect([...seen].sort()).toEqual(ids.filter((_, index) => index !== 4).sort())
    expect(seen[0]).toBe(ids[0])
  })

  it('activity moves a device up, at most once a minute and written in batches', async () => {
    const userId = await newUser()
    const [older, newer] = [await signIn(userId), await signIn(userId)]
    const cookies = cookiesOf(older.setCookies)
    const seenAt = async () => (await known.get(userId, older.deviceId))?.lastSeenAt.getTime()
    const before = await seenAt()
    setClock(() => Date.now() + 59_000)
    await sessions.check(cookies)
    await sessions.list(userId) // writes what is noted
    expect(await seenAt()).toBe(before)
    setClock(() => Date.now() + 61_000)
    await sessions.check(cookies)
    await sessions.list(userId)
    expect((await known.page(userId, all)).rows.map(({ id }) => id)).toEqual([older.deviceId, newer.deviceId])
  })

  it('request_causes_no_write_and_a_thousand_in_a_minute_cause_one', async () => {
    const userId = await newUser()
    const { setCookies, sid } = await signIn(userId)
    const cookies = cookiesOf(setCookies)
    const version = async () =>
      (await stores.sql('SELECT xmin::text FROM sessions WHERE id = $1', [sid])).rows[0].xmin
    const before = await version()
    const at = Date.now()
    for (let i = 0; i < 1000; i++) {
      setClock(() => at + 61_000 + i * 50)
      await sessions.check(cookies)
    }
    expect(await version()).toBe(before)
    await sessions.list(userId)
    const once = await version()
    expect(once).not.toBe(before)
    await sessions.list(userId)
    expect(await version()).toBe(once)
  })
})

describe('a search', () => {
  it('finds by name, browser, address, city, country and app; wildcards are letters', async () => {
    const userId = await newUser()
    const london = await signIn(userId, { place: LONDON, ip: '81.2.69.160' })
    const other = await signIn(userId, { ip: '198.51.100.7' })
    await known.rename(userId, other.deviceId, 'Work 100% laptop', testCaller())
    const find = async (text: string, more: Partial<store.Wanted> = {}) =>
      (await known.page(userId, { ...all, wanted: wanted(text, more) })).rows.map(({ id }) => id)
    expect(await find('lond')).toEqual([london.deviceId])
    expect(await find('81.2.69')).toEqual([london.deviceId])
    expect(await find('LAPTOP')).toEqual([other.deviceId])
    expect(await find('chrome')).toHaveLength(2)
    expect(await find('united king', { countries: ['GB'] })).toEqual([london.deviceId])
    expect(await find('demo', { sids: [other.sid] })).toEqual([other.deviceId])
    expect(await find('100%')).toEqual([other.deviceId])
    expect(await find('%')).toEqual([other.deviceId])
    for (const text of ['_', '\\', "' OR 1=1 --"]) expect(await find(text)).toEqual([])
  })
})

describe('a name', () => {
  it('is kept, bounded, and given back by an empty one', async () => {
    const userId = await newUser()
    const { deviceId } = await signIn(userId)
    expect(await known.rename(userId, deviceId, '  Grandma’s   tablet ', testCaller())).toEqual({
      ok: true,
      value: { name: 'Grandma’s tablet' },
    })
    expect(await known.rename(userId, deviceId, 'x'.repeat(41), testCaller())).toMatchObject({
      refusal: { code: 'invalid_input' },
    })
    expect((await known.get(userId, deviceId))?.name).toBe('Grandma’s tablet')
    await known.rename(userId, deviceId, ' ', testCaller())
    expect((await known.get(userId, deviceId))?.name).toBeNull()
    const { rows } = await stores.sql(
      `SELECT data FROM events WHERE user_id = $1 AND type = 'device.renamed' ORDER BY id`,
      [userId],
    )
    expect(rows.map((row: { data: unknown }) => row.data)).toEqual([
      { name: 'Grandma’s tablet', before: null },
      { name: null, before: 'Grandma’s tablet' },
    ])
  })

  it('event_injection_through_names_and_user_agents_is_harmless', async () => {
    const userId = await newUser()
    const hostile = 'a\r\nuser.disabled\u0000\u001b[31m\u202e{"x":1}<script>'
    const headers: Record<string, string> = {
      'user-agent': hostile,
      'sec-ch-ua-model': `"${'x'.repeat(200)}"`,
      'sec-ch-ua-platform': '"\\\\\\""',
      'sec-ch-ua': `"${hostile}";v="1"`,
    }
    const caller = callerFrom((name) => headers[name], '198.51.100.7')
    const { deviceId } = await signIn(userId, caller)
    await known.rename(userId, deviceId, hostile, caller)
    const { rows } = await stores.sql(
      'SELECT type, user_agent, data::text FROM events WHERE user_id = $1 ORDER BY id',
      [userId],
    )
    expect(rows.map((row: { type: string }) => row.type)).toEqual(['session.opened', 'device.renamed'])
    for (const row of rows) {
      expect(`${row.user_agent}${row.data}`).not.toMatch(/[\p{Cc}\p{Cf}]/u)
      expect(row.data).not.toContain('\\u00')
    }
    expect((await known.get(userId, deviceId))?.name).toBe('a user.disabled [31m {"x":1}<script>')
  })
})

describe('somebody else’s', () => {
  it('device_or_session_id_of_another_user_is_nothing_anywhere', async () => {
    const [ada, eve] = [await newUser(), await newUser()]
    const hers = await signIn(ada)
    const own = await signIn(eve)
    for (const id of [hers.deviceId, hers.sid, 'x', '', '../..', `${hers.deviceId}'`]) {
      expect(await known.get(eve, id)).toBeNull()
      expect(await known.deviceOf(eve, id)).toBeNull()
      expect(await known.rename(eve, id, 'mine', testCaller())).toMatchObject({
        refusal: { code: 'not_found' },
      })
      expect(await sessions.forgetDevice(eve, id, { reason: 'user' })).toMatchObject({
        refusal: { code: 'not_found' },
      })
    }
    expect((await known.sessions(eve, hers.deviceId, { limit: 5 })).rows).toEqual([])
    expect(await sessions.revoke({ userId: eve, deviceId: hers.deviceId }, { reason: 'user' })).toMatchObject(
      {
        sids: [],
      },
    )
    expect((await known.page(eve, { ...all, wanted: wanted('zzz', { sids: [hers.sid] }) })).rows).toEqual([])
    expect(
      await known.page(eve, { ...all, before: { at: new Date(8e12), id: hers.deviceId } }),
    ).toMatchObject({
      rows: [{ id: own.deviceId }],
    })
    expect(await sessions.alive(hers.sid)).not.toBeNull()
    expect((await known.get(ada, hers.deviceId))?.name).toBeNull()
  })
})

describe('forgetting a device', () => {
  it('ends its sessions, its trust and itself; the browser is a new one after that', async () => {
    const userId = await newUser()
    const { deviceId, sid, setCookies } = await signIn(userId)
    const stays = await signIn(userId)
    expect(await sessions.forgetDevice(userId, deviceId, { reason: 'user' })).toMatchObject({
      ok: true,
      value: { sids: [sid] },
    })
    expect(await sessions.alive(sid)).toBeNull()
    expect(await sessions.alive(stays.sid)).not.toBeNull()
    expect(await known.get(userId, deviceId)).toBeNull()
    expect(await sessions.knownDevice(userId, cookiesOf(setCookies))).toBeNull()
    const again = await signIn(userId, { cookies: cookiesOf(setCookies) })
    expect(again.deviceId).not.toBe(deviceId)
  })

  it('sign_in_at_the_same_instant_leaves_no_session_without_a_device', async () => {
    for (let i = 0; i < 15; i++) {
      const userId = await newUser()
      const { deviceId, setCookies } = await signIn(userId)
      const cookies = cookiesOf(setCookies)
      const [, again] = await Promise.all([
        sessions.forgetDevice(userId, deviceId, { reason: 'user' }),
        signIn(userId, { cookies }),
      ])
      const { rows } = await stores.sql('SELECT device_id, revoked_at FROM sessions WHERE id = $1', [
        again.sid,
      ])
      expect(rows[0].device_id !== null || rows[0].revoked_at !== null).toBe(true)
    }
  })
})

describe('ten thousand sessions of one person', () => {
  it('devices_page_costs_a_page_however_many_there_are', async () => {
    const userId = await newUser()
    // Half of them on one device, and as many that ended there.
    await stores.sql(
      `WITH d AS (
         INSERT INTO devices (user_id, token_hash, browser, os, kind, last_seen_at)
         SELECT $1, 'h' || n, 'Firefox 150', 'Linux', 'desktop', now() - n * interval '1 second'
         FROM generate_series(1, 5001) n RETURNING id, token_hash),
       one AS (SELECT id FROM d WHERE token_hash = 'h1')
       INSERT INTO sessions (user_id, device_id, session_version, method, amr, acr, auth_at, last_active_at, expires_at,
         idle_seconds, revoked_at, revoked_reason)
       SELECT $1, id, 1, 'password', '{pwd}'::text[], 'aal1', now(), now(), now() + interval '1 day', 86400, NULL::timestamptz, NULL FROM d
       UNION ALL SELECT $1, id, 1, 'password', '{pwd}'::text[], 'aal1', now(), now() - n * interval '1 second',
         now() + interval '1 day', 86400, NULL, NULL FROM one, generate_series(1, 5000) n
       UNION ALL SELECT $1, id, 1, 'password', '{pwd}'::text[], 'aal1', now(), now(), now() + interval '1 day', 86400, now(), 'user'
         FROM one, generate_series(1, 5000) n`,
      [userId],
    )
    await stores.sql('VACUUM (ANALYZE) devices, sessions')
    const { rows, next } = await known.page(userId, { limit: 10, exceptId: null })
    expect(rows).toHaveLength(10)
    expect(rows[0]).toMatchObject({ live: known.COUNTED + 1 })
    const plan = async (text: string, values: unknown[]) =>
      (await stores.sql(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values)).rows[0]['QUERY PLAN'][0].Plan
    for (const before of [undefined, next ?? undefined]) {
      const query = store.pageQuery(userId, {
        exceptId: null,
        ...(before && { before }),
        limit: 11,
      })
      expect(rowsRead(await plan(query.text, query.values))).toBeLessThan(1500)
    }
    const one = store.sessionsQuery(userId, rows[0]?.id ?? '', { limit: 11 })
    expect(rowsRead(await plan(one.text, one.values))).toBeLessThan(100)
  })
})

interface Plan {
  'Node Type': string
  'Actual Rows': number
  'Actual Loops': number
  'Rows Removed by Filter'?: number
  Plans?: Plan[]
}

/** How many rows the scans of a plan looked at. */
function rowsRead(plan: Plan): number {
  const own = /Scan/.test(plan['Node Type'])
    ? (plan['Actual Rows'] + (plan['Rows Removed by Filter'] ?? 0)) * plan['Actual Loops']
    : 0
  return own + (plan.Plans ?? []).reduce((sum, part) => sum + rowsRead(part), 0)
}
