import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { uuid } from '../base/ids'
import { key as redisKey } from '../base/keys'
import { mailbox } from '../notify'
import { testCaller, useStores } from '../testing'
import { otp } from './index'
import type { Begin } from './otp'

const stores = useStores()
const MINUTE = 60_000

let at = Date.now()
const later = (ms: number) => {
  at += ms
}
/** Every request comes from a network of its own, unless it says so. */
let network = 0

beforeAll(async () => {
  await audit.migrate()
})
beforeEach(async () => {
  setClock(() => at)
  // Another day for every test: no budget of one is spent by another.
  later(25 * 60 * MINUTE)
  await stores.redis().flushdb()
})

interface Asked extends Pick<Begin, 'purpose' | 'key' | 'to' | 'device' | 'binding'> {
  code: string
}

async function ask(overrides: Partial<Begin> = {}) {
  const asked: Asked = {
    purpose: 'email_verification',
    key: uuid(),
    to: `${uuid()}@example.com`,
    binding: uuid(),
    code: '',
  }
  network++
  const ip = `198.51.${network >> 8}.${network & 255}`
  const result = await otp.begin({
    ...asked,
    locale: 'en',
    caller: testCaller({ ip, ipPrefix: ip }),
    link: (code) => {
      asked.code = code
      return `http://localhost:3000/verify/link?flow=f&code=${code}`
    },
    ...overrides,
  })
  return { asked: { ...asked, ...pick(overrides) }, result, code: () => asked.code }
}

const pick = ({ purpose, key, to, binding, device }: Partial<Begin>) =>
  Object.fromEntries(
    Object.entries({ purpose, key, to, binding, device }).filter(([, value]) => value !== undefined),
  )

async function sent(overrides: Partial<Begin> = {}): Promise<Asked> {
  const { asked, result, code } = await ask(overrides)
  expect(result).toMatchObject({ ok: true })
  return { ...asked, code: code() }
}

const tryOf = async (asked: Asked, overrides: Partial<Asked> = {}) => {
  const result = await otp.verify({ ...asked, ...overrides })
  return result.ok ? 'right' : result.refusal.code
}

const wrong = (code: string) => (code === '000000' ? '000001' : '000000')

const mailsTo = async (pattern: string) =>
  Number((await stores.sql('SELECT count(*) FROM deliveries WHERE target LIKE $1', [pattern])).rows[0].count)

