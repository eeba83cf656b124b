/**
 * SQL of what apps a person allowed something, and of the end of that. Atomic: `endGrant` takes one consent back with
 * every refresh token and sign-in that hangs on it, in its caller's transaction that holds the consent (`holdGrant`); of
 * two at once, one ends something. The consent is held first, as by a sign-in; a rotation, which holds its token, does not
 * wait for it. So none of them waits for another in a circle.
 */
import { nowMs } from '../base/clock'
import { sql, type Tx } from '../base/db'
import type { ClientMetadata } from './store-registry'

export interface ConnectedRow {
  grantId: string
  clientId: string
  name: string
  metadata: ClientMetadata
  firstParty: boolean
  disabledAt: Date | null
  scopes: string[]
  claims: string[]
  /** Scopes of APIs, by the address of each. */
  resources: Record<string, string[]>
  createdAt: Date
  lastUsedAt: Date | null
  /** Those of the given sessions that are signed in to it, last used there first. */
  sessions: { sid: string; lastUsedAt: string }[]
  /** Sign-ins that it could still renew by itself. */
  tokens: number
}

/** Apps with a live consent of a user, most recently used first, with the sessions among `sids` that are signed in to each. */
export async function connectedApps(
  userId: string,
  sids: string[],
  clientId: string | null,
  limit: number,
): Promise<ConnectedRow[]> {
  return sql<ConnectedRow>({
    name: 'oidc-connected-apps',
    text: `SELECT g.id AS "grantId", c.id AS "clientId", c.name, c.metadata, c.first_party AS "firstParty",
             c.disabled_at AS "disabledAt", COALESCE(g.payload->'scopes', '[]') AS scopes,
             COALESCE(g.payload->'claims', '[]') AS claims,
             COALESCE(g.payload->'resources', '{}') AS resources, g.created_at AS "createdAt", g.last_used_at AS "lastUsedAt",
             COALESCE((SELECT jsonb_agg(jsonb_build_object('sid', sc.session_id, 'lastUsedAt', sc.last_used_at)
                 ORDER BY sc.last_used_at DESC)
               FROM session_clients sc WHERE sc.session_id = ANY($2::uuid[]) AND sc.client_id = c.id), '[]') AS sessions,
             (SELECT count(DISTINCT t.family_id)::int FROM refresh_tokens t
               WHERE t.grant_id = g.id AND t.session_id = ANY($2::uuid[]) AND t.consumed_at IS NULL AND t.expires_at > $3) AS tokens
           FROM grants g JOIN clients c ON c.id = g.client_id
           WHERE g.user_id = $1 AND g.revoked_at IS NULL AND ($4::text IS NULL OR c.id = $4)
           ORDER BY COALESCE(g.last_used_at, g.created_at) DESC, g.id LIMIT $5`,
    values: [userId, sids, new Date(nowMs()), clientId, limit],
  })
}

export interface EndedGrant {
  id: string
  clientId: string
  /** The names by which the app knew the sessions that it is signed out of now. */
  sids: string[]
  /** Sign-ins that it could have renewed. */
  tokens: number
  /** It has an address where it is told. */
  told: boolean
}

/** How many of its sessions a taken-back consent remembers for its receipts. */
const REMEMBERED = 200

/** The live consents of a user: of one app, or of all. */
export async function liveGrantIds(tx: Tx, userId: string, clientId: string | null): Promise<string[]> {
  const rows = await tx.$queryRaw<{ id: string }[]>`
    SELECT id FROM grants WHERE user_id = ${userId}::uuid AND revoked_at IS NULL
      AND (${clientId}::text IS NULL OR client_id = ${clientId}::text) ORDER BY id`
  return rows.map(({ id }) => id)
}

/**
 * Holds one consent until `tx` ends: a sign-in that is being stored is waited for, and one that comes later finds it gone.
 * @returns false when somebody else had taken it back
 */
export async function holdGrant(tx: Tx, id: string): Promise<boolean> {
  const rows = await tx.$queryRaw<object[]>`
    SELECT 1 FROM grants WHERE id = ${id} AND revoked_at IS NULL FOR NO KEY UPDATE`
  return rows.length === 1
}

/**
 * Takes back one consent that is held, with its refresh tokens and the app's sign-ins in `sessionIds`. What ended is kept
 * with it. Each statement looks whether it still holds: what was allowed anew meanwhile is not touched.
 * @returns null when somebody else had taken it back
 */
export async function endGrant(tx: Tx, id: string, sessionIds: string[]): Promise<EndedGrant | null> {
  const at = new Date(nowMs())
  const gone = await tx.$queryRaw<{ live: boolean; family: string; session: string | null }[]>`
    DELETE FROM refresh_tokens WHERE grant_id = ${id} AND EXISTS (SELECT 1 FROM grants WHERE id = ${id} AND revoked_at IS NULL)
    RETURNING consumed_at IS NULL AND expires_at > ${at} AS live, family_id AS family, session_id::text AS session`
  const apps = await tx.$queryRaw<{ sid: string }[]>`
    DELETE FROM session_clients WHERE session_id = ANY(${sessionIds}::uuid[])
      AND client_id = (SELECT client_id FROM grants WHERE id = ${id} AND revoked_at IS NULL)
    RETURNING sid`
  const live = gone.filter((row) => row.live && row.session && sessionIds.includes(row.session))
  const tokens = new Set(live.map(({ family }) => family)).size
  const sids = apps.map(({ sid }) => sid)
  const ended = JSON.stringify({ sids: sids.slice(0, REMEMBERED), sessions: sids.length, tokens })
  const [row] = await tx.$queryRaw<{ clientId: string; told: boolean }[]>`
    UPDATE grants g SET revoked_at = ${at}, payload = g.payload || jsonb_build_object('ended', ${ended}::jsonb
      || jsonb_build_object('told', c.disabled_at IS NULL AND jsonb_exists(c.metadata, 'backchannel_logout_uri')))
    FROM clients c WHERE g.id = ${id} AND g.revoked_at IS NULL AND c.id = g.client_id
    RETURNING g.client_id AS "clientId", (g.payload->'ended'->>'told')::boolean AS told`
  return row ? { id, ...row, sids, tokens } : null
}

export interface PastGrant {
  clientId: string
  name: string
  firstParty: boolean
  /** It was told. */
  told: boolean
  sids: string[]
  sessions: number
  tokens: number
}

/** What the end of one consent of this user ended; null for none, somebody else's, and one that still holds. */
export async function endedGrant(userId: string, id: string): Promise<PastGrant | null> {
  const [row] = await sql<
    Pick<PastGrant, 'clientId' | 'name' | 'firstParty'> & { ended: Omit<PastGrant, 'clientId'> }
  >({
    name: 'oidc-grant-ended',
    text: `SELECT c.id AS "clientId", c.name, c.first_party AS "firstParty", g.payload->'ended' AS ended
           FROM grants g JOIN clients c ON c.id = g.client_id
           WHERE g.id = $1 AND g.user_id = $2 AND g.revoked_at IS NOT NULL AND jsonb_exists(g.payload, 'ended')`,
    values: [id, userId],
  })
  if (!row) return null
  const { ended, ...app } = row
  return { ...ended, ...app }
}
