import { Redis } from 'ioredis'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { uuid } from '../base/ids'
import { testCaller, useStores } from '../testing'
import * as users from './index'

const stores = useStores()
const caller = testCaller()

const add = (email: string, more: Partial<users.Registration> = {}) =>
  inTx((tx) => users.register(tx, { email, verified: true, locale: 'en', caller, ...more }))

async function added(email: string, more: Partial<users.Registration> = {}): Promise<string> {
  const result = await add(email, more)
  if (!result.ok) throw new Error(result.refusal.code)
  return result.value.id
}

const claim = (userId: string, address: string) =>
  stores.sql('INSERT INTO emails (user_id, address) VALUES ($1, $2)', [userId, address])

const typesOf = async (userId: string) =>
  (await audit.list(userId, { limit: 50 })).items.map(({ type }) => type)

const count = async (text: string, values: unknown[]) =>
  Number((await stores.sql(text, values)).rows[0].count)

describe('register', () => {
  const heard: { channel: string; userId: string; at: string }[] = []
  let listener: Redis

  beforeAll(async () => {
    listener = new Redis(process.env.REDIS_URL ?? '')
    await listener.subscribe('user:created', 'user:updated')
    listener.on('message', (channel, text) => heard.push({ channel, ...JSON.parse(text) }))
  })
  afterAll(() => listener.disconnect())

  test('writes user, profile, address, role and event, and says so after the commit', async () => {
    const id = await added('Mara.Voss@Example.com', { firstName: ' Mara ', lastName: 'Voss', locale: 'de' })
    expect(await users.get(id)).toMatchObject({
      id,
      status: 'active',
      email: 'Mara.Voss@example.com',
      emailVerified: true,
      name: 'Mara Voss',
      locale: 'de',
      roles: ['user'],
      sessionVersion: 1,
    })
    expect(await typesOf(id)).toEqual(['user.registered'])
    await expect
      .poll(() => heard.filter((m) => m.userId === id))
      .toEqual([{ channel: 'user:created', userId: id, at: expect.any(String) }])
  })

  test('says nothing and keeps nothing when the transaction rolls back', async () => {
    const id = uuid()
    await expect(
      inTx(async (tx) => {
        await users.register(tx, { id, email: 'rolled@example.com', verified: true, locale: 'en' })
        throw new Error('later step failed')
      }),
    ).rejects.toThrow('later step failed')
    const marker = await added('marker@example.com')
    await expect.poll(() => heard.some((m) => m.userId === marker)).toBe(true)
    expect(heard.some((m) => m.userId === id)).toBe(false)
    expect(await users.get(id)).toBeNull()
  })

  test('keeps the id given out before', async () => {
    const id = uuid()
    expect(await added('before@example.com', { id })).toBe(id)
  })

  test('takes extra roles and refuses none that do not exist silently', async () => {
    const id = await added('admin@example.com', { roles: ['admin'] })
    expect((await users.get(id))?.roles).toEqual(['admin', 'user'])
    await expect(add('nobody@example.com', { roles: ['no such role'] })).rejects.toThrow()
  })

  test('a taken address is refused, writes nothing and leaves the transaction good', async () => {
    await added('taken@example.com')
    const id = uuid()
    const outcome = await inTx(async (tx) => {
      const first = await users.register(tx, { id, email: 'TAKEN@example.com', verified: true, locale: 'en' })
      const second = await users.register(tx, { email: 'free@example.com', verified: true, locale: 'en' })
      return [first, second]
    })
    expect(outcome).toMatchObject([{ ok: false, refusal: { code: 'email_taken' } }, { ok: true }])
    expect(await users.get(id)).toBeNull()
    expect(await count('SELECT count(*) FROM profiles WHERE user_id = $1', [id])).toBe(0)
  })

  test('twenty_registrations_at_once_of_one_address_in_case_variants_make_one_user', async () => {
    const name = 'parallel'
    const variants = Array.from({ length: 20 }, (_, n) =>
      [...name].map((c, i) => ((n >> (i % 5)) & 1 ? c.toUpperCase() : c)).join(''),
    )
    const results = await Promise.all(
      variants.map((v, n) => add(`${v}@${n % 2 ? 'EXAMPLE' : 'example'}.com`)),
    )
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    for (const r of results) if (!r.ok) expect(r.refusal.code).toBe('email_taken')
    expect(await count("SELECT count(*) FROM emails WHERE address = 'parallel@example.com'", [])).toBe(1)
    expect(
      await count(
        'SELECT count(*) FROM users u WHERE NOT EXISTS (SELECT FROM emails WHERE user_id = u.id)',
        [],
      ),
    ).toBe(0)
  })

  test('an_unverified_claim_blocks_nobody_and_falls_to_the_owner', async () => {
    const trap = await added('owner@example.com', { verified: false })
    const active = await added('somebody@example.com')
    await claim(active, 'owner@example.com')
    expect(await users.find({ email: 'owner@example.com' })).toMatchObject({ id: trap, status: 'pending' })

    const owner = await added('Owner@example.com')
    expect(await users.find({ email: 'owner@example.com' })).toMatchObject({ id: owner, status: 'active' })
    expect(await users.emails.list(trap)).toEqual([])
    expect(await users.emails.list(active)).toMatchObject([{ address: 'somebody@example.com' }])
    // The account that never proved anything loses its sessions, the other only the claim.
    expect((await users.get(trap))?.sessionVersion).toBe(2)
    expect((await users.get(active))?.sessionVersion).toBe(1)
    expect(await typesOf(trap)).toContain('email.claim_voided')
    expect(await typesOf(active)).toContain('email.claim_voided')
  })
})

