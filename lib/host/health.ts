/**
 * Is the portal alive, is it ready, and are the stores known to be away right now? The last is learned
 * from whoever failed to reach one and then asked of the store itself until it answers again; in quiet
 * times nobody is asked.
 */
import pg from 'pg'
import { env } from '../base/env'
import { KEYS, key } from '../base/keys'
import { log } from '../base/log'
import { withRedis } from '../base/redis'
import { onStoresDown } from '../base/refusals'
import { isMigrated, knownMigrations } from './migrate'

const PROBE_TIMEOUT_MS = 1000
const PROBE_EVERY_MS = 500

type Check = 'ok' | 'down' | 'behind'

export interface Readiness {
  ready: boolean
  checks: { database: Check; migrations: Check; redis: Check }
}

export interface Health {
  readiness(): Promise<Readiness>
  /** True while PostgreSQL is known to be away: whoever needs it is told so at once. */
  databaseDown(): boolean
  /** How often a store failed someone; a rise during a request tells why that request failed. */
  failures(): number
  stop(): void
}

/** A short connection of its own: an exhausted or hung pool must not hide that the database is back. */
async function query<Row extends pg.QueryResultRow>(text: string): Promise<Row[]> {
  const client = new pg.Client({
    connectionString: env().databaseUrl,
    connectionTimeoutMillis: PROBE_TIMEOUT_MS,
    query_timeout: PROBE_TIMEOUT_MS,
    application_name: 'gatehouse-health',
  })
  client.on('error', () => {})
  try {
    await client.connect()
    return (await client.query<Row>(text)).rows
  } finally {
    // A hung server never confirms the end; nobody waits for it.
    void client.end().catch(() => {})
  }
}

export function watchHealth(): Health {
  const known = knownMigrations()
  let failures = 0
  let down = false
  let stopped = false

  const isBack = () => {
    if (down && !stopped) log().warn('PostgreSQL answers again')
    down = false
  }
  const probe = async () => {
    while (down && !stopped) {
      try {
        await query('SELECT 1')
        isBack()
      } catch {
        await new Promise((resolve) => setTimeout(resolve, PROBE_EVERY_MS).unref())
      }
    }
  }
  const unhear = onStoresDown((store) => {
    failures++
    if (store !== 'postgres' || down || stopped) return
    down = true
    log().error('PostgreSQL does not answer')
    void probe()
  })

  const look = async (): Promise<Readiness> => {
    const [migrations, redis] = await Promise.all([
      isMigrated(query, known).then(
        (good): Check => (good ? 'ok' : 'behind'),
        (): Check => 'down',
      ),
      // Written, not only asked: one that is full or a replica answers, but nobody can sign in with it.
      withRedis((client) => client.set(key('ready'), '1', 'EX', KEYS.ready.ttlSeconds)).then(
        (): Check => 'ok',
        (): Check => 'down',
      ),
    ])
    // "Ready" is a promise that pages answer, so it may not run ahead of the probe.
    if (migrations !== 'down') isBack()
    const checks = { database: migrations === 'down' ? 'down' : 'ok', migrations, redis } as const
    return { ready: migrations === 'ok' && redis === 'ok', checks }
  }
  let looking: Promise<Readiness> | null = null

  return {
    // Whoever asks meanwhile gets the same answer: anybody may ask, and each look costs a connection.
    readiness: () => {
      looking ??= look().finally(() => {
        looking = null
      })
      return looking
    },
    databaseDown: () => down,
    failures: () => failures,
    stop: () => {
      stopped = true
      unhear()
    },
  }
}