describe('a code', () => {
  test('arrives by mail with a link, is good for ten minutes, and once', async () => {
    const { asked, result, code } = await ask()
    expect(result).toEqual({ ok: true, value: { resendInSeconds: 30, expiresInSeconds: 600 } })
    await audit.drain()
    const [mail] = await mailbox.list({ to: asked.to })
    expect(mail?.codes).toEqual([code()])
    expect(mail?.links[0]).toContain(`code=${code()}`)
    expect(code()).toMatch(/^\d{6}$/)
    later(10 * MINUTE - 1)
    expect(await tryOf({ ...asked, code: code() })).toBe('right')
    expect(await tryOf({ ...asked, code: code() })).toBe('code_expired')
  })

  test('two_right_tries_at_once_are_good_once', async () => {
    const asked = await sent()
    const results = await Promise.all(Array.from({ length: 8 }, () => tryOf(asked)))
    expect(results.filter((r) => r === 'right')).toHaveLength(1)
  })

  test('code_is_dead_after_ten_minutes', async () => {
    const asked = await sent()
    later(10 * MINUTE)
    expect(await tryOf(asked)).toBe('code_expired')
  })

  test('fifth_wrong_try_kills_the_code_also_for_the_right_one', async () => {
    const asked = await sent()
    const results = []
    for (let n = 0; n < 5; n++) results.push(await tryOf(asked, { code: wrong(asked.code) }))
    expect(results).toEqual([...Array(4).fill('code_wrong'), 'code_exhausted'])
    expect(await tryOf(asked)).toBe('code_exhausted')
  })

  test('new_code_kills_the_old_one', async () => {
    const old = await sent()
    later(31_000)
    const fresh = await sent(pick(old))
    expect(await tryOf({ ...fresh, code: old.code })).toBe(old.code === fresh.code ? 'right' : 'code_wrong')
    if (old.code !== fresh.code) expect(await tryOf(fresh)).toBe('right')
  })

  test('code_of_one_flow_key_or_address_is_wrong_for_any_other', async () => {
    const asked = await sent()
    const other = await sent()
    expect(await tryOf(asked, { binding: other.binding })).toBe('code_wrong')
    expect(await tryOf(asked, { to: other.to })).toBe('code_wrong')
    expect(await tryOf({ ...asked, key: other.key })).toBe('code_wrong')
    expect(await tryOf({ ...asked, key: uuid() })).toBe('code_expired')
    // Parts are kept apart: shifting a letter from one to the next is another code.
    expect(await tryOf(asked, { to: asked.to.slice(0, -1), binding: `m${asked.binding}` })).toBe('code_wrong')
    expect(await tryOf(asked)).toBe('right')
  })

  test.each(['', '12345', '1234567', 'abcdef', '１２３４５６', ' 12345', '12345\n'])(
    'malformed code %j is wrong and costs no try',
    async (code) => {
      const asked = await sent()
      for (let n = 0; n < 12; n++) expect(await tryOf(asked, { code })).toBe('code_wrong')
      expect(await tryOf(asked)).toBe('right')
    },
  )

  test('operator_injection_as_a_code_is_wrong', async () => {
    const asked = await sent()
    for (const code of [{ contains: '' }, [asked.code], null, undefined, 0]) {
      expect(await tryOf(asked, { code: code as unknown as string })).toBe('code_wrong')
    }
  })

  test('code_is_nowhere_at_rest', async () => {
    const asked = await sent()
    const found = new RegExp(`(?<![\\w-])${asked.code}(?![\\w-])`)
    const { rows } = await stores.sql(`
      SELECT d::text FROM deliveries d UNION ALL SELECT e::text FROM events e
      UNION ALL SELECT b::text FROM budgets b UNION ALL SELECT j::text FROM graphile_worker._private_jobs j`)
    expect(rows.length).toBeGreaterThan(3)
    for (const { d } of rows) expect(d).not.toMatch(found)
    const kept = await stores.redis().hgetall(redisKey('emailVerification', asked.key))
    expect(Object.keys(kept).sort()).toEqual(['end', 'for', 'hmac', 'tries'])
    expect(JSON.stringify(kept)).not.toMatch(found)
    expect(JSON.stringify(kept)).not.toContain(asked.to)
    const ttl = await stores.redis().pttl(redisKey('emailVerification', asked.key))
    expect(ttl).toBeGreaterThan(0)
    expect(ttl).toBeLessThanOrEqual(600_000)
  })
})

