/** People and sessions by SQL: what a portal that has run for a while holds. */

import { readFileSync } from 'node:fs'
import path from 'node:path'
import { hash } from '@node-rs/argon2'
import { Redis } from 'ioredis'
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

/** As the portal hashes by default. */
export const HASHING = { memoryCost: 19_456, timeCost: 2, parallelism: 1, outputLen: 32 }

/**
 * Adds people with confirmed addresses, a name and one password, hashed as the portal hashes by default.
 * @returns their addresses
 */
export async function people(target, prefix, count) {
  const phc = await hash(target.password, HASHING)
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

/** Makes Redis forget sessions, as five minutes would. */
export async function forgetSessions({ redisUrl }, sids) {
  const redis = new Redis(redisUrl)
  for (const sid of sids) await redis.del(`session:valid:${sid}`)
  redis.disconnect()
}

/**
 * Fills the embedded database with people who have been here for a while, each with a password, devices, sessions and a
 * history. As its superuser, without the triggers: five million events through the trigger that chains them would take most
 * of an hour. The rows are of the same size and have the same places in their chains, but their hashes link nothing;
 * what is written afterwards goes through the trigger again.
 */
export async function house(portal, target, { people: count, sessionsEach, eventsEach }) {
  const secrets = JSON.parse(readFileSync(path.join(portal.env.GATEHOUSE_DATA, 'secrets.json'), 'utf8'))
  const url = new URL(portal.databaseUrl)
  url.username = 'postgres'
  url.password = secrets.postgresAdmin
  const client = new pg.Client({ connectionString: url.href })
  await client.connect()
  try {
    const phc = await hash(target.password, HASHING)
    await client.query(`SET session_replication_role = replica`)
    await client.query(`SET synchronous_commit = off`)
    await client.query('CREATE TEMPORARY TABLE fresh (id uuid, address text)')
    await client.query(
      `INSERT INTO fresh SELECT id, 'resident-' || id || '@example.com' FROM (SELECT gen_random_uuid() AS id FROM generate_series(1, $1::int)) n`,
      [count],
    )
    const steps = [
      `INSERT INTO users (id, status, default_role, locale, created_at, updated_at) SELECT id, 'active', 'user', 'en', now(), now() FROM fresh`,
      `INSERT INTO profiles (user_id, first_name, last_name, updated_at) SELECT id, 'Bench', left(id::text, 8), now() FROM fresh`,
      `INSERT INTO emails (user_id, address, is_primary, verified_at, created_at, updated_at) SELECT id, address, true, now(), now(), now() FROM fresh`,
      `INSERT INTO user_roles (user_id, role_name, created_at) SELECT id, 'user', now() FROM fresh`,
      `INSERT INTO passwords (user_id, hash, changed_at) SELECT id, '${phc}', now() FROM fresh`,
      `INSERT INTO devices (id, user_id, token_hash, browser, os, kind, last_ip, created_at, last_seen_at)
       SELECT gen_random_uuid(), id, 'bench-' || d || '-' || id, 'Firefox', 'Windows', 'desktop', '127.0.0.1', now(), now()
       FROM fresh, generate_series(1, 2) d`,
      `INSERT INTO sessions (user_id, device_id, session_version, method, amr, acr, auth_at, user_agent, browser, os, device_kind,
         ip, created_at, last_active_at, expires_at, idle_seconds, revoked_at, revoked_reason)
       SELECT d.user_id, d.id, 1, 'password', '{pwd}', 'aal1', t.at, 'bench', 'Firefox', 'Windows', 'desktop', '127.0.0.1', t.at, t.at,
         t.at + interval '30 days', 604800, CASE WHEN i % 5 > 0 THEN t.at END, CASE WHEN i % 5 > 0 THEN 'signed_out' END
       FROM fresh f JOIN devices d ON d.user_id = f.id, generate_series(1, ${sessionsEach / 2}) i,
         LATERAL (SELECT now() - make_interval(hours => i * 20) AS at) t`,
      `INSERT INTO refresh_tokens (id, family_id, user_id, client_id, grant_id, session_id, payload, expires_at)
       SELECT 'bench-' || s.id, s.id, s.user_id, 'bench', 'bench', s.id, '{}', now() + interval '20 days'
       FROM fresh f JOIN sessions s ON s.user_id = f.id WHERE s.revoked_at IS NULL`,
      `INSERT INTO events (at, type, user_id, ip, user_agent, data, seq, prev_hash, hash)
       SELECT now() - make_interval(hours => ${eventsEach} - i), (ARRAY['session.opened', 'signin.succeeded', 'session.revoked', 'token.issued'])[1 + i % 4],
         id, '127.0.0.1', 'Mozilla/5.0 (X11; Linux x86_64)', '{"method":"password","amr":["pwd"]}', i, sha256(id::text::bytea), sha256(id::text::bytea)
       FROM generate_series(1, ${eventsEach}) i, fresh`,
      `INSERT INTO event_heads (user_id, seq, hash) SELECT id, ${eventsEach}, sha256(id::text::bytea) FROM fresh`,
    ]
    const again = await withoutIndexes(client, ['devices', 'sessions', 'refresh_tokens', 'events'])
    for (const step of steps) await client.query(step)
    await again()
    const { rows } = await client.query('SELECT address FROM fresh LIMIT 64')
    target.residents = rows.map(({ address }) => address)
  } finally {
    await client.end()
  }
}

/** Drops indexes, which grow row by row in no order and so for a quarter of an hour. @returns makes them anew, sorted */
async function withoutIndexes(client, tables) {
  const { rows } = await client.query(
    `SELECT indexname AS name, indexdef AS definition FROM pg_indexes WHERE schemaname = 'public' AND tablename = ANY($1)
       AND indexname NOT IN (SELECT conname FROM pg_constraint)`,
    [tables],
  )
  for (const { name } of rows) await client.query(`DROP INDEX "${name}"`)
  return async () => {
    await client.query(`SET maintenance_work_mem = '256MB'`)
    for (const { definition } of rows) await client.query(definition)
  }
}

/** Sessions whose time has been over for long. */
export async function overdue(target, count) {
  await query(
    target,
    `WITH someone AS (SELECT id FROM users LIMIT 1)
     INSERT INTO sessions (user_id, session_version, method, amr, acr, auth_at, created_at, last_active_at, expires_at, idle_seconds)
     SELECT someone.id, 1, 'password', '{pwd}', 'aal1', old, old, old, old + interval '1 day', 604800
     FROM someone, generate_series(1, $1::int), (SELECT now() - interval '60 days' AS old) o`,
    [count],
  )
}
