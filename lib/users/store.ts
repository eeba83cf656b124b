/**
 * The users room's only SQL: users, profiles, avatars, emails, phones, roles.
 *
 * Atomic here: `insertUser` is one statement (a taken address writes nothing at all); whoever makes
 * an address verified holds `lockAddress` first, so the partial unique index on verified addresses
 * is never violated and no transaction is aborted by a race.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface SummaryRow {
  id: string
  status: 'active' | 'pending' | 'disabled' | 'deleted'
  is_anonymous: boolean
  locale: string
  default_role: string
  session_version: number
  factor_version: number
  created_at: Date
  updated_at: Date
  last_login_at: Date | null
  disabled_at: Date | null
  disabled_reason: string | null
  locked_down_at: Date | null
  first_name: string | null
  last_name: string | null
  display_name: string | null
  timezone: string | null
  address: string | null
  verified_at: Date | null
  phone: string | null
  phone_verified_at: Date | null
  avatar_key: string | null
  roles: string[]
}

const SUMMARY = `
  SELECT u.id, u.status, u.is_anonymous, u.locale, u.default_role, u.session_version,
         u.factor_version, u.created_at,
         GREATEST(u.updated_at, p.updated_at) AS updated_at, u.last_login_at, u.disabled_at,
         u.disabled_reason, u.locked_down_at, p.first_name, p.last_name, p.display_name, p.timezone,
         e.address, e.verified_at, t.number AS phone, t.verified_at AS phone_verified_at,
         a.key AS avatar_key,
         ARRAY(SELECT r.role_name FROM user_roles r WHERE r.user_id = u.id ORDER BY 1) AS roles
  FROM users u
  LEFT JOIN profiles p ON p.user_id = u.id
  LEFT JOIN emails e ON e.user_id = u.id AND e.is_primary
  LEFT JOIN phones t ON t.user_id = u.id AND t.is_primary
  LEFT JOIN avatars a ON a.user_id = u.id`

/** Everything about one user that is not a secret, in one prepared statement. */
export async function readUser(id: string): Promise<SummaryRow | null> {
  const [row] = await sql<SummaryRow>({
    name: 'users-by-id',
    text: `${SUMMARY} WHERE u.id = $1`,
    values: [id],
  })
  return row ?? null
}

/** The same with what operators keep about the user. */
export async function readUserWithMetadata(id: string): Promise<(SummaryRow & { metadata: object }) | null> {
  const [row] = await sql<SummaryRow & { metadata: object }>({
    name: 'users-with-metadata',
    text: `SELECT s.*, m.metadata FROM (${SUMMARY} WHERE u.id = $1) AS s JOIN users m ON m.id = s.id`,
    values: [id],
  })
  return row ?? null
}

export interface MembershipsRow {
  default_role: string
  roles: string[]
  domains: string[]
}

const MEMBERSHIPS = `
  SELECT u.default_role, ARRAY(SELECT r.role_name FROM user_roles r WHERE r.user_id = u.id) AS roles,
    ARRAY(SELECT DISTINCT lower(split_part(e.address::text, '@', 2)) FROM emails e
      WHERE e.user_id = u.id AND e.verified_at IS NOT NULL) AS domains
  FROM users u WHERE u.id = $1::uuid AND u.status = 'active' AND NOT u.is_anonymous`

/** What a person with an account belongs to, in one prepared statement; null for guests and whoever may not be here. */
export async function readMemberships(id: string): Promise<MembershipsRow | null> {
  const [row] = await sql<MembershipsRow>({ name: 'users-memberships', text: MEMBERSHIPS, values: [id] })
  return row ?? null
}

/** The same, as this transaction sees it. */
export async function readMembershipsIn(tx: Tx, id: string): Promise<MembershipsRow | null> {
  const [row] = await tx.$queryRawUnsafe<MembershipsRow[]>(MEMBERSHIPS, id)
  return row ?? null
}