describe('guessing', () => {
  test('hundred_wrong_codes_at_once_count_five_and_the_right_one_fails_afterwards', async () => {
    const asked = await sent()
    const guesses = Array.from({ length: 100 }, (_, n) => String(n).padStart(6, '0')).filter(
      (c) => c !== asked.code,
    )
    const results = await Promise.all(guesses.map((code) => tryOf(asked, { code })))
    expect(results.filter((r) => r === 'code_wrong').length).toBe(4)
    expect(results).not.toContain('right')
    expect(await stores.redis().hget(redisKey('emailVerification', asked.key), 'tries')).toBe('5')
    expect(await tryOf(asked)).not.toBe('right')
  })

  test('flush_of_redis_gives_no_more_than_ten_guesses', async () => {
    const first = await sent()
    let compared = 0
    const guess = async (asked: Asked) => {
      const outcome = await tryOf(asked, { code: wrong(asked.code) })
      if (outcome !== 'rate_limited') compared++
      return outcome
    }
    for (let n = 0; n < 5; n++) await guess(first)
    await stores.redis().flushdb()
    later(31_000)
    const second = await sent(pick(first))
    for (let n = 0; n < 4; n++) await guess(second)
    await stores.redis().flushdb()
    later(31_000)
    const third = await sent(pick(first))
    for (let n = 0; n < 20; n++) await guess(third)
    expect(compared).toBe(10)
    const refused = await otp.verify(third)
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'rate_limited', status: 429 } })
    later((refused.ok ? 0 : (refused.refusal.retryAfterSeconds ?? 0)) * 1000)
    expect(await tryOf(await sent(pick(first)))).toBe('right')
  })

  test('redis_restored_from_an_older_copy_gives_no_more_than_ten_guesses', async () => {
    const asked = await sent()
    const name = redisKey('emailVerification', asked.key)
    const copy = await stores.redis().hgetall(name)
    let compared = 0
    for (let n = 0; n < 30; n++) {
      await stores.redis().hset(name, copy)
      if ((await tryOf(asked, { code: wrong(asked.code) })) === 'code_wrong') compared++
    }
    expect(compared).toBe(10)
    await stores.redis().hset(name, copy)
    expect(await tryOf(asked)).toBe('rate_limited')
  })

  test('sign_ups_begun_anew_give_a_recipient_no_more_than_thirty_guesses_a_day', async () => {
    const to = `${uuid()}@example.com`
    const outcomes: string[] = []
    for (let signUp = 0; signUp < 10; signUp++) {
      const { asked } = await ask({ to })
      for (let guess = 0; guess < 5; guess++) outcomes.push(await tryOf(asked, { code: '000000' }))
      later(61 * MINUTE)
    }
    expect(outcomes.filter((outcome) => outcome !== 'rate_limited').length).toBeLessThanOrEqual(30)
    later(24 * 60 * MINUTE)
    const owner = await ask({ to })
    expect(await tryOf(owner.asked, { code: owner.code() })).toBe('right')
  })

  test('a success gives the tries back', async () => {
    const asked = await sent()
    for (let n = 0; n < 4; n++) await tryOf(asked, { code: wrong(asked.code) })
    expect(await tryOf(asked)).toBe('right')
    later(31_000)
    const next = await sent(pick(asked))
    for (let n = 0; n < 4; n++) expect(await tryOf(next, { code: wrong(next.code) })).toBe('code_wrong')
    expect(await tryOf(next)).toBe('right')
  })

  test('a code that dies of wrong tries is in the history', async () => {
    const userId = uuid()
    const asked = await sent({ userId })
    for (let n = 0; n < 6; n++) await otp.verify({ ...asked, userId, code: wrong(asked.code) })
    const types = (await audit.list(userId, { limit: 10 })).items.map(({ type, outcome }) => [type, outcome])
    expect(types).toEqual([
      ['otp.exhausted', 'failure'],
      ['otp.sent', 'success'],
    ])
  })
})

