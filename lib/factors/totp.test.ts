import { createHmac } from 'node:crypto'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as audit from '../audit'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { log } from '../base/log'
import type { Result } from '../base/refusals'
import { forgetKeys } from '../base/secrets'
import { testCaller, useStores } from '../testing'
import { enrolled, totp } from './index'
import { stepOf } from './totp-code'

const stores = useStores()
const caller = testCaller()
const FIRST_SECRET = 'test-secret-test-secret-test-secret-0001'
const NEXT_SECRET = 'next-secret-next-secret-next-secret-0002'

let at = 1_900_000_000_000
const later = (seconds: number) => {
  at += seconds * 1000
}
beforeEach(() => setClock(() => at))
afterEach(() => {
  setClock(null)
  vi.restoreAllMocks()
})

/** RFC 4648 section 6 and RFC 4226 section 5.3 by hand: what is tested does not test itself. */
function unbase32(text: string): Buffer {
  let bits = ''
  for (const letter of text)
    bits += 'ABCDEFGHIJKLMNOPQRSTUVWXYZ234567'.indexOf(letter).toString(2).padStart(5, '0')
  return Buffer.from(bits.match(/.{8}/g)?.map((byte) => Number.parseInt(byte, 2)) ?? [])
}
function hotp(secret: Buffer, counter: number): string {
  const message = Buffer.alloc(8)
  message.writeBigUInt64BE(BigInt(counter))
  const mac = createHmac('sha1', secret).update(message).digest()
  const from = (mac.at(-1) ?? 0) & 15
  return String((mac.readUInt32BE(from) & 0x7fffffff) % 1_000_000).padStart(6, '0')
}
const now = () => Math.floor(at / 30_000)
const codeOf = (secret: string, offset = 0) => hotp(unbase32(secret), now() + offset)
/** A code that none of these secrets has anywhere near. */
function wrongFor(...secrets: string[]): string {
  const right = secrets.flatMap((s) => [-2, -1, 0, 1, 2].map((offset) => codeOf(s, offset)))
  return (
    [
      '000000',
      '111111',
      '222222',
      '333333',
      '444444',
      '555555',
      '666666',
      '777777',
      '888888',
      '999999',
      '123456',
      '654321',
      '121212',
      '343434',
      '565656',
      '787878',
      '909090',
      '010101',
      '020202',
      '030303',
      '040404',
      '050505',
      '060606',
      '070707',
      '080808',
      '111222',
      '222111',
    ].find((code) => !right.includes(code)) ?? ''
  )
}