/** The names of all roles that there are. */
export async function readRoleNames(limit: number): Promise<string[]> {
  const text = 'SELECT name FROM roles ORDER BY name LIMIT $1'
  const rows = await sql<{ name: string }>({ name: 'users-roles', text, values: [limit] })
  return rows.map(({ name }) => name)
}

/** Writes what operators keep about a user, as a whole. False when there is no such user. */
export async function writeMetadata(tx: Tx, id: string, metadata: object): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE users SET metadata = ${JSON.stringify(metadata)}::jsonb, updated_at = ${now()}
    WHERE id = ${id}::uuid AND status <> 'deleted'`
  return count > 0
}

/** Changes the role that a user has in any case. False when it was that. A role that is not there yet is made. */
export async function writeDefaultRole(tx: Tx, id: string, role: string): Promise<boolean> {
  await tx.$executeRaw`INSERT INTO roles (name) VALUES (${role}) ON CONFLICT (name) DO NOTHING`
  const count = await tx.$executeRaw`
    UPDATE users SET default_role = ${role}, updated_at = ${now()} WHERE id = ${id}::uuid AND default_role <> ${role}`
  return count > 0
}

/**
 * The user whose verified address this is; failing that, the oldest pending user whose primary it is. A query of at most
 * one SummaryRow, which may be a part of a larger statement.
 * @param param the parameter that is the address, normalized
 */
export const byAddressSql = (param: string): string => `${SUMMARY}
  WHERE u.id = (
    SELECT f.user_id FROM emails f JOIN users o ON o.id = f.user_id
    WHERE f.address = ${param} AND o.status <> 'deleted'
      AND (f.verified_at IS NOT NULL OR (f.is_primary AND o.status = 'pending'))
    ORDER BY f.verified_at IS NULL, o.created_at LIMIT 1)`

/** @param address normalized */
export async function readUserByAddress(address: string): Promise<SummaryRow | null> {
  const [row] = await sql<SummaryRow>({
    name: 'users-by-address',
    text: byAddressSql('$1'),
    values: [address],
  })
  return row ?? null
}

/** Serialises everyone who makes this address verified, until the transaction ends. */
export async function lockAddress(tx: Tx, address: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('email:' || lower(${address}), 0))`
}

export interface NewUser {
  id: string
  address: string
  verified: boolean
  firstName: string | null
  lastName: string | null
  displayName: string | null
  locale: string
  defaultRole: string
  roles: string[]
}

/**
 * Writes user, profile, e-mail and roles in one statement, or nothing when the address is verified
 * for somebody. Call under `lockAddress`.
 * @returns false when the address is taken
 */
export async function insertUser(tx: Tx, user: NewUser): Promise<boolean> {
  const at = now()
  const rows = await tx.$queryRaw<{ id: string }[]>`
    WITH free AS (
      SELECT ${user.id}::uuid AS id
      WHERE NOT EXISTS (
        SELECT 1 FROM emails WHERE address = ${user.address}::citext AND verified_at IS NOT NULL)
    ), u AS (
      INSERT INTO users (id, status, default_role, locale, created_at, updated_at)
      SELECT id, (CASE WHEN ${user.verified}::boolean THEN 'active' ELSE 'pending' END)::user_status,
             ${user.defaultRole}::text, ${user.locale}::text, ${at}::timestamptz, ${at}::timestamptz
      FROM free RETURNING id
    ), p AS (
      INSERT INTO profiles (user_id, first_name, last_name, display_name, updated_at)
      SELECT id, ${user.firstName}::text, ${user.lastName}::text, ${user.displayName}::text,
             ${at}::timestamptz FROM free
    ), e AS (
      INSERT INTO emails (user_id, address, is_primary, verified_at, created_at, updated_at)
      SELECT id, ${user.address}::citext, true,
             CASE WHEN ${user.verified}::boolean THEN ${at}::timestamptz END, ${at}::timestamptz,
             ${at}::timestamptz
      FROM free
    ), r AS (
      INSERT INTO user_roles (user_id, role_name, created_at)
      SELECT id, name, ${at}::timestamptz FROM free, unnest(${user.roles}::text[]) AS name
    )
    SELECT id FROM u`
  return rows.length === 1
}

