/** The chain of a history: what tampering shows, what may go, and what is left of it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { compareExports, verifyExport } from '../../docs/verify-events.mjs'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { testCaller, useStores } from '../testing'
import { download, downloadChain, type EventView, expire, list, past, people, record, verify } from './index'

const { sql } = useStores()

const DAY = 86_400_000
const at = (daysAgo: number) => setClock(() => Date.now() - daysAgo * DAY)

/** Somebody with so many events, one a day, the last of them `until` days ago. */
async function somebody(events: number, until = 0): Promise<string> {
  const userId = uuid()
  for (let i = 0; i < events; i++) {
    at(until + events - 1 - i)
    const data = {
      i,
      name: `"quotes" ünïcode 😀 \\ and ${i}.5`,
      number: 1.5e-7,
      deep: { b: [1, null], a: true },
    }
    await record(null, { type: 'session.opened', userId, sessionId: uuid(), caller: testCaller(), data })
  }
  setClock(null)
  return userId
}

/** As a person has it on their disk. */
async function exported(userId: string) {
  const found = await downloadChain(userId)
  if (!found.ok) throw new Error(found.refusal.code)
  const { start, head, pages } = found.value
  const events = []
  for await (const rows of pages) for (const { view: _, ...row } of rows) events.push(row)
  return JSON.parse(JSON.stringify({ userId, start, head, events }))
}

/** What somebody can do who owns the database: the triggers are theirs to switch off. */
async function tamper(statement: string, values: unknown[] = []): Promise<void> {
  await sql('ALTER TABLE events DISABLE TRIGGER USER')
  await sql(statement, values)
  await sql('ALTER TABLE events ENABLE TRIGGER USER')
}

describe('a chain', () => {
  test('that nobody touched is whole: in the database, as an export, and by the script alone', async () => {
    const userId = await somebody(4)
    expect(await verify(userId)).toEqual({ userId, events: 4, removedTo: 0, problems: [] })
    const history = await exported(userId)
    expect(verifyExport(history)).toEqual([])
    const file = path.join(mkdtempSync(path.join(tmpdir(), 'gatehouse-verify-')), 'activity.json')
    writeFileSync(file, JSON.stringify(history))
    const run = (name: string) =>
      spawnSync(process.execPath, ['docs/verify-events.mjs', name], { encoding: 'utf8' })
    expect(run(file)).toMatchObject({ status: 0, stdout: expect.stringContaining('4 events, 1 to 4') })
    history.events[2].ip = '192.0.2.1'
    writeFileSync(file, JSON.stringify(history))
    expect(run(file)).toMatchObject({
      status: 1,
      stderr: expect.stringContaining('Event 3 shows something else'),
    })
  })

  test('changed_event_shows', async () => {
    const userId = await somebody(4)
    await tamper(`UPDATE events SET ip = '192.0.2.1' WHERE user_id = $1 AND seq = 2`, [userId])
    expect((await verify(userId)).problems).toEqual(['Event 2 is not what was written: its hash is another.'])
  })

  test('changed_event_with_its_hash_made_anew_shows', async () => {
    const userId = await somebody(4)
    await tamper(
      `UPDATE events SET type = 'user.updated', hash = sha256(prev_hash || convert_to(jsonb_build_array(seq,
         to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), 'user.updated', outcome, user_id, actor,
         session_id, device_id, client_id, request_id, host(ip), user_agent, data)::text, 'UTF8'))
       WHERE user_id = $1 AND seq = 2`,
      [userId],
    )
    expect((await verify(userId)).problems).toEqual(['Event 3 does not follow the one before it.'])
  })

  test('removed_events_show_wherever_they_were', async () => {
    const missing = {
      'seq = 1': 'Event 1 is missing.',
      'seq IN (2, 3)': 'Events 2 to 3 are missing.',
      'seq = 4': 'The newest events are missing: the last is 3, it should be 4.',
    }
    for (const [which, problem] of Object.entries(missing)) {
      const userId = await somebody(4)
      await tamper(`DELETE FROM events WHERE user_id = $1 AND ${which}`, [userId])
      expect((await verify(userId)).problems, which).toEqual([problem])
    }
  })

  test('reordered_events_show', async () => {
    const userId = await somebody(4)
    const history = await exported(userId)
    const [first, second, third, fourth] = history.events
    expect(verifyExport({ ...history, events: [first, third, second, fourth] })).toEqual([
      'Event 2 is missing.',
      'Event 2 stands where event 4 should.',
    ])
    // In the database an order is a number, and the number is hashed.
    await tamper('UPDATE events SET seq = -seq WHERE user_id = $1 AND seq IN (2, 3)', [userId])
    await tamper('UPDATE events SET seq = 5 + seq WHERE user_id = $1 AND seq < 0', [userId])
    expect((await verify(userId)).problems).toContain('Event 2 is not what was written: its hash is another.')
  })

  test('inserted_events_show_wherever_they_are', async () => {
    const userId = await somebody(3)
    const copy = `INSERT INTO events (at, type, user_id, seq, prev_hash, hash, data)
      SELECT at, type, user_id, $2, prev_hash, hash, data FROM events WHERE user_id = $1 AND seq = 3`
    for (const seq of [4, 0, null]) await tamper(copy, [userId, seq])
    expect((await verify(userId)).problems).toEqual(['3 events stand outside of the chain.'])
    const history = await exported(await somebody(3))
    history.events.splice(1, 0, { ...history.events[0], seq: 2 })
    expect(verifyExport(history)).toContain('Event 2 stands where event 3 should.')
  })

  test('written_anew_as_a_whole_shows_beside_an_older_export', async () => {
    const userId = await somebody(3)
    const older = await exported(userId)
    await record(null, { type: 'user.updated', userId })
    expect(compareExports(await exported(userId), older)).toEqual([])
    await tamper('DELETE FROM events WHERE user_id = $1', [userId])
    await sql('DELETE FROM event_heads WHERE user_id = $1', [userId])
    for (let i = 0; i < 4; i++) await record(null, { type: 'session.opened', userId })
    const forged = await exported(userId)
    expect(verifyExport(forged)).toEqual([])
    expect(compareExports(forged, older)).toEqual(['The older export has other events at: 1, 2, 3.'])
  })

  test('an_export_cannot_hide_behind_what_was_hashed', async () => {
    const history = await exported(await somebody(2))
    history.events[0].data.name = 'nothing to see'
    history.events[1].userId = uuid()
    expect(verifyExport(history)).toEqual([
      'Event 1 shows something else than was hashed: data.',
      'Event 2 shows something else than was hashed: userId.',
      'Event 2 is another person’s.',
    ])
  })
})

