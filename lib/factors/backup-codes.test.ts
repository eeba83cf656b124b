import { afterEach, describe, expect, test } from 'vitest'
import * as audit from '../audit'
import { inTx } from '../base/db'
import { reloadEnv } from '../base/env'
import { forgetKeys } from '../base/secrets'
import { testCaller, useStores } from '../testing'
import { backupCodes, enrolled, removeSecondFactors } from './index'

const stores = useStores()
const caller = testCaller()

async function user(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id`)
  return rows[0].id
}
const generate = (userId: string) => inTx((tx) => backupCodes.generate(tx, userId, caller))
async function owner(): Promise<{ userId: string; codes: [string, string, ...string[]] }> {
  const userId = await user()
  return { userId, codes: (await generate(userId)) as [string, string, ...string[]] }
}
const verify = async (userId: string, code: string) => {
  const result = await backupCodes.verify(userId, code, caller)
  return result.ok ? result.value.left : result.refusal.code
}
const eventsOf = async (userId: string) =>
  (await audit.list(userId, { limit: 200 })).items.map(({ type, outcome, data }) => ({ type, outcome, data }))

describe('a set', () => {
  test('is ten codes that are easy to type, each at least 50 bits', async () => {
    const { userId, codes } = await owner()
    expect(codes).toHaveLength(10)
    expect(new Set(codes).size).toBe(10)
    for (const code of codes)
      expect(code).toMatch(/^([2-9acdefghjkmnpqrtvwxy]{4}-){2}[2-9acdefghjkmnpqrtvwxy]{4}$/)
    expect(12 * Math.log2(27)).toBeGreaterThan(50)
    expect(await backupCodes.status(userId)).toEqual({ left: 10, total: 10, createdAt: expect.any(Date) })
    expect(await enrolled(userId)).toMatchObject({ backupCodes: 10 })
    expect(await eventsOf(userId)).toEqual([
      { type: 'backup_codes.made', outcome: 'success', data: { count: 10 } },
    ])
  })

  test('uses every letter of its alphabet, at every place', async () => {
    const userId = await user()
    const seen = Array.from({ length: 12 }, () => new Set<string>())
    for (let n = 0; n < 30; n++) {
      for (const code of await generate(userId)) {
        for (const [place, letter] of [...code.replaceAll('-', '')].entries()) seen[place]?.add(letter)
      }
    }
    // 300 draws miss one of 27 letters at a place with a chance of 3e-4 in 12 places each; two missing is a bug.
    for (const letters of seen) expect(letters.size).toBeGreaterThan(25)
  })

  test('is not there until it is made', async () => {
    const userId = await user()
    expect(await backupCodes.status(userId)).toBeNull()
    expect(await verify(userId, 'k7wm-3xqa-94tp')).toBe('backup_code_wrong')
  })

  test('old_set_is_dead_after_a_new_one', async () => {
    const { userId, codes } = await owner()
    const [fresh = ''] = await generate(userId)
    for (const old of codes) expect(await verify(userId, old)).toBe('backup_code_wrong')
    expect(await verify(userId, fresh)).toBe(9)
  })

  test('two_sets_made_at_once_leave_one', async () => {
    const userId = await user()
    const sets = await Promise.all(Array.from({ length: 4 }, () => generate(userId)))
    expect(await backupCodes.status(userId)).toMatchObject({ left: 10, total: 10 })
    const good = []
    for (const [first = ''] of sets) if ((await verify(userId, first)) === 9) good.push(first)
    expect(good).toHaveLength(1)
  })

  test('a set whose transaction rolls back leaves the old one', async () => {
    const { userId, codes } = await owner()
    await expect(
      inTx(async (tx) => {
        await backupCodes.generate(tx, userId, caller)
        throw new Error('later step failed')
      }),
    ).rejects.toThrow('later step failed')
    expect(await verify(userId, codes[0])).toBe(9)
  })

  test('is voided as a whole', async () => {
    const { userId, codes } = await owner()
    await verify(userId, codes[0])
    expect(await inTx((tx) => backupCodes.voidAll(tx, userId, caller))).toBe(9)
    expect(await backupCodes.status(userId)).toBeNull()
    expect(await verify(userId, codes[1])).toBe('backup_code_wrong')
    expect((await eventsOf(userId)).map(({ type }) => type)).toContain('backup_codes.voided')
    expect(await inTx((tx) => backupCodes.voidAll(tx, userId, caller))).toBe(0)
  })

  test('goes with the other second factors', async () => {
    const { userId, codes } = await owner()
    expect(await inTx((tx) => removeSecondFactors(tx, userId))).toMatchObject({ backupCodes: 10 })
    expect(await verify(userId, codes[0])).toBe('backup_code_wrong')
  })
})

describe('a backup code', () => {
  test('backup_code_is_good_once', async () => {
    const { userId, codes } = await owner()
    expect(await verify(userId, codes[0])).toBe(9)
    expect(await verify(userId, codes[0])).toBe('backup_code_wrong')
    expect(await verify(userId, codes[1])).toBe(8)
    expect(await backupCodes.status(userId)).toMatchObject({ left: 8, total: 10 })
    expect(await enrolled(userId)).toMatchObject({ backupCodes: 8 })
    expect((await eventsOf(userId)).slice(0, 3)).toEqual([
      { type: 'backup_code.used', outcome: 'success', data: { left: 8 } },
      { type: 'backup_code.failed', outcome: 'failure', data: {} },
      { type: 'backup_code.used', outcome: 'success', data: { left: 9 } },
    ])
  })

  test('ten_requests_with_the_same_code_at_once_one_wins', async () => {
    const { userId, codes } = await owner()
    const results = await Promise.all(Array.from({ length: 10 }, () => verify(userId, codes[0])))
    expect(results.filter((r) => r === 9)).toHaveLength(1)
    expect(results.filter((r) => r === 'backup_code_wrong')).toHaveLength(9)
  })

  test('commits with what has to commit with it, or not at all', async () => {
    const { userId, codes } = await owner()
    const told: number[] = []
    await expect(
      backupCodes.verify(userId, codes[0], caller, async () => {
        throw new Error('no mail could be owed')
      }),
    ).rejects.toThrow('no mail could be owed')
    const used = await backupCodes.verify(userId, codes[0], caller, async (_tx, left) => void told.push(left))
    expect(used).toEqual({ ok: true, value: { left: 9 } })
    expect(told).toEqual([9])
    await backupCodes.verify(userId, codes[0], caller, async (_tx, left) => void told.push(left))
    expect(told).toEqual([9])
  })

  test('backup_code_of_another_user', async () => {
    const [mine, theirs] = [await owner(), await owner()]
    expect(await verify(mine.userId, theirs.codes[0])).toBe('backup_code_wrong')
    // Nor does its hash work in another's row.
    await stores.sql('UPDATE backup_codes SET user_id = $1 WHERE user_id = $2', [mine.userId, theirs.userId])
    expect(await verify(mine.userId, theirs.codes[0])).toBe('backup_code_wrong')
  })

  test.each([
    ['as shown', (code: string) => code],
    ['without dashes', (code: string) => code.replaceAll('-', '')],
    ['in capitals with blanks', (code: string) => ` ${code.toUpperCase().replaceAll('-', '  ')}\n`],
    ['with the dashes of a word processor', (code: string) => code.replaceAll('-', '–')],
    [
      'in full-width letters',
      (code: string) => code.replace(/[^-]/g, (letter) => String.fromCharCode(letter.charCodeAt(0) + 0xfee0)),
    ],
    [
      'with look-alikes',
      (code: string) =>
        code.replaceAll('2', 'Z').replaceAll('5', 's').replaceAll('8', 'B').replaceAll('v', 'u'),
    ],
  ])('may be typed %s', async (_how, typed) => {
    const { userId, codes } = await owner()
    for (const [index, code] of codes.entries()) expect(await verify(userId, typed(code))).toBe(9 - index)
  })

  test.each([
    '',
    '123456',
    'k7wm-3xqa-94t',
    'k7wm-3xqa-94tpp',
    'k0wm-3xqa-94tp',
    'x'.repeat(100_000),
    undefined,
    7,
  ])('what is no code is wrong and writes nothing: %#', async (typed) => {
    const { userId } = await owner()
    expect(await verify(userId, typed as string)).toBe('backup_code_wrong')
    expect(await eventsOf(userId)).toHaveLength(1)
  })

  test('no_code_in_a_dump_of_the_database', async () => {
    const { userId, codes } = await owner()
    await verify(userId, codes[0])
    await verify(userId, 'k7wm3xqa94tp')
    const rows = await Promise.all(
      ['backup_codes', 'events'].map((table) => stores.sql(`SELECT t::text AS row FROM ${table} t`)),
    )
    const dump = rows.flatMap((result) => result.rows.map(({ row }) => row.toLowerCase())).join('\n')
    expect(dump).toContain(userId)
    for (const code of [...codes, 'k7wm-3xqa-94tp']) {
      expect(dump).not.toContain(code)
      expect(dump).not.toContain(code.replaceAll('-', ''))
    }
  })
})

describe('a rotation of secrets', () => {
  const useSecrets = (...secrets: string[]) => {
    process.env.GATEHOUSE_SECRET = secrets.join(',')
    reloadEnv()
    forgetKeys()
  }
  const [FIRST, NEXT] = [
    'test-secret-test-secret-test-secret-0001',
    'next-secret-next-secret-next-secret-0002',
  ]
  afterEach(() => useSecrets(FIRST))

  test('keeps codes of the older secret good while it is configured', async () => {
    const { userId, codes } = await owner()
    useSecrets(NEXT, FIRST)
    expect(await verify(userId, codes[0])).toBe(9)
    expect(await verify(userId, codes[0])).toBe('backup_code_wrong')
    const { userId: late, codes: fresh } = await owner()
    useSecrets(NEXT)
    expect(await verify(late, fresh[0])).toBe(9)
  })

  test('codes whose secret was dropped are not counted as left', async () => {
    const { userId, codes } = await owner()
    useSecrets(NEXT)
    expect(await verify(userId, codes[0])).toBe('backup_code_wrong')
    expect(await backupCodes.status(userId)).toMatchObject({ left: 0, total: 10 })
    expect(await enrolled(userId)).toMatchObject({ backupCodes: 0 })
  })
})
