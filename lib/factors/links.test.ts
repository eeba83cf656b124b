import { afterEach, describe, expect, test } from 'vitest'
import { setClock } from '../base/clock'
import { inTx } from '../base/db'
import { useStores } from '../testing'
import { links } from './index'

const stores = useStores()
afterEach(() => setClock(null))

async function user(): Promise<string> {
  const { rows } = await stores.sql(`INSERT INTO users (status) VALUES ('active') RETURNING id`)
  return rows[0].id
}

const issue = (userId: string, more: Partial<links.NewLink> = {}) =>
  inTx((tx) => links.issue(tx, { purpose: 'lockdown', userId, data: { n: 1 }, lifeSeconds: 60, ...more }))

const use = (purpose: links.LinkPurpose, token: string) => inTx((tx) => links.use(tx, purpose, token))

describe('a one-time link', () => {
  test('says what it would do as often as asked, and does it once', async () => {
    const userId = await user()
    const token = await issue(userId)
    for (let i = 0; i < 3; i++)
      expect(await links.peek('lockdown', token)).toMatchObject({ userId, data: { n: 1 } })
    expect(await use('lockdown', token)).toMatchObject({ userId, data: { n: 1 } })
    expect(await use('lockdown', token)).toBeNull()
    expect(await links.peek('lockdown', token)).toBeNull()
  })

  test('is kept as a hash and carries 256 bits', async () => {
    const token = await issue(await user())
    expect(Buffer.from(token, 'base64url')).toHaveLength(32)
    const { rows } = await stores.sql('SELECT l::text AS row FROM one_time_links l')
    expect(rows.some(({ row }) => row.includes(token))).toBe(false)
  })

  test('is good again when what it did rolls back', async () => {
    const token = await issue(await user())
    await expect(
      inTx(async (tx) => {
        await links.use(tx, 'lockdown', token)
        throw new Error('later step failed')
      }),
    ).rejects.toThrow('later step failed')
    expect(await links.peek('lockdown', token)).not.toBeNull()
  })

  test('ends with its time', async () => {
    const token = await issue(await user())
    const at = Date.now()
    setClock(() => at + 61_000)
    expect(await links.peek('lockdown', token)).toBeNull()
    expect(await use('lockdown', token)).toBeNull()
  })

  test('two_uses_at_the_same_instant_one_wins', async () => {
    const token = await issue(await user())
    const results = await Promise.all(Array.from({ length: 8 }, () => use('lockdown', token)))
    expect(results.filter(Boolean)).toHaveLength(1)
  })

  test('a_link_of_one_purpose_used_for_another', async () => {
    const token = await issue(await user(), { purpose: 'email_undo' })
    expect(await links.peek('password_reset', token)).toBeNull()
    expect(await use('password_reset', token)).toBeNull()
    expect(await links.peek('email_undo', token)).not.toBeNull()
  })

  test.each(['', 'a', 'x'.repeat(43), `${'x'.repeat(42)}'`, 'x'.repeat(5000), '\u0000'.repeat(43)])(
    'what is no token is nothing: %#',
    async (token) => {
      expect(await links.peek('lockdown', token)).toBeNull()
      expect(await use('lockdown', token)).toBeNull()
    },
  )

  test('links are voided by purpose, by time, for one user', async () => {
    const [mine, other] = [await user(), await user()]
    const at = Date.now()
    setClock(() => at)
    const [reset, undo] = [
      await issue(mine, { purpose: 'password_reset' }),
      await issue(mine, { purpose: 'email_undo' }),
    ]
    const theirs = await issue(other, { purpose: 'email_undo' })
    setClock(() => at + 1000)
    const later = await issue(mine, { purpose: 'email_undo' })
    await inTx((tx) => links.voidAll(tx, mine, 'email_undo', new Date(at)))
    expect(await links.peek('email_undo', later)).toBeNull()
    expect(await links.peek('email_undo', undo)).not.toBeNull()
    await inTx((tx) => links.voidAll(tx, mine, ['email_undo', 'lockdown']))
    expect(await links.peek('email_undo', undo)).toBeNull()
    expect(await links.peek('password_reset', reset)).not.toBeNull()
    await inTx((tx) => links.voidAll(tx, mine))
    expect(await links.peek('password_reset', reset)).toBeNull()
    expect(await links.peek('email_undo', theirs)).not.toBeNull()
  })

  test('old ones are swept, live ones stay', async () => {
    const token = await issue(await user())
    const at = Date.now()
    setClock(() => at + 60_000 + 8 * 86_400_000)
    const live = await issue(await user())
    while ((await links.sweep()) > 0);
    expect(await links.peek('lockdown', live)).not.toBeNull()
    setClock(() => at)
    expect(await links.peek('lockdown', token)).toBeNull()
  })
})