describe('find', () => {
  test('finds by any verified address in any case, and nobody by an unverified one of an active user', async () => {
    const id = await added('first@example.com')
    await claim(id, 'second@example.com')
    expect(await users.find({ email: 'second@example.com' })).toBeNull()
    await stores.sql("UPDATE emails SET verified_at = now() WHERE address = 'second@example.com'")
    expect((await users.find({ email: 'SECOND@example.COM' }))?.id).toBe(id)
    expect((await users.find({ email: ' first@example.com ' }))?.email).toBe('first@example.com')
  })

  test('operator_injection_finds_nobody', async () => {
    await added('there@example.com')
    const attacks: unknown[] = [
      { contains: '' },
      { not: null },
      ['there@example.com'],
      { toString: () => 'there@example.com' },
      JSON.parse('{"__proto__": {"startsWith": "t"}}'),
      "' OR 1=1 --",
      '%@example.com',
      null,
      undefined,
      7,
    ]
    for (const email of attacks) expect(await users.find({ email: email as string })).toBeNull()
    for (const id of attacks) {
      expect(await users.get(id as string)).toBeNull()
      expect(await users.profile.get(id as string)).toBeNull()
      expect(await users.emails.list(id as string)).toEqual([])
      expect(await users.claims(id as string, ['profile'])).toEqual({})
      expect(await users.disable(id as string, { actor: 'operator' })).toMatchObject({ ok: false })
      expect(await users.avatar(id as string)).toBeNull()
    }
  })

  test('operator_injection_into_the_list_is_a_plain_text_search', async () => {
    for (const query of [{ contains: '' }, ['a'], JSON.parse('{"__proto__":{}}')]) {
      expect((await users.list({ query: query as string, limit: 3 })).items).toHaveLength(3)
    }
    for (const query of ['%', '_', '\\', "' OR ''='", 'x'.repeat(10_000)]) {
      expect((await users.list({ query, limit: 5 })).items).toEqual([])
    }
    for (const after of ['x', '[]', Buffer.from('["1"]').toString('base64url'), ['a'] as unknown as string]) {
      expect((await users.list({ after, limit: 1 })).items).toHaveLength(1)
    }
  })
})

