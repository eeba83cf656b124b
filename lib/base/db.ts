/**
 * The clients of PostgreSQL: Prisma for reading and writing as the schema says, and the pool beneath
 * it for the few hot statements, which are named so that the server plans them once.
 */
import { PrismaPg } from '@prisma/adapter-pg'
import pg from 'pg'
import { env } from './env'
import { log } from './log'
import { type Prisma, PrismaClient } from './prisma/client'
import { StoresDown } from './refusals'

export type Tx = Prisma.TransactionClient
export type { Prisma }

interface Clients {
  pool: pg.Pool
  prisma: PrismaClient
}

let clients: Clients | null = null

const CONNECT_TIMEOUT_MS = 1500
const STATEMENT_TIMEOUT_MS = 1500
const LOCK_TIMEOUT_MS = 1200

function connect(): Clients {
  const connectionString = env().databaseUrl
  if (!connectionString) throw new StoresDown('postgres', new Error('DATABASE_URL is not set'))
  const pool = new pg.Pool({
    connectionString,
    max: env().databasePool,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    // A new connection proves itself anew (SCRAM) and plans every statement anew, several times each.
    idleTimeoutMillis: 600_000,
    // The server's own time-out does not help when the server hangs; query_timeout ends the wait here.
    query_timeout: STATEMENT_TIMEOUT_MS + 300,
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: 10_000,
    // Balancers and firewalls forget what is silent for some minutes.
    keepAlive: true,
    keepAliveInitialDelayMillis: 60_000,
    application_name: 'gatehouse',
  })
  pool.on('error', (error) => log().warn({ err: error.message }, 'idle database connection ended'))
  // One that breaks while it is lent out fails what was asked of it; unheard, it would end the process as well.
  pool.on('connect', (client) => client.on('error', () => {}))
  const prisma = new PrismaClient({ adapter: new PrismaPg(pool, { disposeExternalPool: false }) })
  return { pool, prisma }
}

/** The pool, for hot statements: `sql({ name, text, values })`. */
export function pool(): pg.Pool {
  clients ??= connect()
  return clients.pool
}

export function prisma(): PrismaClient {
  clients ??= connect()
  return clients.prisma
}

/** SQLSTATE classes and driver words that mean "the database is away", not "the statement is wrong". */
export function isDown(error: unknown): boolean {
  const {
    code,
    message = '',
    cause,
    meta,
    syscall,
  } = error as { code?: string; message?: string; cause?: unknown; meta?: unknown; syscall?: string }
  // A server on a socket that is not there, or not to be entered.
  if (syscall === 'connect') return true
  if (
    code &&
    /^(08|57P0|53|57014$|55P03$|ECONN|ETIMEDOUT|EPIPE|EHOSTUNREACH|P1001|P1002|P1008|P1017|P2024|P2028)/.test(
      code,
    )
  )
    return true
  if (
    /(timeout|timed out|Connection terminated|ECONNREFUSED|Can't reach database|not queryable)/i.test(message)
  )
    return true
  return Boolean(
    (cause && cause !== error && isDown(cause)) ||
      (meta && isDown((meta as { driverAdapterError?: unknown }).driverAdapterError ?? {})),
  )
}

/** A server that takes a statement and gives nothing back, or a pool that gets no connection out of it. */
const HUNG = /Query read timeout|timeout exceeded when trying to connect/
const REST_MS = 1000
let restsUntil = 0

/** Turns a driver's failure into StoresDown where it means that; throws anything else as it is. */
export function rethrow(error: unknown): never {
  if (error instanceof StoresDown) throw error
  if (!isDown(error)) throw error
  if (HUNG.test((error as Error).message ?? '')) restsUntil = performance.now() + REST_MS
  throw new StoresDown('postgres', error)
}

/**
 * A hung server is waited for once: a page that asks it five things fails after one time-out, not five.
 * @throws StoresDown for a second after a time-out
 */
function notResting(): void {
  if (performance.now() < restsUntil) throw new StoresDown('postgres', new Error('it hung a moment ago'))
}

/**
 * One named, prepared statement: planned once a connection. For hot paths.
 * @throws StoresDown when Postgres does not answer in time.
 */
export async function sql<Row extends object>(query: {
  name: string
  text: string
  values?: unknown[]
}): Promise<Row[]> {
  notResting()
  try {
    const { rows } = await pool().query<pg.QueryResultRow>(query)
    return rows as Row[]
  } catch (error) {
    rethrow(error)
  }
}

const FIRST_TRIES = 10

/**
 * Waits for the first connection. A process is busiest when it starts, perhaps beside others that work, and one slow
 * answer must not end it. @throws StoresDown
 */
export async function awaitDb(): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await sql({ name: 'first', text: 'SELECT 1' })
      return
    } catch (error) {
      if (tries === FIRST_TRIES || !(error instanceof StoresDown)) throw error
      await new Promise((resolve) => setTimeout(resolve, REST_MS))
    }
  }
}

/** One statement about a whole table. @returns how many rows it touched */
export type Unhurried = (text: string, values?: unknown[]) => Promise<number>

/**
 * Runs statements about whole tables in one transaction, on a connection of its own that has none of the
 * time-outs of requests. For commands, while no portal runs.
 * @throws StoresDown
 */
export async function unhurried<T>(fn: (run: Unhurried) => Promise<T>): Promise<T> {
  const client = new pg.Client({
    connectionString: env().databaseUrl,
    connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
    application_name: 'gatehouse-command',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    await client.query('BEGIN')
    const value = await fn(async (text, values) => (await client.query(text, values)).rowCount ?? 0)
    await client.query('COMMIT')
    return value
  } catch (error) {
    rethrow(error)
  } finally {
    await client.end().catch(() => {})
  }
}

const afterCommit = new WeakMap<Tx, (() => void | Promise<void>)[]>()

/**
 * Runs `fn` in one transaction. What `onCommit(tx, …)` registered runs after the commit, and not at
 * all when it rolls back.
 * @throws StoresDown when Postgres does not answer in time.
 */
export async function inTx<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
  const hooks: (() => void | Promise<void>)[] = []
  notResting()
  try {
    const value = await prisma().$transaction(
      async (tx) => {
        afterCommit.set(tx, hooks)
        return await fn(tx)
      },
      { maxWait: CONNECT_TIMEOUT_MS, timeout: 8000 },
    )
    for (const hook of hooks) {
      try {
        await hook()
      } catch (error) {
        log().error({ err: error }, 'after-commit hook failed')
      }
    }
    return value
  } catch (error) {
    rethrow(error)
  }
}

/** Runs `hook` once `tx` has committed (messages to other processes, cache drops). */
export function onCommit(tx: Tx, hook: () => void | Promise<void>): void {
  const hooks = afterCommit.get(tx)
  if (!hooks) throw new Error('onCommit outside inTx')
  hooks.push(hook)
}

export async function closeDb(): Promise<void> {
  restsUntil = 0
  const closing = clients
  clients = null
  if (!closing) return
  await closing.prisma.$disconnect()
  await closing.pool.end()
}