/**
 * Makes an address the user already claims a verified one, and the primary when there is no verified
 * primary yet; a pending user becomes active. Call under `lockAddress`.
 */
export async function verifyAddress(
  tx: Tx,
  userId: string,
  address: string,
): Promise<'verified' | 'already' | 'taken' | 'unclaimed'> {
  const at = now()
  const rows = await tx.$queryRaw<{ user_id: string; verified_at: Date | null }[]>`
    SELECT user_id, verified_at FROM emails
    WHERE address = ${address}::citext AND (verified_at IS NOT NULL OR user_id = ${userId}::uuid)`
  if (rows.some((row) => row.user_id !== userId && row.verified_at)) return 'taken'
  const own = rows.find((row) => row.user_id === userId)
  if (!own) return 'unclaimed'
  if (own.verified_at) return 'already'
  await tx.$executeRaw`
    UPDATE emails SET is_primary = false, updated_at = ${at}
    WHERE user_id = ${userId}::uuid AND is_primary AND verified_at IS NULL`
  await tx.$executeRaw`
    UPDATE emails SET verified_at = ${at}, updated_at = ${at},
      is_primary = NOT EXISTS (SELECT 1 FROM emails WHERE user_id = ${userId}::uuid AND is_primary)
    WHERE user_id = ${userId}::uuid AND address = ${address}::citext`
  await tx.$executeRaw`
    UPDATE users SET status = 'active', updated_at = ${at} WHERE id = ${userId}::uuid AND status = 'pending'`
  return 'verified'
}

/**
 * Removes every unverified claim of others to an address that now has an owner (LNK3), but for what closed accounts had
 * proven: that is no claim, and judged if one is kept. An account that never proved any address may be a trap laid for the owner: its sessions end too.
 * @returns whose claims went
 */
export async function dropOtherClaims(tx: Tx, userId: string, address: string): Promise<string[]> {
  const at = now()
  const rows = await tx.$queryRaw<{ user_id: string }[]>`
    WITH gone AS (
      DELETE FROM emails
      WHERE address = ${address}::citext AND verified_at IS NULL AND held_since IS NULL
        AND user_id <> ${userId}::uuid
      RETURNING user_id
    ), ended AS (
      UPDATE users SET session_version = session_version + 1, updated_at = ${at}
      WHERE id IN (SELECT user_id FROM gone) AND status = 'pending' AND NOT is_anonymous
    )
    SELECT user_id FROM gone`
  return rows.map((row) => row.user_id)
}

export interface EmailRow {
  id: string
  address: string
  is_primary: boolean
  verified_at: Date | null
  created_at: Date
}

/** Primary first, then oldest first. Of a closed account as they were. */
export const readEmails = (userId: string): Promise<EmailRow[]> =>
  sql<EmailRow>({
    name: 'users-emails',
    text: `SELECT id, address, is_primary, COALESCE(verified_at, held_since) AS verified_at, created_at FROM emails
           WHERE user_id = $1 ORDER BY is_primary DESC, created_at, id`,
    values: [userId],
  })

export type ProfileColumns = Partial<{
  firstName: string | null
  lastName: string | null
  displayName: string | null
  timezone: string | null
}>

/**
 * Locks the user's row for the rest of the transaction. Null when there is no such live user. What points at the user (a
 * sign-in's tokens) is still written meanwhile: a lock that held that up would be waited for in a circle.
 */
export async function lockUser(
  tx: Tx,
  id: string,
): Promise<{ locale: string; status: string; is_anonymous: boolean } | null> {
  const [row] = await tx.$queryRaw<{ locale: string; status: string; is_anonymous: boolean }[]>`
    SELECT locale, status::text AS status, is_anonymous FROM users
    WHERE id = ${id}::uuid AND status <> 'deleted' FOR NO KEY UPDATE`
  return row ?? null
}

