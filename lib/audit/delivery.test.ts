import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { now, setClock } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import { useStores } from '../testing'
import { bundle } from '../testing/bundle'
import { pauseSeconds } from './delivery'
import { deliveries, drain, handle, list, migrate, owe, start, stop, Undeliverable } from './index'
import { sweep } from './store'

const { sql } = useStores()

let sent: { id: string; attempt: number; payload: unknown }[] = []
let failure: Error | null = null

beforeAll(async () => {
  await migrate()
  handle('test', async (delivery, payload) => {
    if (failure) throw failure
    sent.push({ id: delivery.id, attempt: delivery.attempt, payload })
  })
})

beforeEach(async () => {
  await sql('DELETE FROM deliveries')
  await sql(`SELECT graphile_worker.remove_job(key) FROM graphile_worker.jobs WHERE key IS NOT NULL`)
  sent = []
  failure = null
})

afterAll(() => setClock(null))

const one = async (id: string) => (await deliveries({})).find((d) => d.id === id)
const jobs = async () => Number((await sql('SELECT count(*) FROM graphile_worker.jobs')).rows[0].count)

describe('owing', () => {
  test('commits with the change, and is undone with it', async () => {
    await expect(
      inTx(async (tx) => {
        await owe(tx, { kind: 'test', target: 'x', payload: 1 })
        throw new Error('no')
      }),
    ).rejects.toThrow('no')
    expect([await deliveries(), await jobs()]).toEqual([[], 0])
    const id = await inTx((tx) => owe(tx, { kind: 'test', target: 'x', payload: { a: 1 } }))
    await drain()
    expect(sent).toEqual([{ id, attempt: 1, payload: { a: 1 } }])
    expect(await one(id)).toMatchObject({ attempts: 1, failedAt: null, lastError: null })
    expect((await one(id))?.deliveredAt).toBeInstanceOf(Date)
    expect(await jobs()).toBe(0)
  })

  test('keeps the contents sealed and bound to the row, and empties them when delivered', async () => {
    const id = await owe(null, { kind: 'test', target: 'x', payload: { code: '482913' } })
    const other = await owe(null, { kind: 'test', target: 'x', payload: 2 })
    const before = JSON.stringify((await sql('SELECT * FROM deliveries')).rows)
    const queue = JSON.stringify((await sql('SELECT payload FROM graphile_worker._private_jobs')).rows)
    expect(before + queue).not.toContain('482913')
    await sql(
      'UPDATE deliveries SET payload_sealed = (SELECT payload_sealed FROM deliveries WHERE id = $1) WHERE id = $2',
      [id, other],
    )
    await drain()
    expect(sent.map((s) => s.id)).toEqual([id])
    expect((await one(other))?.failedAt).toBeInstanceOf(Date)
    const { rows } = await sql('SELECT payload_sealed FROM deliveries')
    expect(rows).toEqual([{ payload_sealed: null }, { payload_sealed: null }])
  })

  test('the same event is owed once, also by many at once', async () => {
    const owed = { kind: 'test', target: 'x', dedupeKey: 'event-1', payload: 1 }
    const ids = await Promise.all(Array.from({ length: 6 }, () => owe(null, owed)))
    expect(new Set(ids).size).toBe(1)
    await drain()
    expect(await owe(null, owed)).toBe(ids[0])
    expect(await owe(null, { ...owed, target: 'y' })).not.toBe(ids[0])
    await drain()
    expect(sent).toHaveLength(2)
  })
})