async function user(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id`)
  return rows[0].id
}

const word = (result: Result<unknown>) => (result.ok ? 'ok' : result.refusal.code)
const verify = async (userId: string, code: string) => word(await totp.verify(userId, code, caller))

async function begin(userId: string, binding = 'browser') {
  const begun = await totp.begin(userId, { label: 'ada@example.com', binding })
  if (!begun.ok) throw new Error(begun.refusal.code)
  return begun.value
}
const confirm = (userId: string, code: string, binding = 'browser', name = 'Phone') =>
  inTx((tx) => totp.confirm(tx, userId, { code, name, binding }, caller))

/** Someone with an authenticator whose codes of the last two minutes are all unused. */
async function owner(): Promise<{ userId: string; secret: string; id: string }> {
  const userId = await user()
  return { userId, ...(await another(userId)) }
}
async function another(userId: string, name = 'Phone'): Promise<{ secret: string; id: string }> {
  const { secret } = await begin(userId)
  const made = await confirm(userId, codeOf(secret), 'browser', name)
  if (!made.ok) throw new Error(made.refusal.code)
  later(120)
  return { secret, id: made.value.id }
}

const eventsOf = async (userId: string) =>
  (await audit.list(userId, { limit: 200 })).items.map(({ type, outcome, data }) => ({ type, outcome, data }))

describe('the arithmetic', () => {
  interface Vectors {
    seeds: { SHA1: string }
    vectors: [seconds: number, sha1: string, sha256: string, sha512: string][]
    hotp: { seed: string; codes: string[] }
  }
  const file = path.join(import.meta.dirname, '../testing/vectors/totp-rfc6238.json')
  const published: Vectors = JSON.parse(readFileSync(file, 'utf8'))
  /** Of the seed "12345678901234567890" of both RFCs. */
  const SEED = 'GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ'

  test('the seed is that of the vectors', () => {
    expect(unbase32(SEED).toString()).toBe(published.seeds.SHA1)
    expect(unbase32(SEED).toString()).toBe(published.hotp.seed)
  })

  test.each(published.vectors)('RFC 6238 appendix B at %i s', (seconds, eightDigits) => {
    setClock(() => seconds * 1000)
    // Six digits of the same number are its last six.
    expect(stepOf(SEED, eightDigits.slice(2))).toBe(Math.floor(seconds / 30))
  })

  test.each(published.hotp.codes.map((code, counter) => [counter, code] as const))(
    'RFC 4226 appendix D, counter %i',
    (counter, code) => {
      setClock(() => counter * 30_000)
      expect(stepOf(SEED, code)).toBe(counter)
    },
  )
})

describe('setting up', () => {
  test('shows one secret in every form, and a code of it makes the authenticator', async () => {
    const userId = await user()
    const shown = await begin(userId)
    expect(unbase32(shown.secret)).toHaveLength(20)
    expect(shown.groups).toHaveLength(8)
    expect(shown.groups.join('')).toBe(shown.secret)
    const uri = new URL(shown.uri)
    expect(uri.protocol + uri.host).toBe('otpauth:totp')
    expect(decodeURIComponent(uri.pathname)).toBe('/Gatehouse:ada@example.com')
    expect(Object.fromEntries(uri.searchParams)).toEqual({ secret: shown.secret, issuer: 'Gatehouse' })
    expect(shown.qr).toMatch(/^<svg .*viewBox="0 0 \d+ \d+".*<\/svg>$/s)
    expect(shown.qr).not.toMatch(/ (width|height)=/)
    const made = await confirm(userId, codeOf(shown.secret), 'browser', '  My   phone ')
    expect(made).toMatchObject({ ok: true, value: { name: 'My phone' } })
    expect(await totp.list(userId)).toMatchObject([{ name: 'My phone', lastUsedAt: null }])
    expect(await enrolled(userId)).toMatchObject({ totp: 1 })
    expect(await eventsOf(userId)).toMatchObject([{ type: 'totp.added', data: { name: 'My phone' } }])
  })

  test('names with colons and any script make a readable uri', async () => {
    const begun = await totp.begin(await user(), { label: 'a:b@example.com/Ünï&?=', binding: 'b' })
    const uri = new URL(begun.ok ? begun.value.uri : '')
    expect(decodeURIComponent(uri.pathname)).toBe('/Gatehouse:a b@example.com/Ünï&?=')
    expect([...uri.searchParams.keys()]).toEqual(['secret', 'issuer'])
  })

  test('a reload shows the same secret until the time is up', async () => {
    const userId = await user()
    const shown = await begin(userId)
    later(14 * 60)
    expect(await begin(userId)).toEqual(shown)
    expect(await totp.pending(userId, 'browser')).toEqual(shown)
    later(61)
    expect(await totp.pending(userId, 'browser')).toBeNull()
    expect(word(await confirm(userId, codeOf(shown.secret)))).toBe('enrolment_over')
    expect((await begin(userId)).secret).not.toBe(shown.secret)
  })

  test('two begun at once in one browser are one', async () => {
    const userId = await user()
    const all = await Promise.all(Array.from({ length: 6 }, () => begin(userId)))
    expect(new Set(all.map(({ secret }) => secret)).size).toBe(1)
  })

  test('secret_begun_in_one_session_confirmed_in_another', async () => {
    const userId = await user()
    const { secret } = await begin(userId, 'mine')
    expect(await totp.pending(userId, 'theirs')).toBeNull()
    expect(word(await confirm(userId, codeOf(secret), 'theirs'))).toBe('enrolment_over')
    expect(word(await confirm(userId, codeOf(secret), 'mine'))).toBe('ok')
  })

  test('secret_begun_by_one_user_confirmed_by_another', async () => {
    const [mine, theirs] = [await user(), await user()]
    const { secret } = await begin(mine)
    expect(word(await confirm(theirs, codeOf(secret)))).toBe('enrolment_over')
    // Nor does it open when it is moved to their key.
    const fields = await stores.redis().hgetall(`pending_registration:${mine}`)
    await stores.redis().hset(`pending_registration:${theirs}`, fields)
    await expect(confirm(theirs, codeOf(secret))).rejects.toThrow()
    expect(await totp.list(theirs)).toEqual([])
  })

  test('set_up_begun_elsewhere_voids_the_older_one', async () => {
    const userId = await user()
    const older = await begin(userId, 'older')
    const newer = await begin(userId, 'newer')
    expect(newer.secret).not.toBe(older.secret)
    expect(word(await confirm(userId, codeOf(older.secret), 'older'))).toBe('enrolment_over')
    expect(word(await confirm(userId, codeOf(newer.secret), 'newer'))).toBe('ok')
  })

  test('unconfirmed_secret_cannot_sign_in', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    expect(await verify(userId, codeOf(secret))).toBe('totp_wrong')
    expect(await enrolled(userId)).toMatchObject({ totp: 0 })
  })

  test('a wrong code leaves it as it was, and the tenth wrong one is the last', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    for (let n = 0; n < 10; n++) expect(word(await confirm(userId, wrongFor(secret)))).toBe('totp_wrong')
    expect(word(await confirm(userId, codeOf(secret)))).toBe('enrolment_over')
    expect(await totp.pending(userId, 'browser')).toBeNull()
    expect(await totp.list(userId)).toEqual([])
  })

  test('hundred_confirmations_at_once_get_ten_tries', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    const wrong = wrongFor(secret)
    const words: string[] = []
    for (let n = 0; n < 10; n++) {
      words.push(...(await Promise.all(Array.from({ length: 10 }, () => confirm(userId, wrong)))).map(word))
    }
    expect(words.filter((w) => w === 'totp_wrong')).toHaveLength(10)
    expect(words.filter((w) => w === 'enrolment_over')).toHaveLength(90)
  })

  test('two_confirmations_at_the_same_instant_make_one_authenticator', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    const code = codeOf(secret)
    const words = (await Promise.all(Array.from({ length: 5 }, () => confirm(userId, code)))).map(word)
    expect(words.sort()).toEqual([
      'enrolment_over',
      'enrolment_over',
      'enrolment_over',
      'enrolment_over',
      'ok',
    ])
    expect(await totp.list(userId)).toHaveLength(1)
  })

  test('a set-up whose transaction rolls back can be confirmed again', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    await expect(
      inTx(async (tx) => {
        await totp.confirm(tx, userId, { code: codeOf(secret), name: 'Phone', binding: 'browser' }, caller)
        throw new Error('later step failed')
      }),
    ).rejects.toThrow('later step failed')
    expect(await totp.list(userId)).toEqual([])
    expect(word(await confirm(userId, codeOf(secret)))).toBe('ok')
    expect(await totp.pending(userId, 'browser')).toBeNull()
  })

  test('code_that_enrolled_signs_nobody_in', async () => {
    const userId = await user()
    const { secret } = await begin(userId)
    const code = codeOf(secret, 1)
    expect(word(await confirm(userId, code))).toBe('ok')
    expect(await verify(userId, code)).toBe('totp_used')
    expect(await verify(userId, codeOf(secret))).toBe('totp_used')
    later(60)
    expect(await verify(userId, codeOf(secret))).toBe('ok')
  })

  test('a user has five at most, also when the sixth began before', async () => {
    const userId = await user()
    for (let n = 0; n < 4; n++) await another(userId, `App ${n}`)
    const fifth = await begin(userId, 'one')
    const made = await confirm(userId, codeOf(fifth.secret), 'one')
    expect(word(made)).toBe('ok')
    expect(word(await totp.begin(userId, { label: 'ada', binding: 'two' }))).toBe('too_many')
    await inTx((tx) => totp.remove(tx, userId, made.ok ? made.value.id : '', caller))
    const sixth = await begin(userId, 'two')
    await stores.sql(`INSERT INTO totps (user_id, name, secret_sealed) VALUES ($1, 'x', 'x')`, [userId])
    expect(word(await confirm(userId, codeOf(sixth.secret), 'two'))).toBe('too_many')
    expect(await totp.list(userId)).toHaveLength(5)
  })

  test.each(['', '   ', 'x'.repeat(41), '\u202e', 'x'.repeat(5000)])('name %j is no name', async (name) => {
    const userId = await user()
    const { secret } = await begin(userId)
    const refused = await confirm(userId, codeOf(secret), 'browser', name)
    expect(refused).toMatchObject({ ok: false, refusal: { code: 'invalid_input', field: 'name' } })
    expect(word(await confirm(userId, codeOf(secret), 'browser', '🔑'.repeat(40)))).toBe('ok')
  })
})

describe('a code', () => {
  test.each([
    [-2, 'totp_wrong'],
    [-1, 'ok'],
    [0, 'ok'],
    [1, 'ok'],
    [2, 'totp_wrong'],
  ])('of step %i: %s', async (offset, expected) => {
    const { userId, secret } = await owner()
    expect(await verify(userId, codeOf(secret, offset))).toBe(expected)
  })

  test('says which authenticator it was, and when it was used last', async () => {
    const { userId, secret, id } = await owner()
    const second = await another(userId, 'Tablet')
    expect(await totp.verify(userId, codeOf(second.secret), caller)).toEqual({
      ok: true,
      value: { id: second.id, name: 'Tablet' },
    })
    expect(await totp.verify(userId, codeOf(secret), caller)).toMatchObject({ ok: true, value: { id } })
    later(30)
    expect(await verify(userId, codeOf(second.secret))).toBe('ok')
    const [phone, tablet] = await totp.list(userId)
    expect([phone?.lastUsedAt?.getTime(), tablet?.lastUsedAt?.getTime()]).toEqual([at - 30_000, at])
  })

  test('totp_code_is_good_once', async () => {
    const { userId, secret } = await owner()
    const code = codeOf(secret)
    expect(await verify(userId, code)).toBe('ok')
    expect(await verify(userId, code)).toBe('totp_used')
    later(30)
    expect(await verify(userId, code)).toBe('totp_used')
    expect((await eventsOf(userId)).slice(0, 2)).toMatchObject([
      { type: 'totp.failed', outcome: 'failure', data: { reason: 'used' } },
      { type: 'totp.failed', outcome: 'failure', data: { reason: 'used' } },
    ])
  })

  test('older_step_is_refused_after_a_newer_one', async () => {
    const { userId, secret } = await owner()
    expect(await verify(userId, codeOf(secret, 1))).toBe('ok')
    expect(await verify(userId, codeOf(secret, 0))).toBe('totp_used')
    expect(await verify(userId, codeOf(secret, -1))).toBe('totp_used')
  })

  test('twenty_requests_with_the_same_code_at_once_one_wins', async () => {
    const { userId, secret } = await owner()
    const code = codeOf(secret)
    const words = await Promise.all(Array.from({ length: 20 }, () => verify(userId, code)))
    expect(words.filter((w) => w === 'ok')).toHaveLength(1)
    expect(words.filter((w) => w === 'totp_used')).toHaveLength(19)
    expect((await eventsOf(userId)).filter(({ type }) => type === 'totp.used')).toHaveLength(1)
  })

  test('neighbouring_codes_at_once_never_go_backwards', async () => {
    const { userId, secret } = await owner()
    const codes = [-1, 0, 1].map((offset) => codeOf(secret, offset))
    await Promise.all(codes.map((code) => verify(userId, code)))
    for (const code of codes) expect(await verify(userId, code)).toBe('totp_used')
  })

  test('code_stays_used_when_redis_is_flushed', async () => {
    const { userId, secret } = await owner()
    const code = codeOf(secret)
    expect(await verify(userId, code)).toBe('ok')
    await stores.redis().flushdb()
    expect(await verify(userId, code)).toBe('totp_used')
  })

  test('nothing is good again when the clock is set back', async () => {
    const { userId, secret } = await owner()
    expect(await verify(userId, codeOf(secret))).toBe('ok')
    later(-3600)
    for (const offset of [-1, 0, 1]) expect(await verify(userId, codeOf(secret, offset))).toBe('totp_used')
    later(3600)
  })

  test('code_of_another_user', async () => {
    const [mine, theirs] = [await owner(), await owner()]
    const code = codeOf(theirs.secret)
    expect(code).not.toBe(codeOf(mine.secret))
    expect(await verify(mine.userId, code)).toBe('totp_wrong')
    expect(await verify(theirs.userId, code)).toBe('ok')
    expect(await verify(await user(), code)).toBe('totp_wrong')
  })

  test('of a removed authenticator is wrong', async () => {
    const { userId, secret, id } = await owner()
    const removed = await inTx((tx) => totp.remove(tx, userId, id, caller))
    expect(removed).toEqual({ ok: true, value: { name: 'Phone' } })
    expect(await verify(userId, codeOf(secret))).toBe('totp_wrong')
  })

  test('may be typed as apps show it', async () => {
    const { userId, secret } = await owner()
    const code = codeOf(secret)
    const wide = [...code].map((digit) => String.fromCharCode(digit.charCodeAt(0) + 0xfee0)).join('')
    expect(await verify(userId, ` ${wide.slice(0, 3)} ${code.slice(3)}\n`)).toBe('ok')
  })

  test.each([
    '',
    '12345',
    '1234567',
    'abcdef',
    '-123456-7',
    '0x1234',
    '१२३४५६',
    'x'.repeat(100_000),
    undefined,
    123456,
  ])('what is no code is wrong and writes nothing: %#', async (typed) => {
    const { userId } = await owner()
    expect(await verify(userId, typed as string)).toBe('totp_wrong')
    expect((await eventsOf(userId)).filter(({ type }) => type === 'totp.failed')).toEqual([])
  })

  test('wrong_code_is_an_event_without_the_code', async () => {
    const { userId, secret } = await owner()
    const wrong = wrongFor(secret)
    expect(await verify(userId, wrong)).toBe('totp_wrong')
    const [failed] = await eventsOf(userId)
    expect(failed).toEqual({ type: 'totp.failed', outcome: 'failure', data: { reason: 'wrong' } })
  })
})

describe('a secret at rest', () => {
  const useSecrets = (...secrets: string[]) => {
    process.env.GATEHOUSE_SECRET = secrets.join(',')
    reloadEnv()
    forgetKeys()
  }
  afterEach(() => useSecrets(FIRST_SECRET))
  const sealedOf = async (id: string): Promise<string> =>
    (await stores.sql('SELECT secret_sealed FROM totps WHERE id = $1', [id])).rows[0].secret_sealed

  test('no_secret_in_a_dump_of_either_store', async () => {
    const { userId, secret } = await owner()
    const waiting = await begin(userId)
    const rows = await Promise.all(
      ['totps', 'events', 'budgets'].map((table) => stores.sql(`SELECT t::text AS row FROM ${table} t`)),
    )
    const dump = [
      ...rows.flatMap((result) => result.rows.map(({ row }) => row)),
      JSON.stringify(await stores.redis().hgetall(`pending_registration:${userId}`)),
    ].join('\n')
    expect(dump).toContain(userId)
    for (const text of [secret, waiting.secret]) {
      const bytes = unbase32(text)
      for (const form of [text, bytes.toString('hex'), bytes.toString('base64'), bytes.toString('base64url')])
        expect(dump.toLowerCase()).not.toContain(form.toLowerCase())
    }
  })

  test('swapped_ciphertexts_do_not_open', async () => {
    const error = vi.spyOn(log(), 'error').mockReturnValue(undefined)
    const [mine, theirs] = [await owner(), await owner()]
    const swap = async () => {
      const [a, b] = [await sealedOf(mine.id), await sealedOf(theirs.id)]
      await stores.sql('UPDATE totps SET secret_sealed = $2 WHERE id = $1', [mine.id, b])
      await stores.sql('UPDATE totps SET secret_sealed = $2 WHERE id = $1', [theirs.id, a])
    }
    await swap()
    for (const secret of [mine.secret, theirs.secret]) {
      expect(await verify(mine.userId, codeOf(secret))).toBe('totp_wrong')
      expect(await verify(theirs.userId, codeOf(secret))).toBe('totp_wrong')
    }
    expect(error).toHaveBeenCalled()
    await swap()
    expect(await verify(mine.userId, codeOf(mine.secret))).toBe('ok')
  })

  test('swapped_between_two_authenticators_of_one_user_does_not_open', async () => {
    vi.spyOn(log(), 'error').mockReturnValue(undefined)
    const { userId, secret, id } = await owner()
    const second = await another(userId)
    await stores.sql('UPDATE totps SET secret_sealed = $2 WHERE id = $1', [second.id, await sealedOf(id)])
    await inTx((tx) => totp.remove(tx, userId, id, caller))
    expect(await verify(userId, codeOf(secret))).toBe('totp_wrong')
  })

  test('one that does not open keeps no other from working', async () => {
    vi.spyOn(log(), 'error').mockReturnValue(undefined)
    const { userId, secret } = await owner()
    const broken = await another(userId)
    await stores.sql(`UPDATE totps SET secret_sealed = 'v1.x.y' WHERE id = $1`, [broken.id])
    expect(await verify(userId, codeOf(secret))).toBe('ok')
  })

  test('keys rotate: old and new open, and use seals it anew', async () => {
    const { userId, secret, id } = await owner()
    const before = await sealedOf(id)
    useSecrets(NEXT_SECRET, FIRST_SECRET)
    const late = await another(userId)
    expect(await verify(userId, codeOf(secret))).toBe('ok')
    const after = await sealedOf(id)
    expect(after.split('.')[1]).not.toBe(before.split('.')[1])
    useSecrets(NEXT_SECRET)
    later(60)
    expect(await verify(userId, codeOf(secret))).toBe('ok')
    expect(await verify(userId, codeOf(late.secret))).toBe('ok')
    expect(await sealedOf(id)).toBe(after)
  })
})

describe('the list', () => {
  test('holds no secret', async () => {
    const { userId, secret } = await owner()
    const listed = await totp.list(userId)
    expect(Object.keys(listed[0] ?? {}).sort()).toEqual(['createdAt', 'id', 'lastUsedAt', 'name'])
    expect(JSON.stringify(listed)).not.toContain(secret)
  })

  test('renames', async () => {
    const { userId, id } = await owner()
    expect(word(await inTx((tx) => totp.rename(tx, userId, id, ' Work  phone ', caller)))).toBe('ok')
    expect(await totp.list(userId)).toMatchObject([{ id, name: 'Work phone' }])
    expect((await eventsOf(userId))[0]).toMatchObject({
      type: 'totp.renamed',
      data: { id, name: 'Work phone', before: 'Phone' },
    })
    expect(word(await inTx((tx) => totp.rename(tx, userId, id, '\n', caller)))).toBe('invalid_input')
  })

  test('authenticator_of_another_user_is_not_found', async () => {
    const [mine, theirs] = [await owner(), await owner()]
    for (const id of [theirs.id, 'x', '', `${theirs.id}'`]) {
      expect(word(await inTx((tx) => totp.rename(tx, mine.userId, id, 'mine now', caller)))).toBe('not_found')
      expect(word(await inTx((tx) => totp.remove(tx, mine.userId, id, caller)))).toBe('not_found')
    }
    expect(await totp.list(theirs.userId)).toMatchObject([{ name: 'Phone' }])
  })
})
