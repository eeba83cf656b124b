/** Real stores for tests: each test file gets its own migrated database and its own Redis. */
import { createHash, randomBytes } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { runMigrations } from 'graphile-worker'
import { Redis } from 'ioredis'
import pg from 'pg'
import { afterAll, afterEach, beforeAll } from 'vitest'
import type { Caller } from '../base/caller'
import { setClock } from '../base/clock'
import { closeDb } from '../base/db'
import { reloadEnv } from '../base/env'
import { uuid } from '../base/ids'
import { resetLog } from '../base/log'
import { closeRedis } from '../base/redis'
import { forgetKeys } from '../base/secrets'

const MIGRATIONS = path.resolve(import.meta.dirname, '../../prisma/migrations')

function migrationSql(): string {
  return readdirSync(MIGRATIONS, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map((entry) => entry.name)
    .sort()
    .map((name) => readFileSync(path.join(MIGRATIONS, name, 'migration.sql'), 'utf8'))
    .join('\n')
}

/** A fresh database, copied from a template that is migrated once per set of migrations. */
export async function createDatabase(adminUrl: string): Promise<{ url: string; drop: () => Promise<void> }> {
  const text = migrationSql()
  const template = `gatehouse_tplq_${createHash('sha256').update(text).digest('hex').slice(0, 12)}`
  const name = `gatehouse_test_${randomBytes(6).toString('hex')}`
  const at = (database: string) => {
    const url = new URL(adminUrl)
    url.pathname = `/${database}`
    return url.href
  }
  const admin = new pg.Client({ connectionString: adminUrl })
  await admin.connect()
  try {
    await admin.query('SELECT pg_advisory_lock(724211)')
    const { rowCount } = await admin.query('SELECT 1 FROM pg_database WHERE datname = $1', [template])
    if (!rowCount) {
      await admin.query(`CREATE DATABASE ${template}_new`)
      const fresh = new pg.Client({ connectionString: at(`${template}_new`) })
      await fresh.connect()
      await fresh.query(text)
      await fresh.end()
      // The delivery queue's own tables, which the portal makes at its start.
      await runMigrations({ connectionString: at(`${template}_new`) })
      await admin.query(`ALTER DATABASE ${template}_new RENAME TO ${template}`)
    }
    await admin.query(`CREATE DATABASE ${name} TEMPLATE ${template}`)
    await admin.query('SELECT pg_advisory_unlock(724211)')
  } finally {
    await admin.end()
  }
  return {
    url: at(name),
    drop: async () => {
      const client = new pg.Client({ connectionString: adminUrl })
      await client.connect()
      await client.query(`DROP DATABASE IF EXISTS ${name} WITH (FORCE)`)
      await client.end()
    },
  }
}

/**
 * Gives the test file real, empty stores and a test environment. TEST_DATABASE_URL and
 * TEST_REDIS_URL name the servers (the runner starts them).
 */
export function useStores(extraEnv: Record<string, string> = {}): {
  redis: () => Redis
  sql: (text: string, values?: unknown[]) => Promise<pg.QueryResult>
} {
  const adminUrl = process.env.TEST_DATABASE_URL ?? 'postgresql://postgres:secretpw@127.0.0.1:55432/postgres'
  const redisBase = process.env.TEST_REDIS_URL ?? 'redis://127.0.0.1:6379'
  let database: Awaited<ReturnType<typeof createDatabase>>
  let raw: Redis
  let client: pg.Pool

  beforeAll(async () => {
    database = await createDatabase(adminUrl)
    const db = Number(process.env.VITEST_POOL_ID ?? '1') % 16
    const redisUrl = `${redisBase.replace(/\/\d*$/, '')}/${db}`
    raw = new Redis(redisUrl)
    await raw.flushdb()
    Object.assign(process.env, {
      NODE_ENV: 'test',
      DATABASE_URL: database.url,
      REDIS_URL: redisUrl,
      GATEHOUSE_SECRET: 'test-secret-test-secret-test-secret-0001',
      GATEHOUSE_URL: 'http://localhost:3000',
      ...extraEnv,
    })
    reloadEnv()
    forgetKeys()
    resetLog()
    client = new pg.Pool({ connectionString: database.url, max: 2 })
    client.on('error', () => {})
  })

  afterEach(async () => {
    // A bucket filled by a clock that was set forward is too full for the next test's.
    const buckets = await raw.keys('ratelimit:*')
    if (buckets.length > 0) await raw.del(buckets)
  })

  afterAll(async () => {
    setClock(null)
    await closeDb()
    await closeRedis()
    raw.disconnect()
    await client.end()
    await database.drop()
  })

  return { redis: () => raw, sql: (text, values) => client.query(text, values) }
}

export function testCaller(overrides: Partial<Caller> = {}): Caller {
  return {
    requestId: uuid(),
    ip: '203.0.113.7',
    ipPrefix: '203.0.113.7',
    userAgent:
      'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/150.0.0.0 Safari/537.36',
    place: null,
    cookies: {},
    locale: 'en',
    local: false,
    ...overrides,
  }
}
