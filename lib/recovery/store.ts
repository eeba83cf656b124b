/**
 * All SQL of the room: recovery requests and trusted contacts. Atomic here: of a veto, a completion and an
 * approval of one request at the same instant each is one UPDATE with its condition, so a vetoed request is
 * never completed and a completed one never vetoed; `insertRequest` runs under a lock of the user, so that
 * requests of one person are counted one after the other; an approval and its count are one statement.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'
import { lockAccount } from '../users'

export interface RequestRow {
  id: string
  user_id: string
  token_hash: string
  created_at: Date
  ready_at: Date
  expires_at: Date
  vetoed_at: Date | null
  completed_at: Date | null
  approved_by: string[]
}

const COLUMNS = `r.id::text, r.user_id::text, r.token_hash, r.created_at, r.ready_at, r.expires_at, r.vetoed_at,
  r.completed_at, ARRAY(SELECT a->>'by' FROM jsonb_array_elements(r.approvals) a) AS approved_by`

/** Neither stopped nor finished nor over; $2 is now. */
const OPEN = 'r.vetoed_at IS NULL AND r.completed_at IS NULL AND r.expires_at > $2'

export async function readByToken(tokenHash: string): Promise<RequestRow | null> {
  const [row] = await sql<RequestRow>({
    name: 'recovery-by-token',
    text: `SELECT ${COLUMNS} FROM recovery_requests r WHERE r.token_hash = $1`,
    values: [tokenHash],
  })
  return row ?? null
}

export async function readById(id: string): Promise<RequestRow | null> {
  const [row] = await sql<RequestRow>({
    name: 'recovery-by-id',
    text: `SELECT ${COLUMNS} FROM recovery_requests r WHERE r.id = $1`,
    values: [id],
  })
  return row ?? null
}

/** Of the requests that run for a user the one that could be finished first; null when none runs. */
export async function readRunning(userId: string): Promise<RequestRow | null> {
  const [row] = await sql<RequestRow>({
    name: 'recovery-running',
    text: `SELECT ${COLUMNS} FROM recovery_requests r WHERE r.user_id = $1 AND ${OPEN}
           ORDER BY r.ready_at, r.id LIMIT 1`,
    values: [userId, now()],
  })
  return row ?? null
}

/**
 * Notes a request, unless this very one was noted before or the account was closed since.
 * @param request.besideOthers only while another one runs for the user
 * @returns its id and how many others run for the user; or null
 */
export async function insertRequest(
  tx: Tx,
  request: {
    userId: string
    tokenHash: string
    createdAt: Date
    readyAt: Date
    expiresAt: Date
    besideOthers: boolean
  },
): Promise<{ id: string; others: number } | null> {
  const { userId, tokenHash, createdAt, readyAt, expiresAt, besideOthers } = request
  await lockAccount(tx, userId)
  const [row] = await tx.$queryRaw<{ id: string; others: number }[]>`
    WITH running AS (
      SELECT count(*)::int AS n FROM recovery_requests r WHERE r.user_id = ${userId}::uuid AND r.vetoed_at IS NULL
        AND r.completed_at IS NULL AND r.expires_at > ${createdAt}::timestamptz)
    INSERT INTO recovery_requests (user_id, token_hash, created_at, ready_at, expires_at)
    SELECT ${userId}::uuid, ${tokenHash}, ${createdAt}::timestamptz, ${readyAt}::timestamptz, ${expiresAt}::timestamptz
    FROM running JOIN users u ON u.id = ${userId}::uuid AND u.status <> 'deleted'
    WHERE NOT ${besideOthers} OR running.n > 0
    ON CONFLICT (token_hash) DO NOTHING
    RETURNING id::text, (SELECT n FROM running) AS others`
  return row ?? null
}

/** Stops one request. False when it was stopped, finished or over already. */
export async function stopRequest(tx: Tx, id: string): Promise<boolean> {
  const at = now()
  const count = await tx.$executeRaw`
    UPDATE recovery_requests SET vetoed_at = ${at}
    WHERE id = ${id}::uuid AND vetoed_at IS NULL AND completed_at IS NULL AND expires_at > ${at}`
  return count > 0
}

/** Stops whatever runs for a user. @returns the ids of what ran */
export async function endRunning(tx: Tx, userId: string): Promise<string[]> {
  const at = now()
  const rows = await tx.$queryRaw<{ id: string }[]>`
    UPDATE recovery_requests SET vetoed_at = ${at}
    WHERE user_id = ${userId}::uuid AND vetoed_at IS NULL AND completed_at IS NULL AND expires_at > ${at}
    RETURNING id::text`
  return rows.map(({ id }) => id)
}