describe('failing', () => {
  test('is tried again later, with the payload kept, until it works', async () => {
    failure = Object.assign(new Error('421 try later for person@example.com 123456\r\nX'), {
      code: 'ECONNECTION',
    })
    const id = await owe(null, { kind: 'test', target: 'x', payload: 7 })
    await drain()
    const { rows } = await sql(
      'SELECT extract(epoch FROM run_at - updated_at)::float AS pause FROM graphile_worker.jobs',
    )
    expect(rows).toHaveLength(1)
    expect(rows[0].pause).toBeGreaterThan(1)
    // On a slow machine the pause might be over by now.
    await sql(`UPDATE graphile_worker._private_jobs SET run_at = now() + interval '1 hour'`)
    await drain()
    expect(await one(id)).toMatchObject({
      attempts: 1,
      deliveredAt: null,
      failedAt: null,
      lastError: 'ECONNECTION: 421 try later for [address] [number] X',
    })
    await drain({ now: true })
    failure = null
    await drain({ now: true })
    expect(sent).toEqual([{ id, attempt: 3, payload: 7 }])
    expect(await jobs()).toBe(0)
  })

  test('pauses double from two seconds to five minutes, with jitter', () => {
    expect([1, 2, 3, 8, 9, 100].map((n) => pauseSeconds(n, 0.5))).toEqual([2, 4, 8, 256, 300, 300])
    expect([pauseSeconds(1, 0), pauseSeconds(1, 1)]).toEqual([1.5, 2.5])
  })

  test('past its time it is given up: a receipt, an event, nothing kept, nothing sent', async () => {
    const userId = uuid()
    const notAfter = new Date(now().getTime() + 600_000)
    const id = await owe(null, { kind: 'test', userId, target: 'x', payload: 'late', notAfter })
    setClock(() => notAfter.getTime())
    await drain()
    setClock(null)
    expect(sent).toEqual([])
    expect(await deliveries({ state: 'failed' })).toMatchObject([{ id, attempts: 1 }])
    const { items } = await list(userId, { limit: 5 })
    expect(items).toMatchObject([
      {
        type: 'delivery.failed',
        outcome: 'failure',
        actor: 'system',
        data: { why: 'expired', kind: 'test' },
      },
    ])
  })

  test('what the receiver refuses for good is not tried again', async () => {
    failure = new Undeliverable('550 no such mailbox <a@b.example>')
    const id = await owe(null, { kind: 'test', target: 'x', payload: 1 })
    await drain()
    failure = null
    await drain({ now: true })
    expect(sent).toEqual([])
    expect(await one(id)).toMatchObject({ attempts: 1, lastError: '550 no such mailbox <[address]>' })
  })

  test('a delivery whose job is gone, or whose process died, is woken by the sweep; a live one is not', async () => {
    const lost = await owe(null, { kind: 'test', target: 'lost', payload: 1 })
    const dead = await owe(null, { kind: 'test', target: 'dead', payload: 1 })
    const live = await owe(null, { kind: 'test', target: 'live', payload: 1 })
    await sql('SELECT graphile_worker.remove_job($1)', [`delivery:${lost}`])
    await sql(
      `UPDATE graphile_worker._private_jobs SET locked_by = 'gone', attempts = 1,
         locked_at = now() - CASE key WHEN $1 THEN interval '3 minutes' ELSE interval '1 minute' END
       WHERE key IN ($1, $2)`,
      [`delivery:${dead}`, `delivery:${live}`],
    )
    const woken = await Promise.all([sweep(), sweep()])
    expect(woken[0] + woken[1]).toBe(2)
    expect(await sweep()).toBe(0)
    await drain()
    expect(sent.map((s) => s.id).sort()).toEqual([lost, dead].sort())
  })
})

describe('processes', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-drain-'))
  const file = path.join(folder, 'sent')
  let program = ''
  beforeAll(async () => {
    program = await bundle('lib/audit/drain.fixture.ts')
  })
  beforeEach(() => writeFileSync(file, ''))
  afterAll(() => rmSync(folder, { recursive: true }))

  const other = async (...args: string[]) => {
    const child = spawn(process.execPath, [program, file, ...args], {
      stdio: ['ignore', 'inherit', 'inherit'],
    })
    const [code, signal] = await once(child, 'exit')
    return code ?? signal
  }
  const lines = () => readFileSync(file, 'utf8').trim().split('\n').filter(Boolean)

  test('two_processes_draining_send_nothing_twice', async () => {
    const ids = await Promise.all(
      Array.from({ length: 60 }, (_, i) => owe(null, { kind: 'test', target: 'x', payload: i })),
    )
    expect(await Promise.all([other(), other()])).toEqual([0, 0])
    expect(lines().sort()).toEqual(ids.sort())
    expect(await deliveries({ state: 'owed' })).toEqual([])
  })

  test('a process killed in the middle leaves a delivery that the next one makes, with its attempt counted', async () => {
    const id = await owe(null, { kind: 'test', target: 'x', payload: 1 })
    expect(await other('die')).toBe('SIGKILL')
    expect(await one(id)).toMatchObject({ attempts: 1, deliveredAt: null })
    expect(await sweep()).toBe(0)
    await sql(`UPDATE graphile_worker._private_jobs SET locked_at = now() - interval '3 minutes'`)
    expect(await sweep()).toBe(1)
    await drain()
    expect(sent).toEqual([{ id, attempt: 2, payload: 1 }])
  })
})

describe('the running queue', () => {
  test('delivers what is owed while it runs, never blocks the caller, and takes no signal handlers', async () => {
    const before = process.listenerCount('SIGTERM')
    let release = () => {}
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    let arrived = () => {}
    const done = new Promise<void>((resolve) => {
      arrived = resolve
    })
    handle('slow', async () => {
      await held
      arrived()
    })
    await start()
    try {
      expect(process.listenerCount('SIGTERM')).toBe(before)
      const id = await owe(null, { kind: 'slow', target: 'x', payload: 1 })
      expect(await one(id)).toMatchObject({ deliveredAt: null })
      release()
      await done
    } finally {
      release()
      await stop()
    }
    expect(await deliveries({ kind: 'slow', state: 'delivered' })).toHaveLength(1)
  })

  test('goes on by itself after the database cut its connections', async () => {
    let arrived = (_: number) => {}
    handle('cut', async (_delivery, payload) => arrived(payload as number))
    const arrival = (payload: number) =>
      new Promise<void>((resolve) => {
        arrived = (got) => got === payload && resolve()
      })
    await start()
    try {
      const first = arrival(1)
      await owe(null, { kind: 'cut', target: 'x', payload: 1 })
      await first
      const { rowCount } = await sql(
        `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
         WHERE application_name = 'gatehouse-deliveries' AND datname = current_database()`,
      )
      expect(rowCount).toBeGreaterThan(0)
      const second = arrival(2)
      await owe(null, { kind: 'cut', target: 'x', payload: 2 })
      await second
    } finally {
      await stop()
    }
  })
})