describe('emails.verify', () => {
  const verify = (id: string, address: string) => inTx((tx) => users.emails.verify(tx, id, address, caller))

  test('the first proven address makes a pending user active and is the primary', async () => {
    const id = await added('pending@example.com', { verified: false })
    await claim(id, 'other@example.com')
    expect(await verify(id, 'Other@example.com')).toEqual({ ok: true, value: undefined })
    expect(await users.get(id)).toMatchObject({ status: 'active', email: 'other@example.com' })
    expect(await users.emails.list(id)).toMatchObject([
      { address: 'other@example.com', isPrimary: true },
      { address: 'pending@example.com', isPrimary: false, verifiedAt: null },
    ])
    expect(await verify(id, 'other@example.com')).toMatchObject({ ok: true })
    expect((await typesOf(id)).filter((type) => type === 'email.verified')).toHaveLength(1)
  })

  test('a second proven address does not become the primary', async () => {
    const id = await added('primary@example.com')
    await claim(id, 'more@example.com')
    await verify(id, 'more@example.com')
    expect((await users.get(id))?.email).toBe('primary@example.com')
  })

  test('an_address_that_was_never_claimed_cannot_be_verified', async () => {
    const id = await added('mine@example.com')
    expect(await verify(id, 'not-mine@example.com')).toMatchObject({ refusal: { code: 'not_found' } })
    await added('theirs@example.com')
    expect(await verify(id, 'theirs@example.com')).toMatchObject({ refusal: { code: 'email_taken' } })
  })

  test('two_users_verifying_one_address_at_once_leave_one_owner', async () => {
    const rivals = await Promise.all([0, 1, 2, 3].map((n) => added(`rival${n}@example.com`)))
    for (const id of rivals) await claim(id, 'prize@example.com')
    const results = await Promise.all(rivals.map((id) => verify(id, 'prize@example.com')))
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    for (const r of results) if (!r.ok) expect(r.refusal.code).toBe('email_taken')
    expect(await count("SELECT count(*) FROM emails WHERE address = 'prize@example.com'", [])).toBe(1)
    const winner = rivals[results.findIndex((r) => r.ok)]
    expect((await users.find({ email: 'prize@example.com' }))?.id).toBe(winner)
  })

  test('registration_and_verification_of_one_address_at_once_leave_one_owner', async () => {
    const id = await added('racer@example.com')
    await claim(id, 'line@example.com')
    const results = await Promise.all([verify(id, 'line@example.com'), add('LINE@example.com')])
    expect(results.filter((r) => r.ok)).toHaveLength(1)
    expect(await count("SELECT count(*) FROM emails WHERE address = 'line@example.com'", [])).toBe(1)
  })
})

