/** The questions that only doctor asks the stores. */
import { sql } from '../base/db'
import { withRedis } from '../base/redis'

/** The server's version and its clock, and what is applied of the migrations. */
export async function databaseFacts(): Promise<{ version: string; now: Date }> {
  const [row] = await sql<{ version: string; now: Date }>({
    name: 'doctor-database',
    text: `SELECT current_setting('server_version') AS version, clock_timestamp() AS now`,
  })
  if (!row) throw new Error('no answer')
  return row
}

/** Owed deliveries that are due: how many, since when, and what the newest failure was. */
export async function owedFacts(): Promise<{ count: number; oldest: Date | null; lastError: string | null }> {
  const [row] = await sql<{ count: number; oldest: Date | null; lastError: string | null }>({
    name: 'doctor-deliveries',
    text: `SELECT count(*)::int AS count, min(COALESCE(not_before, created_at)) AS oldest,
             (array_agg(last_error ORDER BY created_at DESC) FILTER (WHERE last_error IS NOT NULL))[1] AS "lastError"
           FROM deliveries WHERE delivered_at IS NULL AND failed_at IS NULL
             AND (not_before IS NULL OR not_before <= now())`,
  })
  return row ?? { count: 0, oldest: null, lastError: null }
}

/** How many apps show certificates: all, or those alone that an authority vouches for. */
export async function appsWithCertificates(vouchedAlone: boolean): Promise<number> {
  const [row] = await sql<{ count: number }>({
    name: 'doctor-certificates',
    text: `SELECT count(*)::int AS count FROM clients
           WHERE disabled_at IS NULL AND (metadata->>'token_endpoint_auth_method' = 'tls_client_auth' OR (NOT $1::boolean
             AND (metadata->>'token_endpoint_auth_method' = 'self_signed_tls_client_auth'
               OR metadata->'tls_client_certificate_bound_access_tokens' = 'true'::jsonb)))`,
    values: [vouchedAlone],
  })
  return row?.count ?? 0
}

export async function redisFacts(): Promise<{
  version: string
  policy: string | null
  milliseconds: number
}> {
  return await withRedis(async (client) => {
    const started = performance.now()
    await client.ping()
    const milliseconds = performance.now() - started
    const field = (info: string, name: string) => new RegExp(`^${name}:(.*)$`, 'm').exec(info)?.[1]?.trim()
    const server = await client.info('server')
    const memory = await client.info('memory')
    return {
      version: field(server, 'redis_version') ?? 'unknown',
      policy: field(memory, 'maxmemory_policy') ?? null,
      milliseconds,
    }
  })
}

export async function appliedMigrations(): Promise<
  { migration_name: string; checksum: string; finished_at: Date | null; rolled_back_at: Date | null }[]
> {
  return await sql({
    name: 'doctor-migrations',
    text: 'SELECT migration_name, checksum, finished_at, rolled_back_at FROM "_prisma_migrations"',
  })
}
