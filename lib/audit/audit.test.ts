import { describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { sql as hotSql, inTx } from '../base/db'
import { uuid } from '../base/ids'
import { testCaller, useStores } from '../testing'
import { eventSql, list, record, recordAll } from './index'

const { sql } = useStores()

describe('events', () => {
  test('are written in the transaction of the change, and vanish with it', async () => {
    const userId = uuid()
    await expect(
      inTx(async (tx) => {
        await record(tx, { type: 'user.registered', userId })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    await inTx((tx) => record(tx, { type: 'email.verified', userId }))
    await record(null, { type: 'session.opened', userId, sessionId: uuid(), caller: testCaller() })
    const { items } = await list(userId, { limit: 10 })
    expect(items.map((e) => e.type)).toEqual(['session.opened', 'email.verified'])
    expect(items[0]).toMatchObject({ outcome: 'success', ip: '203.0.113.7' })
  })

  test('fit into a CTE of a hot statement', async () => {
    const userId = uuid()
    const event = eventSql(2, { type: 'signin.failed', outcome: 'failure', userId, caller: testCaller() })
    const rows = await hotSql<{ one: number }>({
      name: 'test-cte',
      text: `WITH e AS (${event.text} RETURNING id) SELECT $1::int AS one FROM e`,
      values: [1, ...event.values],
    })
    expect(rows).toEqual([{ one: 1 }])
    expect((await list(userId, { limit: 5 })).items).toHaveLength(1)
  })

  test('written together keep their order and their chain', async () => {
    const [userId, other] = [uuid(), uuid()]
    const sids = Array.from({ length: 5 }, () => uuid())
    await inTx((tx) =>
      recordAll(tx, [
        ...sids.map((sessionId) => ({ type: 'session.revoked' as const, userId, sessionId })),
        { type: 'session.revoked', userId: other, caller: testCaller(), data: { reason: 'a"{}\\' } },
      ]),
    )
    expect((await list(userId, { limit: 9 })).items.map((e) => e.sessionId)).toEqual([...sids].reverse())
    const { rows } = await sql(
      'SELECT e.seq, e.prev_hash = p.hash AS linked FROM events e JOIN events p ON p.user_id = e.user_id AND p.seq = e.seq - 1 WHERE e.user_id = $1 ORDER BY e.seq',
      [userId],
    )
    expect(rows).toEqual([2, 3, 4, 5].map((seq) => ({ seq, linked: true })))
    expect((await list(other, { limit: 9 })).items[0]).toMatchObject({
      ip: '203.0.113.7',
      data: { reason: 'a"{}\\' },
    })
    await inTx((tx) => recordAll(tx, []))
  })

  test('are paged by a cursor and filtered by type', async () => {
    const userId = uuid()
    for (let i = 0; i < 5; i++) {
      await record(null, { type: i % 2 ? 'signin.failed' : 'signin.succeeded', userId, data: { i } })
    }
    const first = await list(userId, { limit: 2 })
    const second = await list(userId, { limit: 2, before: first.next ?? '' })
    const third = await list(userId, { limit: 2, before: second.next ?? '' })
    expect([first, second, third].flatMap((p) => p.items.map((e) => e.data.i))).toEqual([4, 3, 2, 1, 0])
    expect(third.next).toBeNull()
    const failed = await list(userId, { limit: 9, types: ['signin.failed'] })
    expect(failed.items.map((e) => e.data.i)).toEqual([3, 1])
    expect(await list(userId, { limit: 9, before: '1; DROP' })).toEqual({ items: [], next: null })
  })

  test('are in order, and paged, where their numbers gain a digit', async () => {
    const userId = uuid()
    await sql(`SELECT setval('events_id_seq', 99996)`)
    for (let i = 0; i < 6; i++) await record(null, { type: 'signin.failed', userId, data: { i } })
    const first = await list(userId, { limit: 4 })
    const rest = await list(userId, { limit: 4, before: first.next ?? '' })
    expect(first.items.map((e) => e.id)).toEqual(['100002', '100001', '100000', '99999'])
    expect([...first.items, ...rest.items].map((e) => e.data.i)).toEqual([5, 4, 3, 2, 1, 0])
  })

  test('of one user form a chain that can be computed again from the rows', async () => {
    const userId = uuid()
    setClock(() => Date.UTC(2026, 10, 20, 17, 8, 9, 7))
    await Promise.all(
      Array.from({ length: 8 }, (_, i) =>
        record(null, { type: 'signin.failed', userId, data: { i }, caller: testCaller() }),
      ),
    )
    setClock(null)
    const { rows } = await sql(
      `SELECT seq, prev_hash, hash, sha256(prev_hash || convert_to(jsonb_build_array(seq,
         to_char(at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'), type, outcome, user_id, actor,
         session_id, device_id, client_id, request_id, host(ip), user_agent, data)::text, 'UTF8')) AS again
       FROM events WHERE user_id = $1 ORDER BY seq`,
      [userId],
    )
    expect(rows.map((row) => row.seq)).toEqual([1, 2, 3, 4, 5, 6, 7, 8])
    for (const [index, row] of rows.entries()) {
      expect(row.hash).toEqual(row.again)
      if (index) expect(row.prev_hash).toEqual(rows[index - 1].hash)
    }
  })

  test('the_past_cannot_be_updated_deleted_or_truncated', async () => {
    const userId = uuid()
    await record(null, { type: 'user.registered', userId })
    for (const attack of [
      `UPDATE events SET type = 'x' WHERE user_id = '${userId}'`,
      `DELETE FROM events WHERE user_id = '${userId}'`,
      'TRUNCATE events',
      // A setting opens nothing: anybody who may speak SQL may set one.
      `BEGIN; SET LOCAL gatehouse.retention = 'on'; DELETE FROM events WHERE user_id = '${userId}'; COMMIT`,
    ]) {
      await expect(sql(attack)).rejects.toThrow('append-only')
      await sql('ROLLBACK')
    }
  })

  test('control_characters_markup_and_length_are_no_event_injection', async () => {
    const userId = uuid()
    await record(null, {
      type: 'signin.failed',
      userId,
      actor: 'a\nb\u0000c',
      caller: testCaller({
        userAgent: `\u001b[31mred\r\n{"type":"user.deleted"}\u202e${'x'.repeat(5000)}`,
        ip: 'nonsense',
      }),
      data: {
        name: 'line\nbreak\u0000\u2028',
        long: `${'a'.repeat(255)}😀`,
        deep: { a: { b: { c: { d: 1 } } } },
        list: Array.from({ length: 500 }, (_, i) => i),
        nan: Number.NaN,
        fn: () => 1,
        ...Object.fromEntries(Array.from({ length: 100 }, (_, i) => [`k${i}`, i])),
      },
    })
    const [event] = (await list(userId, { limit: 1 })).items
    expect(event?.actor).toBe('a b c')
    expect(event?.ip).toBeNull()
    expect(event?.userAgent).toMatch(/^\[31mred \{"type"/)
    expect(event?.userAgent?.length).toBeLessThanOrEqual(400)
    expect(event?.data.name).toBe('line break')
    expect(String(event?.data.long).isWellFormed()).toBe(true)
    expect(event?.data.deep).toEqual({ a: { b: {} } })
    expect(event?.data.list).toHaveLength(50)
    expect(event?.data).toMatchObject({ nan: null })
    expect(Object.keys(event?.data ?? {}).length).toBeLessThanOrEqual(24)
  })

  test('values under the name of a secret are left out', async () => {
    const userId = uuid()
    await record(null, {
      type: 'client.added',
      data: { client_secret: 'canary', password: 'canary', nested: { token: 'canary', ok: 1 } },
      userId,
    })
    const [event] = (await list(userId, { limit: 1 })).items
    expect(event?.data).toEqual({ nested: { ok: 1 } })
  })

  test('a type that is not in the table is refused', async () => {
    await expect(record(null, JSON.parse('{"type":"user.hacked"}'))).rejects.toThrow('unknown event type')
    await expect(record(null, JSON.parse('{"type":"toString"}'))).rejects.toThrow('unknown event type')
  })
})