describe('profile', () => {
  test('changes what is given, keeps the rest, notes which fields', async () => {
    const id = await added('profile@example.com', { firstName: 'Ida' })
    const before = await users.profile.get(id)
    setClock(() => Date.now() + 60_000)
    const result = await users.profile.update(
      id,
      { lastName: 'Falk', displayName: 'Ida F.', locale: 'DE-at', timezone: 'europe/vienna' },
      caller,
    )
    setClock(null)
    expect(result.ok).toBe(true)
    const after = await users.profile.get(id)
    expect(after).toMatchObject({
      firstName: 'Ida',
      lastName: 'Falk',
      name: 'Ida F.',
      locale: 'de-AT',
      timezone: 'Europe/Vienna',
    })
    expect(after?.updatedAt.getTime()).toBeGreaterThan(before?.updatedAt.getTime() ?? 0)
    const [event] = (await audit.list(id, { limit: 1 })).items
    expect(event).toMatchObject({
      type: 'profile.updated',
      data: { fields: ['lastName', 'displayName', 'timezone', 'locale'] },
    })
    await users.profile.update(id, { lastName: ' ', displayName: null, timezone: '' }, caller)
    expect(await users.profile.get(id)).toMatchObject({ lastName: null, name: 'Ida', timezone: null })
  })

  test('changing nothing writes no event', async () => {
    const id = await added('same@example.com', { firstName: 'Ida' })
    await users.profile.update(id, { firstName: 'Ida', lastName: null, locale: 'en' }, caller)
    await users.profile.update(id, {}, caller)
    expect(await typesOf(id)).toEqual(['user.registered'])
  })

  test('control characters, bidirectional controls and line breaks are stripped; joiners stay', async () => {
    const id = await added('strip@example.com')
    await users.profile.update(
      id,
      {
        firstName: ' a\u0000\u001b[31mb\u202ec\r\n\u2028d ',
        displayName: 'نرگس\u200cخاتون',
        lastName: 'u\u0308',
      },
      caller,
    )
    expect(await users.profile.get(id)).toMatchObject({
      firstName: 'a[31mbc d',
      displayName: 'نرگس\u200cخاتون',
      lastName: 'ü',
    })
  })

  test.each([
    ['firstName', 'x'.repeat(81)],
    ['firstName', 'x'.repeat(100_000)],
    ['lastName', { contains: '' }],
    ['displayName', ['a']],
    ['displayName', 7],
    ['locale', 'not a locale'],
    ['locale', ''],
    ['locale', null],
    ['timezone', 'Mars/Olympus'],
    ['timezone', '+02:00'],
    ['timezone', '../../etc/passwd'],
  ])('%s refuses what it cannot be (%#)', async (field, value) => {
    const id = await added(`refuse-${uuid()}@example.com`)
    expect(await users.profile.update(id, { [field]: value }, caller)).toMatchObject({
      ok: false,
      refusal: { code: 'invalid_input', field },
    })
  })

  test('80 code points are accepted, however many code units they are', async () => {
    const id = await added('emoji@example.com')
    const name = '😀'.repeat(80)
    expect((await users.profile.update(id, { displayName: name }, caller)).ok).toBe(true)
    expect((await users.profile.get(id))?.displayName).toBe(name)
  })

  test('mass_assignment_through_the_profile_changes_nothing_else', async () => {
    const id = await added('mass@example.com', { verified: false })
    const victim = await added('victim@example.com', { firstName: 'Victim' })
    const rows = async () =>
      JSON.stringify([
        (await stores.sql('SELECT * FROM users WHERE id = ANY($1) ORDER BY id', [[id, victim]])).rows,
        (await stores.sql('SELECT * FROM emails WHERE user_id = ANY($1) ORDER BY id', [[id, victim]])).rows,
        (await stores.sql('SELECT * FROM user_roles WHERE user_id = ANY($1)', [[id, victim]])).rows,
        (await stores.sql('SELECT * FROM profiles WHERE user_id = $1', [victim])).rows,
      ])
    const before = await rows()
    const patch = JSON.parse(`{
      "firstName": "Mallory", "id": "${victim}", "userId": "${victim}", "user_id": "${victim}",
      "emailVerified": true, "email_verified": true, "verifiedAt": "2020-01-01", "phoneVerified": true,
      "email": "victim@example.com", "role": "admin", "roles": ["admin"], "defaultRole": "admin",
      "status": "active", "sessionVersion": 99, "createdAt": "2000-01-01", "metadata": {"admin": true},
      "webauthnHandle": "00", "user": {"update": {"status": "active"}}, "__proto__": {"locale": "de"},
      "constructor": {"prototype": {"locale": "de"}}
    }`)
    expect((await users.profile.update(id, patch, caller)).ok).toBe(true)
    expect((await users.profile.get(id))?.firstName).toBe('Mallory')
    expect(await rows()).toBe(before)
  })

  test('nobody and non-objects are refused', async () => {
    expect(await users.profile.update(uuid(), { firstName: 'x' }, caller)).toMatchObject({
      refusal: { code: 'not_found' },
    })
    const id = await added('shape@example.com')
    for (const patch of [null, 'x', 7, undefined]) {
      expect((await users.profile.update(id, patch as never, caller)).ok).toBe(false)
    }
  })
})

