/**
 * SQL of personal access tokens. Atomic: `insertToken` makes one only while the owner has fewer live ones than the limit,
 * for callers that hold the owner's row; `endTokens` ends each once.
 */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface TokenRow {
  id: string
  name: string
  hint: string
  scopes: string[]
  createdAt: Date
  expiresAt: Date
  lastUsedAt: Date | null
}

/** Tokens of a user that were not ended, newest first; those whose time is over are among them for a while. */
export async function tokensOf(userId: string, since: Date, limit: number): Promise<TokenRow[]> {
  return sql<TokenRow>({
    name: 'oidc-personal-of-user',
    text: `SELECT id::text, name, hint, scopes, created_at AS "createdAt", expires_at AS "expiresAt", last_used_at AS "lastUsedAt"
           FROM personal_access_tokens WHERE user_id = $1 AND revoked_at IS NULL AND expires_at > $2
           ORDER BY created_at DESC, id LIMIT $3`,
    values: [userId, since, limit],
  })
}

/** @returns null when the owner has `most` live ones */
export async function insertToken(
  tx: Tx,
  token: { userId: string; name: string; hash: string; hint: string; scopes: string[]; expiresAt: Date },
  most: number,
): Promise<string | null> {
  const at = now()
  const [row] = await tx.$queryRaw<{ id: string }[]>`
    INSERT INTO personal_access_tokens (user_id, name, token_hash, hint, scopes, created_at, expires_at)
    SELECT ${token.userId}::uuid, ${token.name}, ${token.hash}, ${token.hint}, ${token.scopes}::text[], ${at}::timestamptz,
      ${token.expiresAt}::timestamptz
    WHERE (SELECT count(*) FROM personal_access_tokens
      WHERE user_id = ${token.userId}::uuid AND revoked_at IS NULL AND expires_at > ${at}) < ${most}
    RETURNING id::text`
  return row?.id ?? null
}

/** Ends one token of a user, or (id left out) all; gives those that this call ended. */
export async function endTokens(
  tx: Tx,
  userId: string,
  id: string | null,
): Promise<{ id: string; name: string; hint: string }[]> {
  return tx.$queryRaw<{ id: string; name: string; hint: string }[]>`
    UPDATE personal_access_tokens SET revoked_at = ${now()}
    WHERE user_id = ${userId}::uuid AND revoked_at IS NULL AND (${id}::uuid IS NULL OR id = ${id}::uuid)
    RETURNING id::text, name, hint`
}

export interface FoundToken {
  id: string
  userId: string
  scopes: string[]
  createdAt: Date
  expiresAt: Date
}

/** A token that was not ended, of somebody who may be here. One indexed statement. */
export async function findToken(hash: string): Promise<FoundToken | null> {
  const [row] = await sql<FoundToken>({
    name: 'oidc-personal-find',
    text: `SELECT t.id::text, t.user_id::text AS "userId", t.scopes, t.created_at AS "createdAt", t.expires_at AS "expiresAt"
           FROM personal_access_tokens t JOIN users u ON u.id = t.user_id
           WHERE t.token_hash = $1 AND t.revoked_at IS NULL AND u.status = 'active' AND u.locked_down_at IS NULL`,
    values: [hash],
  })
  return row ?? null
}

export async function noteTokenUse(id: string): Promise<void> {
  await sql({
    name: 'oidc-personal-used',
    text: 'UPDATE personal_access_tokens SET last_used_at = $2 WHERE id = $1',
    values: [id, now()],
  })
}

/** Deletes tokens that were over before `before`, at most `batch`. */
export async function sweepTokens(before: Date, batch: number): Promise<number> {
  const rows = await sql({
    name: 'oidc-personal-sweep',
    text: `DELETE FROM personal_access_tokens WHERE id IN (SELECT id FROM personal_access_tokens
             WHERE expires_at < $1 OR revoked_at < $1 LIMIT $2) RETURNING 1`,
    values: [before, batch],
  })
  return rows.length
}
