import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { useStores } from '../testing'
import { setClock } from './clock'
import { bucket, budget, budgets, refund, startSweeping } from './limits'

const stores = useStores()
let at = 1_800_000_000_000
beforeEach(() => setClock(() => at))
afterEach(() => setClock(null))

describe('the leaky bucket', () => {
  const limit = { capacity: 5, perMinute: 60 }

  it('lets exactly its capacity through at once, then exactly its rate', async () => {
    const results = await Promise.all(Array.from({ length: 15 }, () => bucket('198.51.100.1', limit)))
    expect(results.filter((r) => r.ok)).toHaveLength(5)
    at += 1000
    expect((await bucket('198.51.100.1', limit)).ok).toBe(true)
    expect((await bucket('198.51.100.1', limit)).ok).toBe(false)
    at += 10_000
    const later = await Promise.all(Array.from({ length: 15 }, () => bucket('198.51.100.1', limit)))
    expect(later.filter((r) => r.ok)).toHaveLength(5)
  })

  it('retry_after_is_true: not a moment before, but then', async () => {
    for (let i = 0; i < 5; i++) await bucket('198.51.100.2', { capacity: 5, perMinute: 6 })
    const refused = await bucket('198.51.100.2', { capacity: 5, perMinute: 6 })
    if (refused.ok) throw new Error('passed')
    const wait = refused.refusal.retryAfterSeconds ?? 0
    expect(wait).toBe(10)
    at += wait * 1000 - 1
    expect((await bucket('198.51.100.2', { capacity: 5, perMinute: 6 })).ok).toBe(false)
    at += 1
    expect((await bucket('198.51.100.2', { capacity: 5, perMinute: 6 })).ok).toBe(true)
  })

  it('is one for each subject and name', async () => {
    for (let i = 0; i < 5; i++) await bucket('198.51.100.3', limit)
    expect((await bucket('198.51.100.3', limit)).ok).toBe(false)
    expect((await bucket('198.51.100.4', limit)).ok).toBe(true)
    expect((await bucket('198.51.100.3', limit, 'mail')).ok).toBe(true)
  })

  it('a clock that jumps back gives nothing away and shuts nobody out', async () => {
    for (let i = 0; i < 5; i++) await bucket('198.51.100.5', limit)
    at -= 3_600_000
    const refused = await bucket('198.51.100.5', limit)
    expect(refused).toMatchObject({ ok: false, refusal: { retryAfterSeconds: 1 } })
    at += 1000
    expect((await bucket('198.51.100.5', limit)).ok).toBe(true)
    at += 3_600_000
  })
})

describe('the durable budget', () => {
  it('hundred_tries_at_once_spend_no_more_than_it_has', async () => {
    const results = await Promise.all(
      Array.from({ length: 100 }, () => budget('code:1', { max: 5, windowSeconds: 600 })),
    )
    expect(results.filter((r) => r.ok)).toHaveLength(5)
  })

  it('survives_a_flush_of_redis', async () => {
    for (let i = 0; i < 5; i++) await budget('code:2', { max: 5, windowSeconds: 600 })
    await stores.redis().flushdb()
    expect((await budget('code:2', { max: 5, windowSeconds: 600 })).ok).toBe(false)
  })

  it('opens again when its window ends, and says when', async () => {
    for (let i = 0; i < 2; i++) await budget('code:3', { max: 2, windowSeconds: 600 })
    at += 100_000
    const refused = await budget('code:3', { max: 2, windowSeconds: 600 })
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'rate_limited', retryAfterSeconds: 500 } })
    at += 500_000
    expect((await budget('code:3', { max: 2, windowSeconds: 600 })).ok).toBe(true)
  })

  it('is given back whole after a success', async () => {
    for (let i = 0; i < 3; i++) await budget('code:4', { max: 3, windowSeconds: 600 })
    await refund('code:4', 'code:none')
    expect(await budget('code:4', { max: 3, windowSeconds: 600 })).toMatchObject({
      ok: true,
      value: { left: 2 },
    })
  })

  it('of several, the closed one decides and all are counted', async () => {
    const list = [
      { subject: 'short', max: 1, windowSeconds: 60 },
      { subject: 'long', max: 10, windowSeconds: 6000 },
    ]
    expect(await budgets(list)).toMatchObject({ ok: true, value: { left: 0 } })
    expect(await budgets(list)).toMatchObject({ ok: false, refusal: { retryAfterSeconds: 60 } })
    expect(await budget('long', { max: 10, windowSeconds: 6000 })).toMatchObject({ value: { left: 7 } })
  })

  it('names of what is guarded are not in the table', async () => {
    await budget('password:ada@example.com', { max: 1, windowSeconds: 60 })
    const { rows } = await stores.sql('SELECT key FROM budgets')
    expect(JSON.stringify(rows)).not.toContain('ada')
  })

  it('is swept away once its window is over, and no sooner', async () => {
    const count = async () => (await stores.sql('SELECT 1 FROM budgets')).rows.length
    await budget('swept', { max: 1, windowSeconds: 60 })
    at += 59_000
    await budget('kept', { max: 1, windowSeconds: 100_000 })
    at += 20_000_000
    await budget('fresh', { max: 1, windowSeconds: 60 })
    startSweeping()()
    await expect.poll(count).toBe(2)
  })
})