/**
 * Lets one change of how an account is entered in at a time, until `tx` ends: what several of them (a new
 * password, a recovery, a lock-down) would lock in different orders they lock one after the other. Take it first.
 */
export async function lockAccount(tx: Tx, userId: string): Promise<void> {
  await tx.$executeRaw`SELECT pg_advisory_xact_lock(hashtextextended('account:' || ${userId}, 0))`
}

export const readProfileColumns = (tx: Tx, userId: string) => tx.profile.findUnique({ where: { userId } })

export async function writeProfile(tx: Tx, userId: string, columns: ProfileColumns): Promise<void> {
  const data = { ...columns, updatedAt: now() }
  await tx.profile.upsert({ where: { userId }, update: data, create: { userId, ...data } })
}

export async function writeLocale(tx: Tx, id: string, locale: string): Promise<void> {
  await tx.user.update({ where: { id }, data: { locale, updatedAt: now() }, select: { id: true } })
}

export interface AvatarRow {
  key: string
  mimeType: string
  bytes: Uint8Array<ArrayBuffer>
}

export async function writeAvatar(tx: Tx, userId: string, avatar: AvatarRow): Promise<void> {
  const data = { ...avatar, size: avatar.bytes.length, createdAt: now() }
  await tx.avatar.upsert({ where: { userId }, update: data, create: { userId, ...data } })
}

export async function deleteAvatar(tx: Tx, userId: string): Promise<boolean> {
  const { count } = await tx.avatar.deleteMany({ where: { userId } })
  return count > 0
}

export async function readAvatar(key: string): Promise<{ bytes: Buffer; mime_type: string } | null> {
  const [row] = await sql<{ bytes: Buffer; mime_type: string }>({
    name: 'users-avatar',
    text: `SELECT a.bytes, a.mime_type FROM avatars a JOIN users u ON u.id = a.user_id
           WHERE a.key = $1 AND u.status <> 'deleted'`,
    values: [key],
  })
  return row ?? null
}

/** Disables and bumps the session version, which ends every session. Null when there is no such user. */
export async function writeDisabled(
  tx: Tx,
  id: string,
  reason: string,
): Promise<{ sessionVersion: number } | null> {
  const at = now()
  const [row] = await tx.$queryRaw<{ session_version: number }[]>`
    UPDATE users SET status = 'disabled', disabled_at = ${at}, disabled_reason = ${reason},
      session_version = session_version + 1, updated_at = ${at}
    WHERE id = ${id}::uuid AND status IN ('active', 'pending') RETURNING session_version`
  return row ? { sessionVersion: row.session_version } : null
}

