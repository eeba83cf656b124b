import { beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { testCaller, useStores } from '../testing'
import { claims, emails, keepsWayBack, normalizePhone, phones, register, waysBack } from './index'

const { sql } = useStores()
const caller = testCaller()

beforeAll(audit.migrate)

/** A mobile number nobody has had before. */
let count = 0
const fresh = () => `+49151${String(20_000_000 + count++)}`

async function person(): Promise<string> {
  const made = await inTx((tx) =>
    register(tx, { email: `${uuid()}@example.com`, verified: true, locale: 'en' }),
  )
  if (!made.ok) throw new Error('not registered')
  return made.value.id
}

async function added(userId: string, number: string) {
  const result = await phones.add(userId, { number }, caller)
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value
}

async function proven(userId: string, number = fresh()) {
  const claim = await added(userId, number)
  expect(await phones.verify(null, userId, number, caller)).toEqual({ ok: true, value: { fresh: true } })
  return claim
}

const codeOf = (result: { ok: true } | { ok: false; refusal: { code: string } }) =>
  result.ok ? 'ok' : result.refusal.code

describe('a number', () => {
  test.each([
    ['0151 2345 6789', 'DE', '+4915123456789'],
    ['(0)151/2345-6789', 'DE', '+4915123456789'],
    ['+49 151 23456789', 'US', '+4915123456789'],
    ['００１', undefined, null],
    ['+1 (213) 373-4253', undefined, '+12133734253'],
    ['079 123 45 67', 'CH', '+41791234567'],
  ])('%s in %s is %s', (typed, country, number) => {
    const found = normalizePhone(typed, country)
    expect(found.ok ? found.value : null).toBe(number)
  })

  test.each([
    ['a landline', '+49 30 901820', undefined],
    ['a premium rate', '+49 900 1234567', undefined],
    ['a toll-free one', '+1 800 555 0199', undefined],
    ['a satellite', '+881 6 1234 5678', undefined],
    ['no country', '0151 23456789', undefined],
    ['an unknown country', '0151 23456789', 'ZZ'],
    ['two numbers', '+4915123456789,+4915123456780', undefined],
    ['a text around it', 'call +4915123456789', undefined],
    ['an extension', '+4915123456789;ext=5', undefined],
    ['a vanity number', '+1 213 FLOWERS', undefined],
    ['a line break', '+49151\r\n23456789', undefined],
    ['too long', `+49151${'2'.repeat(60)}`, undefined],
    ['nothing', '', 'DE'],
  ])('refused: %s', (_what, typed, country) => {
    expect(normalizePhone(typed, country)).toMatchObject({
      ok: false,
      refusal: { code: 'invalid_phone', field: 'number' },
    })
  })

  test('operator_injection_as_a_number_is_refused', () => {
    for (const typed of [{ contains: '' }, ['+4915123456789'], null, 0]) {
      expect(normalizePhone(typed).ok).toBe(false)
    }
    expect(normalizePhone('0151 23456789', { toString: () => 'DE' }).ok).toBe(false)
    expect(normalizePhone('0151 23456789', '__proto__').ok).toBe(false)
  })
})

describe('a claim', () => {
  test('counts for nothing before it is proven', async () => {
    const userId = await person()
    const number = fresh()
    const claim = await added(userId, number)
    expect(claim).toMatchObject({ number, isPrimary: false, verifiedAt: null, taken: false })
    expect(await phones.ownerOf(number)).toBeNull()
    expect(await waysBack(null, userId)).toEqual({ emails: 1, phones: 0 })
    expect(await claims(userId, 'phone')).toEqual({})
  })

  test('unverified_claim_blocks_nobody_and_falls_to_the_owner', async () => {
    const [squatter, owner] = [await person(), await person()]
    const number = fresh()
    await added(squatter, number)
    await proven(owner, number)
    expect(await phones.list(squatter)).toEqual([])
    expect(codeOf(await phones.verify(null, squatter, number, caller))).toBe('already_exists')
    expect(await phones.ownerOf(number)).toBe(owner)
    const history = (await audit.list(squatter, { limit: 1 })).items
    expect(history[0]?.type).toBe('phone.claim_voided')
  })

  test('claim_after_the_owner_proved_it_looks_the_same_and_never_verifies', async () => {
    const [owner, late] = [await person(), await person()]
    const number = fresh()
    await proven(owner, number)
    const claim = await added(late, number)
    const { taken, ...seen } = claim
    expect(taken).toBe(true)
    expect(seen).toMatchObject({ number, verifiedAt: null, isPrimary: false })
    expect((await phones.list(late))[0]).not.toHaveProperty('taken')
    expect(codeOf(await phones.verify(null, late, number, caller))).toBe('already_exists')
  })

  test('of_ten_proofs_of_one_number_at_once_one_wins', async () => {
    const number = fresh()
    const people = await Promise.all(Array.from({ length: 5 }, person))
    for (const userId of people) await added(userId, number)
    const results = await Promise.all(people.map((userId) => phones.verify(null, userId, number, caller)))
    expect(results.filter(({ ok }) => ok)).toHaveLength(1)
    const { rows } = await sql('SELECT user_id FROM phones WHERE number = $1 AND verified_at IS NOT NULL', [
      number,
    ])
    expect(rows).toHaveLength(1)
  })

  test('there are five of at most, and the same one twice is one', async () => {
    const userId = await person()
    const number = fresh()
    expect((await added(userId, number)).id).toBe((await added(userId, number)).id)
    for (let n = 0; n < 4; n++) await added(userId, fresh())
    expect(codeOf(await phones.add(userId, { number: fresh() }, caller))).toBe('too_many')
    expect(await phones.list(userId)).toHaveLength(5)
  })

  test('of a verified number is refused', async () => {
    const userId = await person()
    const { number } = await proven(userId)
    expect(codeOf(await phones.add(userId, { number }, caller))).toBe('already_exists')
  })
})

describe('the primary', () => {
  test('is the first that is proven, and what apps learn', async () => {
    const userId = await person()
    const first = await proven(userId)
    const second = await proven(userId)
    expect(await claims(userId, 'phone')).toEqual({ phone_number: first.number, phone_number_verified: true })
    expect(await phones.makePrimary(null, userId, second.id, caller)).toMatchObject({
      value: { changed: true },
    })
    expect(await claims(userId, 'phone')).toMatchObject({ phone_number: second.number })
    expect((await phones.list(userId)).map(({ id, isPrimary }) => [id, isPrimary])).toEqual([
      [second.id, true],
      [first.id, false],
    ])
  })

  test('unverified_number_cannot_be_made_primary', async () => {
    const userId = await person()
    const { id } = await added(userId, fresh())
    expect(codeOf(await phones.makePrimary(null, userId, id, caller))).toBe('not_found')
  })

  test('moves on to the oldest proven one when it is removed', async () => {
    const userId = await person()
    const [first, second] = [await proven(userId), await proven(userId)]
    await added(userId, fresh())
    expect((await phones.remove(null, userId, first.id, caller)).ok).toBe(true)
    expect((await phones.list(userId))[0]).toMatchObject({ id: second.id, isPrimary: true })
  })
})

describe('ways back', () => {
  const withoutEmail = (userId: string) => sql('DELETE FROM emails WHERE user_id = $1', [userId])

  test('the last one cannot be removed, an unproven one always can', async () => {
    const userId = await person()
    const only = await proven(userId)
    const claim = await added(userId, fresh())
    await withoutEmail(userId)
    expect(codeOf(await phones.remove(null, userId, only.id, caller))).toBe('last_way_back')
    expect(codeOf(await phones.remove(null, userId, claim.id, caller))).toBe('ok')
    expect(await phones.list(userId)).toHaveLength(1)
  })

  test('two_removals_at_once_leave_one', async () => {
    const userId = await person()
    const both = [await proven(userId), await proven(userId)]
    await withoutEmail(userId)
    const results = await Promise.all(both.map(({ id }) => phones.remove(null, userId, id, caller)))
    expect(results.map(codeOf).sort()).toEqual(['last_way_back', 'ok'])
    expect(await waysBack(null, userId)).toEqual({ emails: 0, phones: 1 })
  })

  test('a number replaces an address, but not where no text messages are sent', async () => {
    const userId = await person()
    await proven(userId)
    const keep = () => inTx((tx) => keepsWayBack(tx, userId, { emails: 1 }))
    expect(codeOf(await keep())).toBe('ok')
    process.env.SMTP_URL = 'smtp://127.0.0.1:9'
    reloadEnv()
    try {
      expect(await waysBack(null, userId)).toEqual({ emails: 1, phones: 0 })
      expect(codeOf(await keep())).toBe('last_way_back')
      expect(codeOf(await phones.add(userId, { number: fresh() }, caller))).toBe('sms_off')
    } finally {
      delete process.env.SMTP_URL
      reloadEnv()
    }
  })
})

describe('of somebody else', () => {
  test('anothers_number_is_not_there', async () => {
    const [owner, other] = [await person(), await person()]
    const { id, number } = await proven(owner)
    expect(await phones.claim(other, id)).toBeNull()
    expect(codeOf(await phones.remove(null, other, id, caller))).toBe('not_found')
    expect(codeOf(await phones.makePrimary(null, other, id, caller))).toBe('not_found')
    expect(await phones.ownerOf(number)).toBe(owner)
    for (const bad of ['', 'x', "' OR 1=1", undefined as unknown as string]) {
      expect(await phones.claim(owner, bad)).toBeNull()
      expect(codeOf(await phones.remove(null, owner, bad, caller))).toBe('not_found')
    }
  })
})

test('every change is in the history', async () => {
  const userId = await person()
  const [first, second] = [await proven(userId), await proven(userId)]
  await phones.makePrimary(null, userId, second.id, caller)
  await phones.remove(null, userId, first.id, caller)
  const { items } = await audit.list(userId, { limit: 20 })
  expect(items.map(({ type }) => type).filter((type) => type.startsWith('phone.'))).toEqual([
    'phone.removed',
    'phone.made_primary',
    'phone.verified',
    'phone.added',
    'phone.verified',
    'phone.added',
  ])
  expect((await emails.list(userId)).length).toBe(1)
})