describe('what is old', () => {
  const keep = (days: number) => {
    process.env.EVENT_DAYS = String(days)
    reloadEnv()
  }

  test('goes after EVENT_DAYS in batches, and what is left is still whole', async () => {
    const [ada, bob, eve] = [await somebody(60, 10), await somebody(5, 100), await somebody(3)]
    await sql(
      `INSERT INTO events (at, type) VALUES (now() - interval '90 days', 'key.added'), (now(), 'key.added')`,
    )
    const kept = await exported(ada)
    keep(0)
    expect(await expire()).toBe(0)
    keep(40)
    // Of Ada 30, of Bob all, of the portal's own one.
    expect(await expire()).toBe(36)
    expect(await expire()).toBe(0)
    expect(await verify(ada)).toEqual({ userId: ada, events: 30, removedTo: 30, problems: [] })
    expect(await verify(bob)).toEqual({ userId: bob, events: 0, removedTo: 5, problems: [] })
    expect(await verify(eve)).toMatchObject({ events: 3, removedTo: 0, problems: [] })
    const history = await exported(ada)
    expect(verifyExport(history)).toEqual([])
    expect(compareExports(history, kept)).toEqual([])
    await record(null, { type: 'session.opened', userId: bob })
    expect(await verify(bob)).toMatchObject({ events: 1, removedTo: 5, problems: [] })
    const { rows } = await sql(`SELECT data FROM events WHERE type = 'event.expired'`)
    expect(rows).toEqual([{ data: { count: 36, before: expect.any(String) } }])
    const found = []
    for await (const id of people()) found.push(id)
    expect(found).toEqual(expect.arrayContaining([ada, bob, eve]))
  })

  test('goes by small batches and never twice at once', async () => {
    const userId = await somebody(25, 100)
    keep(40)
    const { expire: batch } = await import('./store-history')
    const before = new Date(Date.now() - 40 * DAY)
    const both = await Promise.all([batch(before, 10), batch(before, 10)])
    // One of two at once may find the other at it.
    expect(both.filter((gone) => gone === 10).length).toBeGreaterThan(0)
    expect(both.every((gone) => gone === 10 || gone === null)).toBe(true)
    await expire()
    expect(await verify(userId)).toMatchObject({ events: 0, removedTo: 25, problems: [] })
  })

  test('a_young_event_keeps_what_stands_after_it', async () => {
    const userId = uuid()
    for (const days of [100, 99, 1, 98, 97]) {
      at(days)
      await record(null, { type: 'session.opened', userId })
    }
    setClock(null)
    keep(40)
    await expire()
    expect(await verify(userId)).toMatchObject({ events: 3, removedTo: 2, problems: [] })
  })

  test('the_app_role_cannot_end_what_is_young_or_leave_a_chain_without_its_anchor', async () => {
    const [young, old] = [await somebody(3), await somebody(3, 50)]
    const anchor = (userId: string, seq: number, hash: string) =>
      `INSERT INTO event_anchors (user_id, seq, hash, at, cut_at)
       SELECT user_id, seq, ${hash}, at, now() FROM events WHERE user_id = '${userId}' AND seq = ${seq}`
    for (const attack of [
      `DELETE FROM events WHERE user_id = '${old}'`,
      `DELETE FROM events WHERE user_id = '${old}' AND seq = 2`,
      anchor(young, 3, 'hash'),
      anchor(old, 2, 'sha256(hash)'),
      `INSERT INTO event_anchors VALUES ('${old}', 9, sha256(''), now(), now())`,
      'TRUNCATE event_anchors',
    ]) {
      await expect(sql(attack), attack).rejects.toThrow(/append-only|an anchor is/)
    }
    // Whatever it is asked for, thirty days stay.
    await sql(`SELECT events_expire(now() + interval '1 year', 1000)`)
    expect(await verify(young)).toMatchObject({ events: 3, problems: [] })
    expect(await verify(old)).toMatchObject({ events: 0, removedTo: 3, problems: [] })
    for (const attack of [
      `UPDATE event_anchors SET seq = 1 WHERE user_id = '${old}'`,
      `UPDATE event_anchors SET hash = sha256('') WHERE user_id = '${old}'`,
      `DELETE FROM event_anchors WHERE user_id = '${old}'`,
    ]) {
      await expect(sql(attack), attack).rejects.toThrow('an anchor is')
    }
  })
})