/** Back to active, or to pending when no address was ever proven (guests need none). False when the user was not disabled. */
export async function writeEnabled(tx: Tx, id: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    UPDATE users SET disabled_at = NULL, disabled_reason = NULL, updated_at = ${now()},
      status = (CASE WHEN is_anonymous OR EXISTS (
        SELECT 1 FROM emails WHERE user_id = ${id}::uuid AND verified_at IS NOT NULL)
        THEN 'active' ELSE 'pending' END)::user_status
    WHERE id = ${id}::uuid AND status = 'disabled'`
  return count > 0
}

/** Gives `wanted` and takes what else of `among` the user has, but for the default role. What changed. */
export async function writeRoles(
  tx: Tx,
  userId: string,
  wanted: string[],
  among: string[],
): Promise<{ given: string[]; taken: string[] }> {
  await tx.$executeRaw`INSERT INTO roles (name) SELECT unnest(${wanted}::text[]) ON CONFLICT (name) DO NOTHING`
  const given = await tx.$queryRaw<{ name: string }[]>`
    INSERT INTO user_roles (user_id, role_name, created_at)
    SELECT ${userId}::uuid, unnest(${wanted}::text[]), ${now()} ON CONFLICT DO NOTHING RETURNING role_name AS name`
  const taken = await tx.$queryRaw<{ name: string }[]>`
    DELETE FROM user_roles r USING users u
    WHERE r.user_id = ${userId}::uuid AND u.id = r.user_id AND r.role_name <> u.default_role
      AND r.role_name = ANY(${among}::text[]) AND NOT r.role_name = ANY(${wanted}::text[])
    RETURNING r.role_name AS name`
  return { given: given.map(({ name }) => name), taken: taken.map(({ name }) => name) }
}

/** Blocks or frees password sign-in. False when it was so already. */
export async function writeLockedDown(tx: Tx, id: string, locked: boolean): Promise<boolean> {
  const at = now()
  const count = await tx.$executeRaw`
    UPDATE users SET locked_down_at = ${locked ? at : null}::timestamptz, updated_at = ${at}
    WHERE id = ${id}::uuid AND status <> 'deleted' AND (locked_down_at IS NULL) = ${locked}`
  return count > 0
}

/** A page of all users, newest first, after the cursor's place. Walks users_created_at_id_idx. */
export const readPage = (after: { at: Date; id: string } | null, limit: number): Promise<SummaryRow[]> =>
  sql<SummaryRow>({
    name: after ? 'users-page-after' : 'users-page',
    text: `${SUMMARY}
      WHERE u.status <> 'deleted'
        ${after ? 'AND u.created_at <= $2 AND (u.created_at < $2 OR u.id > $3)' : ''}
      ORDER BY u.created_at DESC, u.id LIMIT $1`,
    values: after ? [limit, after.at, after.id] : [limit],
  })

/** The columns searched by prefix, in order of precedence; each has an index on this expression. */
const SEARCHED = [
  { from: 'emails', expression: 'lower(address::text)' },
  { from: 'profiles', expression: 'lower(display_name)' },
  { from: 'profiles', expression: 'lower(last_name)' },
  { from: 'profiles', expression: 'lower(first_name)' },
]

/**
 * A page of the users of whom an address or a name begins with `prefix`, by what matched. The byte-wise
 * operators (~>=~) make the bounds an index range under any collation and in a generic plan.
 * @param after what matched and the id of the last one seen
 */
export const readMatches = (
  prefix: string,
  after: { matched: string; id: string } | null,
  limit: number,
): Promise<(SummaryRow & { matched: string })[]> => {
  const within = (row: string, { expression }: { expression: string }) => {
    const value = expression.replace('(', `(${row}.`)
    return `${value} ~>=~ lower($2) AND ${value} ~<~ (lower($2) || U&'\\+10FFFF')`
  }
  const branches = SEARCHED.map((search, index) => {
    const value = search.expression.replace('(', '(m.')
    // Each user once: by the first column that matches, and there by the least value.
    const earlier = SEARCHED.slice(0, index + 1).map((other, place) => {
      const less = place === index ? `AND ${other.expression.replace('(', '(b.')} ~<~ ${value}` : ''
      // A scalar subquery stays a probe of one row; NOT EXISTS would become a join over every match.
      return `AND (SELECT true FROM ${other.from} b
                WHERE b.user_id = m.user_id AND ${within('b', other)} ${less} LIMIT 1) IS NULL`
    })
    const place = after ? `AND ${value} ~>=~ $3 AND (${value} ~>~ $3 OR m.user_id > $4)` : ''
    return `(SELECT m.user_id, ${value} AS matched FROM ${search.from} m
             WHERE ${within('m', search)} ${place} ${earlier.join(' ')}
             ORDER BY ${value} USING ~<~, m.user_id LIMIT $1)`
  })
  return sql<SummaryRow & { matched: string }>({
    name: after ? 'users-search-after' : 'users-search',
    text: `WITH hits AS (
        SELECT user_id, matched FROM (${branches.join(' UNION ALL ')}) AS found
        ORDER BY matched USING ~<~, user_id LIMIT $1
      )
      SELECT hits.matched, s.* FROM hits JOIN LATERAL (${SUMMARY} WHERE u.id = hits.user_id) AS s ON true
      ORDER BY hits.matched USING ~<~, s.id`,
    values: after ? [limit, prefix, after.matched, after.id] : [limit, prefix],
  })
}
