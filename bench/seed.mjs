/** People and sessions by SQL: what a portal that has run for a while holds. */
import { hash } from '@node-rs/argon2'
import pg from 'pg'

const clients = new Map()

async function query({ databaseUrl }, text, values) {
  let client = clients.get(databaseUrl)
  if (!client) {
    client = new pg.Pool({ connectionString: databaseUrl, max: 1, idleTimeoutMillis: 500 })
    // The server may end before the pool's last connection does.
    client.on('error', () => {})
    clients.set(databaseUrl, client)
  }
  return (await client.query(text, values)).rows
}

/** Closes this process's connections. */
export async function closeSeed() {
  for (const client of clients.values()) await client.end()
  clients.clear()
}

/**
 * Adds people with confirmed addresses, a name and one password, hashed as the portal hashes by default.
 * @returns their addresses
 */
export async function people(target, prefix, count) {
  const phc = await hash(target.password, { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 })
  const rows = await query(
    target,
    `WITH n AS (SELECT gen_random_uuid() AS id, $1 || i || '@example.com' AS address, i FROM generate_series(1, $2::int) i),
      u AS (INSERT INTO users (id, status, default_role, locale, created_at, updated_at)
        SELECT id, 'active', 'user', 'en', now(), now() FROM n),
      p AS (INSERT INTO profiles (user_id, first_name, last_name, updated_at) SELECT id, 'Bench', 'Person ' || i, now() FROM n),
      e AS (INSERT INTO emails (user_id, address, is_primary, verified_at, created_at, updated_at)
        SELECT id, address, true, now(), now(), now() FROM n),
      r AS (INSERT INTO user_roles (user_id, role_name, created_at) SELECT id, 'user', now() FROM n),
      w AS (INSERT INTO passwords (user_id, hash, changed_at) SELECT id, $3, now() FROM n)
    SELECT address FROM n ORDER BY i`,
    [prefix, count, phc],
  )
  return rows.map((row) => row.address)
}

export async function personId(target, email) {
  const [row] = await query(target, 'SELECT user_id AS id FROM emails WHERE address = $1', [email])
  return row.id
}

/** Brings a user to `count` live sessions, each on a device of its own. */
export async function manySessions(target, userId, count) {
  await query(
    target,
    `WITH missing AS (
        SELECT gen_random_uuid() AS id, i, now() - make_interval(mins => i) AS at
        FROM generate_series(1, $2::int - (SELECT count(*)::int FROM sessions WHERE user_id = $1 AND revoked_at IS NULL)) i),
      d AS (
        INSERT INTO devices (id, user_id, token_hash, browser, os, kind, last_ip, created_at, last_seen_at)
        SELECT id, $1, 'bench-' || id, 'Firefox', 'Windows', 'desktop', '127.0.0.1', at, at FROM missing RETURNING id)
    INSERT INTO sessions (id, user_id, device_id, session_version, method, amr, acr, auth_at, user_agent, browser, os,
      device_kind, ip, created_at, last_active_at, expires_at, idle_seconds)
    SELECT gen_random_uuid(), $1, d.id, u.session_version, 'password', '{pwd}', 'aal1', m.at, 'bench', 'Firefox', 'Windows',
      'desktop', '127.0.0.1', m.at, m.at, now() + interval '29 days', 604800
    FROM d JOIN missing m ON m.id = d.id JOIN users u ON u.id = $1`,
    [userId, count],
  )
}

/** Statistics as autovacuum would have them by now. */
export const settle = (target) => query(target, 'VACUUM ANALYZE')
