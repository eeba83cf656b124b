/**
 * Applies prisma/migrations to a database without Prisma's engine: each migration in one transaction
 * with its row in `_prisma_migrations`, so `prisma migrate status` stays true. One process at a time
 * (advisory lock); when nothing is to be done, one query finds out.
 */
import { createHash, randomUUID } from 'node:crypto'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import pg from 'pg'
import { BootError, errorCode } from './boot-error'
import { pause } from './processes'
import { ROOT } from './root'

interface Migration {
  name: string
  sql: string
  checksum: string
}

interface AppliedRow {
  migration_name: string
  checksum: string
  finished_at: Date | null
  rolled_back_at: Date | null
}

const LOCK_ID = 724_210

/** As Prisma makes it. */
const TABLE = `CREATE TABLE IF NOT EXISTS "_prisma_migrations" (
  "id" VARCHAR(36) PRIMARY KEY NOT NULL,
  "checksum" VARCHAR(64) NOT NULL,
  "finished_at" TIMESTAMPTZ,
  "migration_name" VARCHAR(255) NOT NULL,
  "logs" TEXT,
  "rolled_back_at" TIMESTAMPTZ,
  "started_at" TIMESTAMPTZ NOT NULL DEFAULT now(),
  "applied_steps_count" INTEGER NOT NULL DEFAULT 0
)`

/** The migrations of this version, in order. */
export function knownMigrations(folder = path.join(ROOT, 'prisma/migrations')): Migration[] {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)
    .sort()
    .map((name) => {
      const bytes = readFileSync(path.join(folder, name, 'migration.sql'))
      return {
        name,
        sql: bytes.toString('utf8'),
        checksum: createHash('sha256').update(bytes).digest('hex'),
      }
    })
}

async function appliedRows(client: pg.Client): Promise<AppliedRow[]> {
  try {
    const { rows } = await client.query<AppliedRow>(
      'SELECT migration_name, checksum, finished_at, rolled_back_at FROM "_prisma_migrations"',
    )
    return rows.filter((row) => !row.rolled_back_at)
  } catch (error) {
    if (errorCode(error) === '42P01') return []
    throw error
  }
}

/** What is still to be applied. Refuses a history that is not ours. */
function pending(known: Migration[], applied: AppliedRow[]): Migration[] {
  const byName = new Map(applied.map((row) => [row.migration_name, row]))
  const left = known.filter((migration) => {
    const row = byName.get(migration.name)
    if (!row) return true
    if (!row.finished_at) {
      throw new BootError(
        `The migration ${row.migration_name} failed half way in this database: mend it and tell Prisma (prisma migrate resolve), or restore a backup.`,
      )
    }
    if (row.checksum !== migration.checksum) {
      throw new BootError(
        `The migration ${row.migration_name} was edited after it had been applied to this database: put its text back and write a new migration.`,
      )
    }
    return false
  })
  return left
}

/**
 * Brings the database to this version's schema.
 * A database that knows later migrations is left alone: during a rolling update old and new run together.
 * @returns the names of the migrations applied now
 * @throws BootError when the database cannot be entered, or its history was edited or is broken
 */
export async function migrate(databaseUrl: string, known = knownMigrations()): Promise<string[]> {
  const client = await connect(databaseUrl)
  try {
    if (pending(known, await appliedRows(client)).length === 0) return []
    await client.query('SELECT pg_advisory_lock($1)', [LOCK_ID])
    await client.query(TABLE)
    const todo = pending(known, await appliedRows(client))
    for (const migration of todo) await applyPatiently(client, migration)
    return todo.map(({ name }) => name)
  } finally {
    await client.end().catch(() => {})
  }
}

/** While a migration waits for a table, everybody who wants the table waits behind it: it waits this long at most. */
const LOCK_WAIT_MS = 400
const LOCK_TRIES = 60

/**
 * Applies a migration beside processes that go on working. It gives way: who waits for a lock longer than
 * people should is undone and tried again, before PostgreSQL (after a second) would end one of two who wait for
 * each other, and that could be a person's request.
 */