describe('a code that anybody may ask for', () => {
  /** Somebody's address, whoever asks: the attempt is theirs, the key is the owner's. */
  const owned = () => ({ purpose: 'email_sign_in', key: uuid(), to: `${uuid()}@example.com` }) as const
  const from = (n: number) => testCaller({ ip: `203.0.${n}.1`, ipPrefix: `203.0.${n}.1` })

  /** Strangers in as many networks as it takes use up what there is. @returns guesses that were compared */
  async function floodOf(ada: ReturnType<typeof owned>): Promise<number> {
    let compared = 0
    for (let hour = 0; hour < 8; hour++) {
      for (let n = 0; n < 5; n++) {
        const { asked } = await ask({ ...ada, binding: uuid() })
        for (let guess = 0; guess < 5; guess++) {
          const caller = from(hour * 5 + n)
          const result = await otp.verify({ ...asked, caller, code: '000000' })
          if (!result.ok && result.refusal.code !== 'rate_limited') compared++
        }
        later(31_000)
      }
      later(58 * MINUTE)
    }
    return compared
  }

  test('strangers_neither_void_nor_wear_out_the_code_of_another_attempt', async () => {
    const ada = owned()
    const hers = await sent({ ...ada, binding: uuid() })
    later(31_000)
    const strangers = await sent({ ...ada, binding: uuid() })
    for (let n = 0; n < 5; n++) await tryOf(strangers, { code: wrong(strangers.code) })
    expect(await tryOf(strangers)).toBe('code_exhausted')
    expect(await tryOf(hers, { binding: strangers.binding })).toBe('code_exhausted')
    expect(await tryOf(hers)).toBe('right')
  })

  test('wrong_codes_in_two_attempts_tell_nobody_whether_there_is_an_account', async () => {
    const trace = async (keys: string[], decoy: boolean) => {
      const to = `${uuid()}@example.com`
      const seen: unknown[] = []
      const attempts: Asked[] = []
      for (const key of keys) {
        const { asked, result } = await ask({ ...owned(), key, to, binding: uuid(), decoy })
        attempts.push(asked)
        seen.push(result)
        later(31_000)
      }
      for (const { code: _, ...attempt } of [...attempts, ...attempts])
        for (let n = 0; n < 5; n++) seen.push(await otp.verify({ ...attempt, code: '000000' }))
      return seen
    }
    const key = uuid()
    const somebodys = await trace([key, key], false)
    expect(await trace([uuid(), uuid()], true)).toEqual(somebodys)
  })

  test('a_browser_that_the_account_knows_gets_and_types_its_code_whatever_strangers_did', async () => {
    const ada = owned()
    expect(await floodOf(ada)).toBe(30)
    const stranger = await ask({ ...ada, binding: uuid() })
    expect(stranger.result).toMatchObject({ ok: false, refusal: { code: 'rate_limited' } })
    const known = await sent({ ...ada, binding: uuid(), device: 'laptop' })
    expect(await tryOf(known, { code: wrong(known.code) })).toBe('code_wrong')
    expect(await tryOf(known)).toBe('right')
    // Nor do her right codes buy strangers another day's guesses.
    expect(await tryOf(known, { device: null })).toBe('rate_limited')
  })

  test('known_browsers_have_thirty_guesses_a_day_between_them_also_all_at_once', async () => {
    const ada = owned()
    expect(await floodOf(ada)).toBe(30)
    const guesses = await Promise.all(
      Array.from({ length: 12 }, async (_, n) => {
        const guess = { ...ada, binding: uuid(), device: `browser ${n}` }
        return Promise.all(Array.from({ length: 12 }, () => tryOf({ ...guess, code: '000000' })))
      }),
    )
    const compared = guesses.map((of) => of.filter((outcome) => outcome !== 'rate_limited').length)
    expect(compared.reduce((sum, n) => sum + n)).toBe(30)
    expect(Math.max(...compared)).toBeLessThanOrEqual(10)
  })

  test('two_right_codes_at_once_in_a_known_browser_are_good_once_and_give_one_try_back', async () => {
    const ada = owned()
    for (let round = 0; round < 8; round++) {
      const known = await sent({ ...ada, binding: uuid(), device: 'laptop' })
      const results = await Promise.all(Array.from({ length: 4 }, () => tryOf(known)))
      expect(results.filter((outcome) => outcome === 'right')).toHaveLength(1)
      later(61 * MINUTE)
    }
    // 24 of the 32 were no right ones: of the day's thirty six are left, and then the mailbox's thirty.
    const left: string[] = []
    for (let n = 0; n < 10; n++)
      left.push(await tryOf({ ...ada, binding: uuid(), device: `${n}`, code: '000000' }))
    expect(left).toEqual(Array(10).fill('code_expired'))
    const strangers: string[] = []
    for (let n = 0; n < 40; n++) {
      strangers.push(await tryOf({ ...ada, binding: uuid(), code: '000000' }))
      if (n % 9 === 8) later(61 * MINUTE)
    }
    expect(strangers.filter((outcome) => outcome !== 'rate_limited')).toHaveLength(26)
  })

  test('one_network_uses_up_half_a_day_of_a_mailbox_and_no_more', async () => {
    const ada = owned()
    let compared = 0
    for (let hour = 0; hour < 6; hour++) {
      for (let n = 0; n < 9; n++) {
        const guess = { ...ada, binding: uuid(), code: '000000', caller: from(1) }
        const result = await otp.verify(guess)
        if (!result.ok && result.refusal.code !== 'rate_limited') compared++
      }
      later(61 * MINUTE)
    }
    expect(compared).toBe(15)
    const elsewhere = await sent({ ...ada, binding: uuid() })
    expect(await otp.verify({ ...elsewhere, caller: from(2) })).toEqual({ ok: true, value: undefined })
  })
})

