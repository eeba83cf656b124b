import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { uuid } from '../base/ids'
import { useStores } from '../testing'
import { tries } from './index'
import type { SecondTriesOf } from './tries'

const stores = useStores()
const MINUTE = 60
const DAY = 86_400

let at = 1_900_000_000_000
const later = (seconds: number) => {
  at += seconds * 1000
}
beforeEach(() => setClock(() => at))
afterEach(() => setClock(null))

/** Seconds to wait; 0 when the try was granted. */
async function spend(whose: SecondTriesOf): Promise<number> {
  const result = await tries.spendSecond(whose)
  return result.ok ? 0 : (result.refusal.retryAfterSeconds ?? Number.NaN)
}
async function spendAll(whose: SecondTriesOf): Promise<void> {
  for (let n = 0; n < 10; n++) expect(await spend(whose)).toBe(0)
  expect(await spend(whose)).toBeGreaterThan(0)
}

describe('tries of a password', () => {
  test('hard_stop_is_of_the_account_however_many_addresses_it_has', async () => {
    const userId = uuid()
    const whose = Array.from({ length: 12 }, (_, n) => ({ email: `${n}.${userId}@example.com`, userId }))
    let granted = 0
    for (const one of whose) {
      for (let n = 0; n < 10; n++) if ((await tries.spend(one)).ok) granted++
    }
    expect(granted).toBe(90)
    later(15 * MINUTE)
    expect(await tries.spend(whose[0] ?? { email: '' })).toMatchObject({ ok: false })
    expect(await tries.spend({ email: `nobody.${userId}@example.com`, userId: null })).toMatchObject({
      ok: true,
    })
    await tries.giveBack(...whose.slice(0, 1))
    expect(await tries.spend(whose[11] ?? { email: '' })).toMatchObject({ ok: true })
  })
})

describe('tries of the second step', () => {
  test('ten, and it says how many are left without a wait', async () => {
    const whose = { userId: uuid() }
    const left = []
    for (let n = 0; n < 10; n++) {
      const result = await tries.spendSecond(whose)
      left.push(result.ok && result.value.left)
    }
    expect(left).toEqual([9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    expect(await tries.spendSecond(whose)).toMatchObject({
      ok: false,
      refusal: { code: 'rate_limited', retryAfterSeconds: 15 * MINUTE },
    })
  })

  test('hundred_tries_at_once_get_ten', async () => {
    const whose = { userId: uuid() }
    const waits = await Promise.all(Array.from({ length: 100 }, () => spend(whose)))
    expect(waits.filter((wait) => wait === 0)).toHaveLength(10)
    // A wait at once, too: of a hundred that come when it is over, one passes.
    later(15 * MINUTE)
    const after = await Promise.all(Array.from({ length: 100 }, () => spend(whose)))
    expect(after.filter((wait) => wait === 0)).toHaveLength(1)
  })

  test('the waits grow to a day, are honest to the second, and refused tries do not lengthen them', async () => {
    const whose = { userId: uuid() }
    await spendAll(whose)
    const waits = []
    for (let n = 0; n < 10; n++) {
      const wait = await spend(whose)
      waits.push(wait / MINUTE)
      later(wait - 1)
      expect(await spend(whose)).toBe(1)
      later(1)
      expect(await spend(whose)).toBe(0)
    }
    expect(waits).toEqual([15, 30, 60, 120, 240, 480, 960, 1440, 1440, 1440])
  })

  test('a right one gives them all back', async () => {
    const whose = { userId: uuid() }
    await spendAll(whose)
    await tries.giveBackSecond(whose)
    await spendAll(whose)
  })

  test('are of one account, and a browser it knows has its own', async () => {
    const userId = uuid()
    const known = { userId, device: uuid() }
    await spendAll({ userId })
    await spendAll(known)
    expect(await spend({ userId, device: uuid() })).toBe(0)
    expect(await spend({ userId: uuid(), device: known.device })).toBe(0)
    // Who succeeds in a known browser gives strangers nothing.
    await tries.giveBackSecond(known)
    expect(await spend({ userId })).toBeGreaterThan(0)
    expect(await spend({ userId, device: null })).toBeGreaterThan(0)
    expect(await spend(known)).toBe(0)
  })

  test('known_browsers_by_the_hundred_buy_no_more_guesses', async () => {
    const userId = uuid()
    const granted = async (devices: number) => {
      let count = 0
      for (let n = 0; n < devices; n++) {
        const known = { userId, device: uuid() }
        while ((await spend(known)) === 0) count++
      }
      return count
    }
    // Thirty of their own, and what anybody gets.
    expect(await granted(10)).toBe(40)
    expect(await granted(10)).toBe(0)
    later(30 * DAY)
    expect(await granted(10)).toBe(40)
  })

  test('of an owner who is right in the end are never spent', async () => {
    const known = { userId: uuid(), device: uuid() }
    for (let day = 0; day < 40; day++) {
      expect(await spend(known)).toBe(0)
      await tries.giveBackSecond(known)
      later(DAY / 10)
    }
  })

  test('are not those of the password, and come back with no new password', async () => {
    const userId = uuid()
    await spendAll({ userId })
    await tries.giveBack({ email: 'ada@example.com' }, { userId, device: 'd' })
    expect(await spend({ userId })).toBeGreaterThan(0)
    expect(await tries.spend({ email: 'ada@example.com' })).toMatchObject({ ok: true })
  })

  test('nine_tries_then_a_flush_of_redis_leave_one', async () => {
    const whose = { userId: uuid() }
    for (let n = 0; n < 9; n++) expect(await spend(whose)).toBe(0)
    await stores.redis().flushdb()
    expect(await spend(whose)).toBe(0)
    expect(await spend(whose)).toBeGreaterThan(0)
  })

  test('are forgotten after thirty days without any', async () => {
    const whose = { userId: uuid() }
    await spendAll(whose)
    later(30 * DAY)
    await spendAll(whose)
  })

  test('three_million_guesses_take_longer_than_a_life', async () => {
    const whose = { userId: uuid() }
    const begun = at
    let guesses = 0
    let hardStops = 0
    // The best that can be done: guess whenever a guess is granted, for a year.
    while (at < begun + 365 * DAY * 1000) {
      const wait = await spend(whose)
      if (wait === 0) guesses++
      if (wait > DAY) hardStops++
      later(wait)
    }
    expect(hardStops).toBeGreaterThan(0)
    expect(guesses).toBeGreaterThan(100)
    expect(guesses).toBeLessThan(345)
    // Three of a million codes are right at any time, fifteen with five authenticators.
    const chance = (right: number) => 1 - (1 - right / 1_000_000) ** guesses
    expect(chance(3)).toBeLessThan(0.0011)
    expect(chance(15)).toBeLessThan(0.006)
    expect(3_000_000 / guesses).toBeGreaterThan(8000)
  })

  test('NIST: never a hundred failures that follow each other', async () => {
    const whose = { userId: uuid() }
    let guesses = 0
    for (;;) {
      const wait = await spend(whose)
      if (wait > DAY) {
        expect(wait).toBe(30 * DAY)
        break
      }
      if (wait === 0) guesses++
      later(wait)
    }
    expect(guesses).toBe(90)
  })
})