/** Finishes a request whose time has come; of any number at once, one does. */
export async function finishRequest(tx: Tx, tokenHash: string): Promise<boolean> {
  const at = now()
  const count = await tx.$executeRaw`
    UPDATE recovery_requests SET completed_at = ${at}
    WHERE token_hash = ${tokenHash} AND vetoed_at IS NULL AND completed_at IS NULL
      AND ready_at <= ${at} AND expires_at > ${at}`
  return count > 0
}

export interface Approval {
  requestId: string
  contactId: string
  sessionId: string
  /** Contacts named later than this many seconds before the request do not count. */
  namedBeforeSeconds: number
  needed: number
}

/**
 * Notes a contact's approval, once each; with the last one that is needed the waiting time ends.
 * @returns the user, how many approved, and whether this one ended the waiting; null when it was not theirs to give
 */
export async function approve(
  tx: Tx,
  a: Approval,
): Promise<{ userId: string; approvals: number; hastened: boolean } | null> {
  const at = now()
  const [row] = await tx.$queryRaw<{ user_id: string; approvals: number; ready_at: Date }[]>`
    UPDATE recovery_requests r SET
      approvals = r.approvals || jsonb_build_array(jsonb_build_object(
        'by', ${a.contactId}::text, 'at', ${at.toISOString()}::text, 'sid', ${a.sessionId}::text)),
      ready_at = CASE WHEN 1 + (
        SELECT count(*) FROM jsonb_array_elements(r.approvals) e
        JOIN trusted_contacts k ON k.user_id = r.user_id AND k.contact_id = (e->>'by')::uuid) >= ${a.needed}::int
        THEN ${at}::timestamptz ELSE r.ready_at END
    WHERE r.id = ${a.requestId}::uuid AND r.user_id <> ${a.contactId}::uuid
      AND r.vetoed_at IS NULL AND r.completed_at IS NULL AND r.ready_at > ${at} AND r.expires_at > ${at}
      AND NOT r.approvals @> jsonb_build_array(jsonb_build_object('by', ${a.contactId}::text))
      AND EXISTS (
        SELECT 1 FROM trusted_contacts c WHERE c.user_id = r.user_id AND c.contact_id = ${a.contactId}::uuid
          AND c.created_at <= r.created_at - make_interval(secs => ${a.namedBeforeSeconds}::int))
    RETURNING r.user_id::text, jsonb_array_length(r.approvals) AS approvals, r.ready_at`
  if (!row) return null
  return { userId: row.user_id, approvals: row.approvals, hastened: row.ready_at.getTime() <= at.getTime() }
}

// ── trusted contacts ─────────────────────────────────────────────────────────

export interface ContactRow {
  user_id: string
  contact_id: string
  created_at: Date
}

export const readContacts = (userId: string): Promise<ContactRow[]> =>
  sql<ContactRow>({
    name: 'contacts-of',
    text: `SELECT user_id::text, contact_id::text, created_at FROM trusted_contacts
           WHERE user_id = $1 ORDER BY created_at, contact_id`,
    values: [userId],
  })

/** Whom a person may be asked to vouch for. */
export const readProteges = (contactId: string): Promise<ContactRow[]> =>
  sql<ContactRow>({
    name: 'contacts-for',
    text: `SELECT user_id::text, contact_id::text, created_at FROM trusted_contacts
           WHERE contact_id = $1 ORDER BY created_at, user_id LIMIT 100`,
    values: [contactId],
  })

/** False when there was one already. */
export async function insertContact(tx: Tx, userId: string, contactId: string): Promise<boolean> {
  const count = await tx.$executeRaw`
    INSERT INTO trusted_contacts (user_id, contact_id, created_at)
    SELECT ${userId}::uuid, ${contactId}::uuid, ${now()}::timestamptz WHERE ${userId} <> ${contactId}
    ON CONFLICT DO NOTHING`
  return count > 0
}

export async function deleteContact(tx: Tx, userId: string, contactId: string): Promise<boolean> {
  const { count } = await tx.trustedContact.deleteMany({ where: { userId, contactId } })
  return count > 0
}

/** Ends the trust in everybody who accepted since a moment. @returns how many */
export async function deleteContactsSince(tx: Tx, userId: string, since: Date): Promise<number> {
  const { count } = await tx.trustedContact.deleteMany({ where: { userId, createdAt: { gte: since } } })
  return count
}