describe('sending', () => {
  test('a second code within 30 seconds is refused with the true time to wait', async () => {
    const first = await sent()
    later(10_000)
    const again = await ask(pick(first))
    expect(again.result).toMatchObject({
      ok: false,
      refusal: { code: 'rate_limited', retryAfterSeconds: 20 },
    })
    expect(await tryOf(first)).toBe('right')
    later(20_000)
    expect((await ask(pick(first))).result.ok).toBe(true)
  })

  test('thirty_requests_from_many_networks_and_flows_bring_one_recipient_five_mails', async () => {
    const name = uuid().slice(0, 8)
    const spellings = [`${name}@example.com`, `${name.toUpperCase()}@example.com`, `${name}+x@example.com`]
    const results = []
    for (let n = 0; n < 30; n++) {
      results.push(
        (await ask({ to: n % 3 === 2 ? `${name}+${n}@example.com` : (spellings[n % 3] ?? '') })).result,
      )
      later(31_000)
    }
    expect(results.filter((r) => r.ok)).toHaveLength(5)
    for (const r of results.slice(5)) {
      expect(r).toMatchObject({ ok: false, refusal: { code: 'rate_limited' } })
    }
    const last = results[29]
    later((last && !last.ok ? (last.refusal.retryAfterSeconds ?? 0) : 0) * 1000)
    expect((await ask({ to: spellings[0] })).result.ok).toBe(true)
  })

  test('a recipient gets twenty mails a day at most, also after a flush of Redis', async () => {
    const to = `${uuid()}@example.com`
    let passed = 0
    for (let n = 0; n < 12; n++) {
      for (let m = 0; m < 6; m++) if ((await ask({ to })).result.ok) passed++
      await stores.redis().flushdb()
      later(61 * MINUTE)
    }
    expect(passed).toBe(20)
  })

  test('one_network_cannot_send_to_a_hundred_recipients', async () => {
    const caller = testCaller({ ip: '192.0.2.1', ipPrefix: '192.0.2.1' })
    const results = await Promise.all(Array.from({ length: 60 }, () => ask({ caller })))
    expect(results.filter(({ result }) => result.ok)).toHaveLength(30)
    expect((await ask()).result.ok).toBe(true)
  })

  test('a refused request sends nothing and keeps the code that is out', async () => {
    const first = await sent()
    const before = await mailsTo('%')
    await ask(pick(first))
    expect(await mailsTo('%')).toBe(before)
    expect(await tryOf(first)).toBe('right')
  })
})

describe('a decoy', () => {
  test('decoy_and_real_give_the_same_answers_all_the_way', async () => {
    const trace = async (decoy: boolean) => {
      const to = `${uuid()}@example.com`
      const seen: unknown[] = []
      const first = await ask({ to, decoy })
      seen.push(first.result)
      const fields = await stores.redis().hgetall(redisKey('emailVerification', first.asked.key))
      seen.push(Object.entries(fields).map(([name, value]) => [name, value.length]))
      seen.push((await ask({ ...pick(first.asked), decoy })).result)
      for (let n = 0; n < 6; n++) seen.push(await otp.verify({ ...first.asked, code: wrong(first.code()) }))
      for (let n = 0; n < 6; n++) {
        later(31_000)
        seen.push((await ask({ ...pick(first.asked), decoy })).result)
      }
      later(11 * MINUTE)
      seen.push(await otp.verify({ ...first.asked, code: '123456' }))
      const { rows } = await stores.sql('SELECT count(*)::int AS owed FROM deliveries WHERE target LIKE $1', [
        `%to ${to.slice(0, 1)}…@example.com`,
      ])
      return { seen, to, owed: rows[0].owed }
    }
    await stores.sql('DELETE FROM deliveries')
    const real = await trace(false)
    await stores.sql('DELETE FROM deliveries')
    const decoy = await trace(true)
    expect(decoy.seen).toEqual(real.seen)
    expect(decoy.owed).toBe(5)
    expect(real.owed).toBe(5)
  })

  test('no_code_opens_a_decoy_and_its_mail_brings_none', async () => {
    const { asked, code } = await ask({ decoy: true })
    expect(await tryOf({ ...asked, code: code() })).toBe('code_wrong')
    await audit.drain()
    const mails = await mailbox.list({ to: asked.to })
    expect(mails).toHaveLength(1)
    expect(mails[0]?.codes).toEqual([])
    expect(mails[0]?.text).not.toContain(code())
    expect(mails[0]?.subject).not.toMatch(/confirm/i)
  })
})