describe('what guards the past', () => {
  test('tables_and_functions_of_the_same_name_elsewhere_open_no_past', async () => {
    const [young, old] = [await somebody(3), await somebody(3, 50)]
    const shadow = (userId: string) =>
      `CREATE TEMP TABLE event_anchors AS SELECT '${userId}'::uuid AS user_id, 99 AS seq`
    const never = `CREATE SCHEMA elsewhere; CREATE FUNCTION elsewhere.events_keep() RETURNS interval LANGUAGE sql
      AS $$ SELECT interval '-9 years' $$; SET search_path = elsewhere, public`
    // Several statements at once are one transaction, which the refusal takes back.
    for (const attack of [
      `${shadow(old)}; DELETE FROM public.events WHERE user_id = '${old}' AND seq = 2`,
      `${never}; ${shadow(young)}; DELETE FROM public.events WHERE user_id = '${young}'`,
      `${never}; INSERT INTO public.event_anchors SELECT user_id, seq, hash, at, now() FROM public.events
         WHERE user_id = '${young}' AND seq = 3`,
    ]) {
      await expect(sql(attack), attack).rejects.toThrow(/append-only|an anchor is/)
    }
    for (const userId of [young, old]) expect(await verify(userId)).toMatchObject({ events: 3, problems: [] })
  })

  test('older_export_that_ends_before_the_newer_one_begins_vouches_for_nothing', async () => {
    const userId = await somebody(2)
    const older = await exported(userId)
    const newer = {
      ...older,
      start: { seq: 7, hash: '00', cutAt: null },
      head: { seq: 7, hash: '00' },
      events: [],
    }
    expect(compareExports(older, older)).toEqual([])
    expect(compareExports(newer, older)).toEqual([expect.stringContaining('no event in common')])
  })
})

