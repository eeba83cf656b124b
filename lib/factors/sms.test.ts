import { beforeAll, beforeEach, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { mailbox } from '../notify'
import { testCaller, useStores } from '../testing'
import { otp } from './index'
import type { Begin } from './otp'

const stores = useStores()
const MINUTE = 60_000
const DAY = 24 * 60 * MINUTE

let at = Date.now()
const later = (ms: number) => {
  at += ms
}

beforeAll(audit.migrate)
beforeEach(async () => {
  setClock(() => at)
  // Another day for every test: no budget of one is spent by another.
  later(2 * DAY)
  await stores.redis().flushdb()
  await stores.sql('DELETE FROM deliveries')
})

let network = 0
const newNetwork = () => {
  network++
  const ip = `198.51.${(network >> 8) & 255}.${network & 255}`
  return testCaller({ ip, ipPrefix: ip })
}

let numbers = 0
/** A number in a block of ten thousand of its own. */
const lonely = () => `+49151${String(1000 + numbers++)}0001`

async function ask(overrides: Partial<Begin> = {}) {
  const asked = {
    purpose: 'phone_verification' as const,
    key: uuid(),
    to: lonely(),
    binding: uuid(),
    caller: newNetwork(),
    ...overrides,
  }
  let code = ''
  const result = await otp.begin({
    locale: 'en',
    link: (fresh) => {
      code = fresh
      return ''
    },
    ...asked,
  })
  return { asked, result, code }
}

const passed = (results: { result: { ok: boolean } }[]) => results.filter(({ result }) => result.ok).length
const refusalOf = ({ result }: { result: Awaited<ReturnType<typeof otp.begin>> }) =>
  result.ok ? 'ok' : result.refusal.code

async function several(count: number, make: (n: number) => Partial<Begin>) {
  const results = []
  for (let n = 0; n < count; n++) {
    results.push(await ask(make(n)))
    later(31_000)
  }
  return results
}

const owed = async () =>
  Number((await stores.sql("SELECT count(*) FROM deliveries WHERE kind = 'sms'")).rows[0].count)

describe('a code by text message', () => {
  test('comes to the number, is bound to it, and is good once', async () => {
    const { asked, result, code } = await ask()
    expect(result).toEqual({ ok: true, value: { resendInSeconds: 30, expiresInSeconds: 600 } })
    await audit.drain()
    const [sms] = await mailbox.list({ to: asked.to })
    expect(sms?.text).toContain(`@localhost #${code}`)
    const other = await otp.verify({ ...asked, code, to: lonely() })
    expect(other).toMatchObject({ ok: false, refusal: { code: 'code_wrong' } })
    expect(await otp.verify({ ...asked, code })).toEqual({ ok: true, value: undefined })
    expect(await otp.verify({ ...asked, code })).toMatchObject({ refusal: { code: 'code_expired' } })
  })

  test('a decoy brings its owner a text without a code, and no code matches', async () => {
    const { asked, code } = await ask({ decoy: true })
    await audit.drain()
    const [sms] = await mailbox.list({ to: asked.to })
    expect(sms?.codes).toEqual([])
    expect(sms?.text).not.toContain(code)
    expect(await otp.verify({ ...asked, code })).toMatchObject({ refusal: { code: 'code_wrong' } })
  })

  test('code_for_number_a_is_of_no_use_for_number_b', async () => {
    const key = uuid()
    const binding = uuid()
    const a = await ask({ key, binding })
    later(31_000)
    const b = await ask({ key, binding })
    // The newest code is b's; a's own died with it, and b's does not prove a.
    expect(await otp.verify({ ...a.asked, code: b.code })).toMatchObject({ refusal: { code: 'code_wrong' } })
    expect(await otp.verify({ ...b.asked, code: a.code })).toMatchObject(
      a.code === b.code ? { ok: true } : { refusal: { code: 'code_wrong' } },
    )
    if (a.code !== b.code) expect((await otp.verify({ ...b.asked, code: b.code })).ok).toBe(true)
  })
})

describe('pumping', () => {
  test('flooding_one_number_from_many_networks_and_accounts_brings_three_an_hour_and_six_a_day', async () => {
    const to = lonely()
    expect(passed(await several(20, () => ({ to })))).toBe(3)
    let day = 3
    for (let hour = 0; hour < 5; hour++) {
      later(61 * MINUTE)
      day += passed(await several(5, () => ({ to })))
    }
    expect(day).toBe(6)
    expect(await owed()).toBe(6)
  })

  test('one_network_gets_ten_unanswered_texts_a_day_whatever_the_accounts_and_numbers', async () => {
    const caller = newNetwork()
    expect(passed(await several(30, () => ({ caller })))).toBe(10)
    // Neither a flush of Redis nor another hour helps.
    await stores.redis().flushdb()
    later(2 * 60 * MINUTE)
    expect(refusalOf(await ask({ caller }))).toBe('rate_limited')
    expect((await ask()).result.ok).toBe(true)
  })

  test('one_account_gets_six_unanswered_texts_a_day_from_anywhere_to_anyone', async () => {
    const key = uuid()
    expect(passed(await several(12, () => ({ key })))).toBe(6)
  })

  test('a_row_of_numbers_gets_twenty_from_many_accounts_and_networks', async () => {
    const block = '+491522222'
    const to = (n: number) => `${block}${String(n).padStart(4, '0')}`
    expect(passed(await several(40, (n) => ({ to: to(n) })))).toBe(20)
    expect((await ask()).result.ok).toBe(true)
  })

  test('people_who_type_their_codes_spend_nothing_of_it', async () => {
    const caller = newNetwork()
    for (let n = 0; n < 25; n++) {
      const { asked, result, code } = await ask({ caller })
      expect(result.ok).toBe(true)
      expect((await otp.verify({ ...asked, code })).ok).toBe(true)
      later(31_000)
    }
  })

  test('answered_codes_pay_for_no_pumped_ones', async () => {
    const caller = newNetwork()
    const own = { key: uuid(), to: lonely() }
    let pumped = 0
    // The pumper answers a code of their own between any two pumped ones.
    for (let n = 0; n < 30; n++) {
      if ((await ask({ caller })).result.ok) pumped++
      const mine = await ask({ caller, ...own })
      if (mine.result.ok) await otp.verify({ ...mine.asked, code: mine.code })
      later((31 * 60_000) / 30)
    }
    expect(pumped).toBeLessThanOrEqual(10)
  })

  test('replaying_an_answered_code_gives_back_no_second_place', async () => {
    const caller = newNetwork()
    const { asked, code } = await ask({ caller })
    for (let n = 0; n < 5; n++) await otp.verify({ ...asked, code })
    expect(passed(await several(30, () => ({ caller })))).toBe(10)
  })

  test('the_day_has_a_ceiling_that_says_so', async () => {
    process.env.LIMIT_SMS_PER_DAY = '7'
    reloadEnv()
    try {
      const results = await several(12, () => ({}))
      expect(passed(results)).toBe(7)
      expect(results.slice(7).map(refusalOf)).toEqual(Array(5).fill('sms_spent'))
      const last = results.at(-1)?.result
      expect(last && !last.ok ? last.refusal.retryAfterSeconds : 0).toBeGreaterThan(80_000)
      later(DAY)
      expect((await ask()).result.ok).toBe(true)
    } finally {
      delete process.env.LIMIT_SMS_PER_DAY
      reloadEnv()
    }
  })

  test('hundred_at_once_pass_no_limit', async () => {
    const to = lonely()
    const results = await Promise.all(Array.from({ length: 100 }, () => ask({ to })))
    expect(passed(results)).toBe(3)
  })

  test('foreign_prefixes_are_refused_and_spend_nothing', async () => {
    Object.assign(process.env, {
      SMS_DRIVER: 'webhook',
      SMS_COUNTRIES: 'DE',
      SMS_WEBHOOK_URL: 'http://127.0.0.1:9',
      SMS_WEBHOOK_SECRET: 'x'.repeat(32),
    })
    reloadEnv()
    try {
      const caller = newNetwork()
      for (const to of ['+18762101234', '+79261234567', '+37127123456', '+491']) {
        expect(refusalOf(await ask({ to, caller }))).toBe('phone_country')
      }
      expect(await owed()).toBe(0)
      expect(passed(await several(12, () => ({ caller })))).toBe(10)
    } finally {
      for (const name of ['SMS_DRIVER', 'SMS_COUNTRIES', 'SMS_WEBHOOK_URL', 'SMS_WEBHOOK_SECRET']) {
        delete process.env[name]
      }
      reloadEnv()
    }
  })
})

test('switched_off_text_messages_are_off_for_every_caller', async () => {
  process.env.SMTP_URL = 'smtp://127.0.0.1:9'
  reloadEnv()
  try {
    expect(refusalOf(await ask())).toBe('sms_off')
  } finally {
    delete process.env.SMTP_URL
    reloadEnv()
  }
})