async function applyPatiently(client: pg.Client, migration: Migration): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await apply(client, migration)
    } catch (error) {
      if (errorCode(error) !== LOCK_NOT_AVAILABLE) throw error
      if (tries === LOCK_TRIES) {
        throw new BootError(
          `The migration ${migration.name} got no lock on its tables: see in pg_stat_activity who holds one, end it, and start again.`,
        )
      }
      await pause(100 + Math.random() * LOCK_WAIT_MS)
    }
  }
}

const LOCK_NOT_AVAILABLE = '55P03'

async function apply(client: pg.Client, { name, sql, checksum }: Migration): Promise<void> {
  try {
    await client.query('BEGIN')
    await client.query(`SET LOCAL lock_timeout = ${LOCK_WAIT_MS}`)
    const startedAt = new Date()
    await client.query(sql)
    await client.query(
      `INSERT INTO "_prisma_migrations" (id, checksum, migration_name, started_at, finished_at, applied_steps_count)
       VALUES ($1, $2, $3, $4, clock_timestamp(), 1)`,
      [randomUUID(), checksum, name, startedAt],
    )
    await client.query('COMMIT')
  } catch (error) {
    await client.query('ROLLBACK').catch(() => {})
    if (errorCode(error) === LOCK_NOT_AVAILABLE) throw error
    if (errorCode(error) === '42501' || errorCode(error) === '0A000') {
      throw new BootError(
        `The migration ${name} was refused (${(error as Error).message}): let the role of DATABASE_URL create the extension citext and tables, or create the extension as a superuser first.`,
      )
    }
    if (errorCode(error) === '53100')
      throw new BootError('The disk of the database is full: free some space.')
    throw new BootError(`The migration ${name} failed and was undone: ${(error as Error).message}.`)
  }
}

/** True when every migration of this version is applied (readiness). */
export async function isMigrated(
  query: (text: string) => Promise<AppliedRow[]>,
  known: readonly Migration[],
): Promise<boolean> {
  const rows = await query(
    'SELECT migration_name, checksum, finished_at, rolled_back_at FROM "_prisma_migrations"',
  )
  return (
    pending(
      [...known],
      rows.filter((row) => !row.rolled_back_at),
    ).length === 0
  )
}

async function connect(databaseUrl: string): Promise<pg.Client> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: 5000,
    application_name: 'gatehouse-migrate',
  })
  // An error while idle is told to the next query; without a listener it would end the process.
  client.on('error', () => {})
  try {
    await client.connect()
    return client
  } catch (error) {
    throw databaseTrouble(error, databaseUrl)
  }
}

/** Why a database cannot be entered, in one sentence without its password. */
export function databaseTrouble(error: unknown, databaseUrl: string): BootError {
  const url = new URL(databaseUrl)
  const place = `${decodeURIComponent(url.hostname)}:${url.port || 5432}`
  const user = decodeURIComponent(url.username)
  const database = decodeURIComponent(url.pathname.slice(1))
  const code = errorCode(error)
  switch (code) {
    case 'ECONNREFUSED':
    // A socket that is not there.
    case 'ENOENT':
      return new BootError(`DATABASE_URL is wrong or the database is down: nothing answers at ${place}.`)
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new BootError(`DATABASE_URL is wrong: there is no host named ${url.hostname}.`)
    case '28P01':
    case '28000':
      return new BootError(`DATABASE_URL is wrong: ${place} refuses user "${user}" or the password.`)
    case '3D000':
      return new BootError(`DATABASE_URL is wrong: ${place} has no database "${database}"; create it first.`)
    case '53300':
      return new BootError(`The database at ${place} has no connection left; raise its max_connections.`)
    default:
      return new BootError(
        `DATABASE_URL: the database at ${place} cannot be entered (${(error as Error).message.split('\n')[0]}).`,
      )
  }
}