describe('a history', () => {
  const all = async (pages: AsyncGenerator<EventView[], void>) => {
    const found: EventView[] = []
    for await (const page of pages) found.push(...page)
    return found
  }
  const must = <T>(found: { ok: true; value: T } | { ok: false }): T => {
    if (!found.ok) throw new Error('refused')
    return found.value
  }
  const token = 'd'.repeat(43)
  const berlin = {
    country: 'DE',
    city: 'Berlin',
    timezone: 'Europe/Berlin',
    latitude: 52.5244,
    longitude: 13.4105,
  }

  test('says which browser it was, where, and nothing that names the browser elsewhere', async () => {
    const userId = uuid()
    const caller = testCaller({ place: berlin, cookies: { 'gatehouse.device': token } })
    await record(null, {
      type: 'signin.failed',
      outcome: 'failure',
      userId,
      caller,
      data: { method: 'password' },
    })
    const [event] = (await list(userId, { limit: 1 })).items
    expect(event).toMatchObject({
      agent: { browser: 'Chrome 150', kind: 'desktop' },
      place: { country: 'DE', city: 'Berlin', latitude: 52.5, longitude: 13.4 },
      device: expect.stringMatching(/^[\w-]{22}$/),
      data: { method: 'password' },
    })
    expect(event?.data).toEqual({ method: 'password' })
    expect(JSON.stringify(event)).not.toContain(token)
  })

  test('is filtered by kind, outcome, time, browser and app, and paged within that', async () => {
    const userId = uuid()
    const caller = testCaller({ cookies: { 'gatehouse.device': token } })
    at(10)
    await record(null, { type: 'email.added', userId })
    await record(null, { type: 'signin.failed', outcome: 'failure', userId, caller })
    at(1)
    for (let i = 0; i < 3; i++)
      await record(null, { type: 'consent.granted', userId, clientId: `app-${i % 2}` })
    await record(null, { type: 'token.issued', userId, clientId: 'app-0' })
    setClock(null)
    const types = async (filter: Parameters<typeof list>[1]) =>
      (await list(userId, filter)).items.map((e) => e.type)
    expect(await types({ limit: 9 })).toHaveLength(5)
    expect(await types({ limit: 9, kind: 'addresses' })).toEqual(['email.added'])
    expect(await types({ limit: 9, outcome: 'failure' })).toEqual(['signin.failed'])
    expect(await types({ limit: 9, until: new Date(Date.now() - 5 * DAY) })).toHaveLength(2)
    expect(await types({ limit: 9, from: new Date(Date.now() - 5 * DAY) })).toHaveLength(3)
    const { items } = await list(userId, { limit: 9, kind: 'sign_in' })
    expect(await types({ limit: 9, device: items[0]?.device ?? '' })).toEqual(['signin.failed'])
    expect(await types({ limit: 9, clientId: 'app-0' })).toHaveLength(2)
    const first = await list(userId, { limit: 2, kind: 'apps' })
    const rest = await list(userId, { limit: 2, kind: 'apps', before: first.next ?? '' })
    expect([first.items.length, rest.items.length, rest.next]).toEqual([2, 1, null])
  })

  test('no_filter_reaches_another_persons_events_or_the_statement', async () => {
    const [ada, bob] = [await somebody(2), await somebody(2)]
    const [theirs] = (await list(bob, { limit: 1 })).items
    const evil = [`' OR '1'='1`, `${bob}`, '%', '\u0000', '{"contains":""}', `x') OR user_id = '${bob}' --`]
    for (const text of evil) {
      const clean = text.replace('\u0000', '')
      for (const filter of [
        { device: clean },
        { clientId: clean },
        { outcome: clean as 'failure' },
        { types: [clean as 'signin.failed'] },
      ])
        expect((await list(ada, { limit: 9, ...filter })).items, text).toEqual([])
      expect((await list(ada, { limit: 9, before: text })).items, text).toEqual([])
    }
    // A cursor is a place in the log, not a key to what stands there.
    const from = await list(ada, { limit: 9, before: String(BigInt(theirs?.id ?? 0) + 1n) })
    expect(from.items.every(({ userId }) => userId === ada)).toBe(true)
    for (const { userId } of await all(must(await download(ada, {})))) expect(userId).toBe(ada)
  })

  test('is downloaded whole, page by page, and not without limit', async () => {
    const userId = uuid()
    await sql(
      `INSERT INTO events (type, user_id, data) SELECT 'session.opened', $1, jsonb_build_object('i', i) FROM generate_series(1, 1100) i`,
      [userId],
    )
    const pages = []
    for await (const page of must(await download(userId, {}))) pages.push(page.length)
    expect(pages).toEqual([500, 500, 100])
    expect((await exported(userId)).events).toHaveLength(1100)
    for (let i = 0; i < 4; i++) must(await download(userId, {}))
    expect(await download(userId, {})).toMatchObject({ ok: false, refusal: { code: 'rate_limited' } })
  })

  test('remembers the last sign-ins behind any number of failures', async () => {
    const userId = uuid()
    await record(null, { type: 'session.opened', userId, caller: testCaller({ place: berlin }) })
    await sql(
      `INSERT INTO events (type, outcome, user_id, data) SELECT 'signin.failed', 'failure', $1, '{}' FROM generate_series(1, 80)`,
      [userId],
    )
    const found = await past(userId, new Date(Date.now() - DAY), true)
    expect(found.signIns).toMatchObject([{ place: { country: 'DE', city: 'Berlin' } }])
    expect(found.failures).toBe(50)
    expect(await past(userId, new Date(Date.now() - DAY), false)).toEqual({ signIns: [], failures: 50 })
    expect((await past(userId, new Date(Date.now() + DAY), true)).failures).toBe(0)
  })
})
