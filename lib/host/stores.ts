/**
 * Gives this process its stores: those that DATABASE_URL and REDIS_URL name, embedded ones for the
 * rest. The portal and the command line use the same way in; while the portal runs, a command uses
 * the portal's embedded stores, else it starts them for itself.
 */
import path from 'node:path'
import { Redis } from 'ioredis'
import { env, reloadEnv } from '../base/env'
import { BootError } from './boot-error'
import {
  dropRunFacts,
  type GeneratedSecrets,
  generatedSecrets,
  prepareDataFolder,
  readRunFacts,
  writeRunFacts,
} from './data-folder'
import { type Lock, type LockHolder, lockHolder, takeLock } from './lock'
import { migrate } from './migrate'
import { type EmbeddedPostgres, startPostgres } from './postgres'
import { pause } from './processes'
import { type EmbeddedRedis, startRedis } from './redis'

export interface Stores {
  embedded: { postgres: boolean; redis: boolean; secret: boolean }
  /** Names of the migrations applied by this start. */
  migrated: string[]
  /** Says where the portal listens, for commands on this machine. */
  announce(port: number): void
  close(): Promise<void>
}

interface Options {
  role: LockHolder['role']
  /** Told while something takes its time. */
  progress?: (text: string) => void
  onTrouble?: (message: string) => void
}

const COMMAND_WAIT_MS = 20_000

/** The folder's lock; waits for a command to finish, never for another portal. */
async function lockFolder(dir: string, role: LockHolder['role']): Promise<Lock> {
  for (let waited = 0; ; waited += 100) {
    const lock = takeLock(dir, role)
    if ('release' in lock) return lock
    if (lock.role === 'portal') {
      throw new BootError(
        `Another Gatehouse (process ${lock.pid}) already uses the data folder ${dir}: stop it, or name another folder with GATEHOUSE_DATA.`,
      )
    }
    if (waited >= COMMAND_WAIT_MS) {
      throw new BootError(`A gatehouse command (process ${lock.pid}) still uses the data folder ${dir}.`)
    }
    await pause(100)
  }
}

/** Fills in what the environment leaves open, for this process only. */
function adoptSettings(
  values: Partial<
    Record<'DATABASE_URL' | 'REDIS_URL' | 'GATEHOUSE_SECRET' | 'GATEHOUSE_URL' | 'PORT', string>
  >,
): void {
  Object.assign(process.env, values)
  reloadEnv()
}

/**
 * Opens the stores and brings the database to this version.
 * @throws BootError in one sentence
 */
export async function openStores({ role, progress, onTrouble }: Options): Promise<Stores> {
  const { dataDir, databaseUrl, redisUrl, secrets, url, port } = env()
  prepareDataFolder(dataDir)
  const lock = await lockFolder(dataDir, role)
  let postgres: EmbeddedPostgres | undefined
  let redis: EmbeddedRedis | undefined
  const close = async () => {
    await Promise.all([redis?.stop(), postgres?.stop()])
    dropRunFacts(dataDir)
    lock.release()
  }
  try {
    const before = readRunFacts(dataDir)
    let generated: GeneratedSecrets | undefined
    if (!databaseUrl || secrets.length === 0) generated = generatedSecrets(dataDir)
    const [embeddedPostgres, embeddedRedis] = await Promise.allSettled([
      generated && !databaseUrl
        ? startPostgres({ dataFolder: dataDir, passwords: generated, onTrouble, progress })
        : undefined,
      redisUrl
        ? checkRedis(redisUrl)
        : startRedis({
            onTrouble,
            survivor: before?.redisProcess && { url: before.redisUrl, ...before.redisProcess },
          }),
    ])
    if (embeddedPostgres.status === 'fulfilled') postgres = embeddedPostgres.value
    if (embeddedRedis.status === 'fulfilled') redis = embeddedRedis.value
    if (embeddedPostgres.status === 'rejected') throw embeddedPostgres.reason
    if (embeddedRedis.status === 'rejected') throw embeddedRedis.reason
    adoptSettings({
      ...(postgres && { DATABASE_URL: postgres.url }),
      ...(redis && { REDIS_URL: redis.url }),
      ...(secrets.length === 0 && generated && { GATEHOUSE_SECRET: generated.secret }),
    })
    const facts = {
      pid: process.pid,
      role,
      url,
      port,
      databaseUrl: env().databaseUrl ?? '',
      redisUrl: env().redisUrl ?? '',
      redisProcess: redis?.process(),
    }
    writeRunFacts(dataDir, facts)
    const migrated = await migrate(facts.databaseUrl)
    return {
      embedded: { postgres: Boolean(postgres), redis: Boolean(redis), secret: secrets.length === 0 },
      migrated,
      announce: (listening) => writeRunFacts(dataDir, { ...facts, port: listening }),
      close,
    }
  } catch (error) {
    await close().catch(() => {})
    throw error
  }
}

/**
 * For a command: the running portal's stores, else stores of its own until `close`.
 * @returns `portal` is true when a portal runs on this data folder now
 */
export async function attachStores(): Promise<{ portal: boolean; close(): Promise<void> }> {
  const { dataDir, databaseUrl, redisUrl, secrets } = env()
  prepareDataFolder(dataDir)
  const holder = lockHolder(dataDir)
  const facts = holder?.role === 'portal' ? readRunFacts(dataDir) : null
  if (facts && facts.pid === holder?.pid) {
    adoptSettings({
      ...(!databaseUrl && { DATABASE_URL: facts.databaseUrl }),
      ...(!redisUrl && { REDIS_URL: facts.redisUrl }),
      ...(secrets.length === 0 && { GATEHOUSE_SECRET: generatedSecrets(dataDir).secret }),
      // Where it really listens; the terminal may not have the settings it was started with.
      GATEHOUSE_URL: facts.url,
      PORT: String(facts.port),
    })
    return { portal: true, close: async () => {} }
  }
  const stores = await openStores({ role: 'command' })
  return { portal: false, close: stores.close }
}

/** Proves that REDIS_URL leads somewhere before anything depends on it. */
async function checkRedis(url: string): Promise<undefined> {
  const { hostname, port, pathname } = new URL(url)
  const place = `${hostname}:${port || 6379}`
  let lastError: NodeJS.ErrnoException | undefined
  const client = new Redis(url, {
    lazyConnect: true,
    connectTimeout: 5000,
    commandTimeout: 5000,
    maxRetriesPerRequest: 0,
    retryStrategy: () => null,
  })
  client.on('error', (error: NodeJS.ErrnoException) => {
    lastError = error
  })
  try {
    await client.connect()
    await client.ping()
  } catch (error) {
    const cause = lastError ?? (error as NodeJS.ErrnoException)
    if (cause.code === 'ECONNREFUSED' || /Connection is closed/.test(cause.message)) {
      throw new BootError(`REDIS_URL is wrong or Redis is down: nothing answers at ${place}.`)
    }
    if (cause.code === 'ENOTFOUND' || cause.code === 'EAI_AGAIN') {
      throw new BootError(`REDIS_URL is wrong: there is no host named ${hostname}.`)
    }
    if (/WRONGPASS|NOAUTH|invalid password/i.test(cause.message)) {
      throw new BootError(`REDIS_URL is wrong: ${place} refuses the user or the password.`)
    }
    if (/DB index is out of range/i.test(cause.message)) {
      throw new BootError(`REDIS_URL is wrong: ${place} has no database ${path.basename(pathname)}.`)
    }
    throw new BootError(`REDIS_URL: Redis at ${place} cannot be used (${cause.message}).`)
  } finally {
    client.disconnect()
  }
}
