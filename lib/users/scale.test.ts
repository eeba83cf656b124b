import { beforeAll, describe, expect, test } from 'vitest'
import { pool } from '../base/db'
import { uuid } from '../base/ids'
import { useStores } from '../testing'
import * as users from './index'

const stores = useStores({ DATABASE_POOL: '1' })

/** Enough rows that the planner would rather not read them all. */
const USERS = 20_000

beforeAll(async () => {
  await stores.sql(
    `INSERT INTO users (id, status, created_at)
     SELECT gen_random_uuid(), 'active', now() - n * interval '1 second' FROM generate_series(1, $1::int) AS n`,
    [USERS],
  )
  await stores.sql(`INSERT INTO profiles (user_id, first_name) SELECT id, 'F' || id FROM users`)
  await stores.sql(
    `INSERT INTO emails (user_id, address, is_primary, verified_at)
     SELECT id, id || '@example.com', true, now() FROM users`,
  )
  await stores.sql(`INSERT INTO user_roles (user_id, role_name) SELECT id, 'user' FROM users`)
  await stores.sql(
    `INSERT INTO avatars (user_id, key, mime_type, size, bytes) SELECT id, id, 'image/webp', 1, 'x' FROM users`,
  )
  await stores.sql('ANALYZE')
})

describe('at 20,000 users', () => {
  test.each<[string, () => Promise<unknown>]>([
    ['users-by-id', () => users.claims(uuid(), ['profile'])],
    ['users-by-address', () => users.find({ email: 'someone@example.com' })],
    ['users-emails', () => users.emails.list(uuid())],
    ['users-avatar', () => users.avatar('a'.repeat(43))],
    ['users-search', () => users.list({ limit: 20, query: 'fa' })],
    [
      'users-search-after',
      async () =>
        users.list({
          limit: 20,
          query: 'fa',
          after: (await users.list({ limit: 20, query: 'fa' })).next ?? '',
        }),
    ],
    ['users-page', () => users.list({ limit: 20 })],
    [
      'users-page-after',
      async () => users.list({ limit: 20, after: (await users.list({ limit: 20 })).next ?? '' }),
    ],
  ])('%s reads no big table from end to end', async (name, run) => {
    await run()
    const { rows } = await pool().query('SELECT statement FROM pg_prepared_statements WHERE name = $1', [
      name,
    ])
    const plan = await pool().query(`EXPLAIN (GENERIC_PLAN) ${rows[0].statement}`)
    const text = plan.rows.map((row) => row['QUERY PLAN']).join('\n')
    expect(text).not.toMatch(/Seq Scan on (users|profiles|emails|avatars|user_roles)/)
  })

  test('thirty pages in a row repeat nobody', async () => {
    let after: string | undefined
    const seen = new Set<string>()
    for (let turn = 0; turn < 30; turn++) {
      const { items, next } = await users.list({ limit: 100, after })
      for (const { id } of items) seen.add(id)
      after = next ?? undefined
    }
    expect(seen.size).toBe(3000)
  })
})
