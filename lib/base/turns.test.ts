import { afterEach, describe, expect, test, vi } from 'vitest'
import { type QueueLimits, Turns, WorkQueue } from './turns'

test('turns_are_bounded_in_all_and_for_each_and_given_back_once', () => {
  const turns = new Turns(3, 2)
  const [first, second] = [turns.take('a'), turns.take('a')]
  expect([first, second].every(Boolean)).toBe(true)
  expect(turns.take('a')).toBeNull()
  const other = turns.take('b')
  expect(other).not.toBeNull()
  expect(turns.take('c')).toBeNull()
  first?.()
  first?.()
  expect(turns.take('c')).not.toBeNull()
  expect(turns.take('b')).toBeNull()
  second?.()
  other?.()
  expect(turns.take('a')).not.toBeNull()
})

const make = (limits: Partial<QueueLimits> = {}) =>
  new WorkQueue(() => ({ concurrency: 1, maxWaitMs: 10_000, maxWaiting: 100, ...limits }))

/** Work that ends when told to. */
function work() {
  let resolve = (_: string) => {}
  let reject = (_: Error) => {}
  const promise = new Promise<string>((done, failed) => {
    resolve = done
    reject = failed
  })
  return { run: () => promise, resolve: (v: string) => resolve(v), reject: (e: Error) => reject(e) }
}

const settled = () => new Promise((resolve) => setImmediate(resolve))

afterEach(() => {
  vi.useRealTimers()
})

describe('the queue', () => {
  test('runs no more at a time than it may, in the order they came', async () => {
    const queue = make({ concurrency: 2 })
    const jobs = Array.from({ length: 5 }, work)
    const started: number[] = []
    const results = jobs.map((job, n) =>
      queue.run(() => {
        started.push(n)
        return job.run()
      }),
    )
    await settled()
    expect(started).toEqual([0, 1])
    jobs[1]?.resolve('b')
    await settled()
    expect(started).toEqual([0, 1, 2])
    for (const job of jobs) job.resolve('x')
    expect((await Promise.all(results)).every((r) => r.ok)).toBe(true)
    expect(started).toEqual([0, 1, 2, 3, 4])
    expect(queue.waiting).toBe(0)
  })

  test('a_flood_is_refused_with_a_time_to_come_back_and_the_queue_recovers', async () => {
    const queue = make({ maxWaiting: 3 })
    const job = work()
    const results = Array.from({ length: 20 }, () => queue.run(job.run))
    job.resolve('done')
    const all = await Promise.all(results)
    expect(all.filter((r) => r.ok)).toHaveLength(4)
    for (const r of all) {
      if (!r.ok) {
        expect(r.refusal).toMatchObject({ code: 'busy', status: 503 })
        expect(r.refusal.retryAfterSeconds).toBeGreaterThanOrEqual(1)
      }
    }
    expect(await queue.run(async () => 'again')).toEqual({ ok: true, value: 'again' })
  })

  test('who would wait longer than allowed is refused at the door', async () => {
    const queue = make({ maxWaitMs: 120 })
    const job = work()
    // The first guess of 50 ms for each: the second and third in line fit 120 ms, the fourth does not.
    const results = [1, 2, 3, 4].map(() => queue.run(job.run))
    job.resolve('done')
    expect((await Promise.all(results)).map((r) => r.ok)).toEqual([true, true, true, false])
  })

  test('who waited too long is not worked for any more', async () => {
    vi.useFakeTimers({ toFake: ['performance'] })
    const queue = make({ maxWaitMs: 1000 })
    const slow = work()
    const late = vi.fn(async () => 'late')
    const first = queue.run(slow.run)
    const second = queue.run(late)
    vi.advanceTimersByTime(1001)
    slow.resolve('slow')
    expect((await first).ok).toBe(true)
    expect(await second).toMatchObject({ ok: false, refusal: { code: 'busy' } })
    expect(late).not.toHaveBeenCalled()
  })

  test('work that fails gives its place on', async () => {
    const queue = make()
    const bad = work()
    const first = queue.run(bad.run)
    const second = queue.run(async () => 'fine')
    bad.reject(new Error('broken'))
    await expect(first).rejects.toThrow('broken')
    expect(await second).toEqual({ ok: true, value: 'fine' })
  })
})