describe('standing', () => {
  test('disabling bumps the session version once, keeps the reason, is told and can be undone', async () => {
    const id = await added('standing@example.com')
    const why = { reason: 'asked\nto', actor: 'operator' }
    expect((await users.disable(id, why)).ok).toBe(true)
    expect((await users.disable(id, why)).ok).toBe(true)
    expect(await users.get(id)).toMatchObject({
      status: 'disabled',
      sessionVersion: 2,
      disabledReason: 'asked to',
      disabledAt: expect.any(Date),
    })
    expect(await users.claims(id, ['profile', 'email', 'roles'])).toEqual({})
    expect((await users.enable(id, { actor: 'operator' })).ok).toBe(true)
    expect(await users.get(id)).toMatchObject({ status: 'active', sessionVersion: 2, disabledReason: null })
    expect(await typesOf(id)).toEqual(['user.enabled', 'user.disabled', 'user.registered'])
  })

  test('an enabled user without a proven address is pending again', async () => {
    const id = await added('unproven@example.com', { verified: false })
    await users.disable(id, { actor: 'operator' })
    await users.enable(id, { actor: 'operator' })
    expect((await users.get(id))?.status).toBe('pending')
    expect(await users.disable(uuid(), { actor: 'operator' })).toMatchObject({
      refusal: { code: 'not_found' },
    })
  })
})

describe('claims', () => {
  test('tells each scope its standard claims and nothing unknown', async () => {
    const id = await added('Claims@example.com', { firstName: 'Ada', lastName: 'Byron', roles: ['admin'] })
    await stores.sql("INSERT INTO phones (user_id, number, is_primary) VALUES ($1, '+4915112345678', true)", [
      id,
    ])
    expect(await users.claims(id, ['openid'])).toEqual({})
    expect(await users.claims(id, 'openid email')).toEqual({
      email: 'Claims@example.com',
      email_verified: true,
    })
    expect(await users.claims(id, new Set(['profile', 'phone', 'roles']))).toEqual({
      name: 'Ada Byron',
      given_name: 'Ada',
      family_name: 'Byron',
      locale: 'en',
      updated_at: expect.any(Number),
      phone_number: '+4915112345678',
      phone_number_verified: false,
      roles: ['admin', 'user'],
    })
  })

  test('an unverified address is said to be unverified', async () => {
    const id = await added('unsure@example.com', { verified: false })
    expect(await users.claims(id, ['email'])).toEqual({ email: 'unsure@example.com', email_verified: false })
  })
})

describe('list', () => {
  test('pages newest first through users of one millisecond without gap or repetition', async () => {
    const at = Date.now() + 3_600_000
    setClock(() => at)
    const ids = new Set<string>()
    for (let n = 0; n < 7; n++) ids.add(await added(`page${n}@list.example`))
    setClock(null)
    const seen: string[] = []
    let after: string | undefined
    for (let turn = 0; turn < 4; turn++) {
      const { items, next } = await users.list({ limit: 2, after })
      seen.push(...items.map(({ id }) => id))
      after = next ?? undefined
    }
    expect(new Set(seen).size).toBe(8)
    expect(new Set(seen.slice(0, 7))).toEqual(ids)
  })

  test('searches addresses and names by prefix in any case, each user once, over pages', async () => {
    await added('zebra.one@example.com', { firstName: 'Zebra', lastName: 'Zebrawski' })
    await added('zebra.two@example.com')
    await added('other-z@example.com', { displayName: 'ZEBRA Crossing' })
    await added('other-y@example.com', { lastName: 'Zebrano' })
    const decoy = await added('crossing-zebra@example.com')
    const seen: string[] = []
    let after: string | undefined
    do {
      const { items, next } = await users.list({ query: 'zEbRa', limit: 1, after })
      seen.push(...items.map(({ id }) => id))
      after = next ?? undefined
    } while (after)
    expect(seen).toHaveLength(4)
    expect(new Set(seen).size).toBe(4)
    expect(seen).not.toContain(decoy)
    expect((await users.list({ query: 'zebra.t', limit: 9 })).items).toHaveLength(1)
  })

  test('a limit is bounded', async () => {
    for (const limit of [0, -1, Number.NaN, 10_000]) {
      const { items } = await users.list({ limit })
      expect(items.length).toBeGreaterThan(0)
      expect(items.length).toBeLessThanOrEqual(100)
    }
  })
})
