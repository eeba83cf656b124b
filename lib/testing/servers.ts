/** Real servers for a run of the tests: an embedded PostgreSQL with rights to make databases, and a Redis. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { removeData } from '../../scripts/remove-data.mjs'
import { generatedSecrets, prepareDataFolder } from '../host/data-folder'
import { startPostgres } from '../host/postgres'
import { startRedis } from '../host/redis'

export interface Servers {
  /** Administrator's connection string, for `createDatabase`. */
  databaseUrl: string
  redisUrl: string
  stop(): Promise<void>
}

export async function startServers(): Promise<Servers> {
  const folder = mkdtempSync(path.join(tmpdir(), 'gatehouse-test-'))
  prepareDataFolder(folder)
  const passwords = generatedSecrets(folder)
  const postgres = await startPostgres({
    dataFolder: folder,
    passwords,
    // What a crash leaves is tested on servers of their own; here nothing is left to be kept.
    settings: { max_connections: '300', max_wal_size: '2GB', fsync: 'off', full_page_writes: 'off' },
  })
  const redis = await startRedis()
  const url = new URL(postgres.url)
  url.username = 'postgres'
  url.password = passwords.postgresAdmin
  url.pathname = '/postgres'
  return {
    databaseUrl: url.href,
    redisUrl: redis.url,
    stop: async () => {
      await Promise.all([postgres.stop(), redis.stop()])
      removeData(folder)
    },
  }
}
