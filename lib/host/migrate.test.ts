import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import pg from 'pg'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { knownMigrations, migrate } from './migrate'

const ADMIN = process.env.TEST_DATABASE_URL ?? 'postgresql://postgres:secretpw@127.0.0.1:55432/postgres'

let url = ''
let client: pg.Client

async function admin(sql: string) {
  const connection = new pg.Client({ connectionString: ADMIN })
  await connection.connect()
  await connection.query(sql)
  await connection.end()
}

beforeEach(async () => {
  const name = `gatehouse_migrate_${process.hrtime.bigint()}`
  await admin(`CREATE DATABASE ${name}`)
  const at = new URL(ADMIN)
  at.pathname = `/${name}`
  url = at.href
  client = new pg.Client({ connectionString: url })
  await client.connect()
})

afterEach(async () => {
  await client.end()
  await admin(`DROP DATABASE ${new URL(url).pathname.slice(1)} WITH (FORCE)`)
})

const migration = (name: string, sql: string) => ({
  name,
  sql,
  checksum: createHash('sha256').update(sql).digest('hex'),
})
const tables = async () =>
  (await client.query("SELECT tablename FROM pg_tables WHERE schemaname = 'public' ORDER BY 1")).rows.map(
    (row) => row.tablename,
  )

const ONE = migration('001_one', 'CREATE TABLE one (id int)')
const TWO = migration('002_two', 'CREATE TABLE two (id int); INSERT INTO two VALUES (1)')

describe('migrations', () => {
  test('of this version apply to an empty database, once', async () => {
    expect(await migrate(url)).toEqual(knownMigrations().map(({ name }) => name))
    expect(await migrate(url)).toEqual([])
    expect(await tables()).toContain('users')
  })

  test('leave rows that Prisma itself would have written', async () => {
    await migrate(url, [ONE])
    const { rows } = await client.query('SELECT * FROM "_prisma_migrations"')
    expect(rows).toHaveLength(1)
    expect(rows[0]).toMatchObject({
      migration_name: '001_one',
      checksum: ONE.checksum,
      applied_steps_count: 1,
      rolled_back_at: null,
      logs: null,
    })
    expect(rows[0].finished_at).toBeInstanceOf(Date)
    expect(rows[0].id).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('that come later apply to what is there', async () => {
    await migrate(url, [ONE])
    expect(await migrate(url, [ONE, TWO])).toEqual(['002_two'])
  })

  test('from two processes at once apply once', async () => {
    const both = await Promise.all([migrate(url, [ONE, TWO]), migrate(url, [ONE, TWO])])
    expect(both.flat().sort()).toEqual(['001_one', '002_two'])
  })

  test('edited after they were applied are refused', async () => {
    await migrate(url, [ONE])
    await expect(migrate(url, [migration('001_one', 'CREATE TABLE other (id int)')])).rejects.toThrow(
      /001_one was edited/,
    )
  })

  test('that fail are undone as a whole and named', async () => {
    const bad = migration('002_bad', 'CREATE TABLE half (id int); SELECT nonsense()')
    await expect(migrate(url, [ONE, bad])).rejects.toThrow(/002_bad failed and was undone/)
    expect(await tables()).toEqual(['_prisma_migrations', 'one'])
    expect(await migrate(url, [ONE, TWO])).toEqual(['002_two'])
  })

  test('half done by another tool are refused', async () => {
    await migrate(url, [ONE])
    await client.query('UPDATE "_prisma_migrations" SET finished_at = NULL')
    await expect(migrate(url, [ONE])).rejects.toThrow(/001_one failed half way/)
  })

  test('give way to who uses their tables, and get through in the end', async () => {
    await migrate(url, [ONE])
    const other = new pg.Client({ connectionString: url, statement_timeout: 20_000 })
    await other.connect()
    try {
      await client.query('BEGIN; SELECT * FROM one')
      const applied = migrate(url, [ONE, migration('002_wider', 'ALTER TABLE one ADD COLUMN later text')])
      const waiting = `SELECT 1 FROM pg_stat_activity WHERE application_name = 'gatehouse-migrate' AND wait_event_type = 'Lock'`
      await expect.poll(async () => (await other.query(waiting)).rowCount, { timeout: 10_000 }).toBe(1)
      // Behind a migration that waits without end this would wait as long.
      await other.query('SELECT * FROM one')
      await client.query('COMMIT')
      expect(await applied).toEqual(['002_wider'])
    } finally {
      await other.end()
    }
  })

  test('of a newer version are left alone: old and new run together in a rolling update', async () => {
    await migrate(url, [ONE, TWO])
    expect(await migrate(url, [ONE])).toEqual([])
  })
})

/** In a process of its own: the engine keeps its connections until it ends. */
const schemaDiff = () =>
  execFileSync(process.execPath, ['scripts/schema-diff.mjs'], {
    env: { ...process.env, DATABASE_URL: url },
    encoding: 'utf8',
  })

test('the migrations make exactly what prisma/schema.prisma says', async () => {
  await migrate(url)
  expect(schemaDiff()).toBe('')
  await client.query('ALTER TABLE users ADD COLUMN drifted int')
  expect(schemaDiff()).toContain('DROP COLUMN "drifted"')
})

describe('a database that cannot be entered', () => {
  const wrong = (change: (at: URL) => void) => {
    const at = new URL(url)
    change(at)
    return migrate(at.href)
  }

  test('nothing listens there', async () => {
    await expect(
      wrong((at) => {
        at.host = '127.0.0.1:1'
      }),
    ).rejects.toThrow(/DATABASE_URL is wrong or the database is down: nothing answers at 127\.0\.0\.1:1\./)
    await expect(
      wrong((at) => {
        at.host = '%2Fnowhere:5432'
      }),
    ).rejects.toThrow(/DATABASE_URL is wrong or the database is down: nothing answers at \/nowhere:5432\./)
  })
  test('wrong password, and it is not repeated', async () => {
    await expect(
      wrong((at) => {
        at.password = 'hunter2'
      }),
    ).rejects.toThrow(/refuses user "postgres" or the password\.$/)
  })
  test('no such database', async () => {
    await expect(
      wrong((at) => {
        at.pathname = '/nowhere'
      }),
    ).rejects.toThrow(/has no database "nowhere"; create it first/)
  })
  test('no such host', async () => {
    await expect(
      wrong((at) => {
        at.hostname = 'nowhere.invalid'
      }),
    ).rejects.toThrow(/there is no host named nowhere\.invalid/)
  })
})
