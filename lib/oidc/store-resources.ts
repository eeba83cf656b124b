/** SQL of the APIs that access tokens can be made for. */
import { now } from '../base/clock'
import { sql, type Tx } from '../base/db'

export interface ResourceScope {
  name: string
  /** What it allows, as people read it who are asked. */
  description?: string
}

export interface ResourceRow {
  /** Its address (RFC 8707), and the audience of its tokens. */
  id: string
  name: string
  scopes: ResourceScope[]
  format: 'jwt' | 'opaque'
  algorithm: string
  /** Apps that registered themselves may ask for it too. */
  open: boolean
  /** null: as long as every access token. */
  lifetimeSeconds: number | null
  createdAt: Date
}

const RESOURCE = `SELECT id, name, scopes, format, algorithm, open, lifetime_seconds AS "lifetimeSeconds", created_at AS "createdAt"
  FROM resources`

export async function findResource(id: string): Promise<ResourceRow | null> {
  const [row] = await sql<ResourceRow>({
    name: 'oidc-resource',
    text: `${RESOURCE} WHERE id = $1`,
    values: [id],
  })
  return row ?? null
}

export async function listResources(limit: number): Promise<ResourceRow[]> {
  return sql<ResourceRow>({
    name: 'oidc-resources',
    text: `${RESOURCE} ORDER BY id LIMIT $1`,
    values: [limit],
  })
}

/** False when the address is taken. */
export async function insertResource(tx: Tx, row: Omit<ResourceRow, 'createdAt'>): Promise<boolean> {
  const made = await tx.$executeRaw`
    INSERT INTO resources (id, name, scopes, format, algorithm, open, lifetime_seconds, created_at, updated_at)
    VALUES (${row.id}, ${row.name}, ${JSON.stringify(row.scopes)}::jsonb, ${row.format}, ${row.algorithm},
      ${row.open}, ${row.lifetimeSeconds}, ${now()}, ${now()})
    ON CONFLICT (id) DO NOTHING`
  return made === 1
}

/** Writes all but the address; false when there is no such API. */
export async function updateResource(tx: Tx, row: Omit<ResourceRow, 'createdAt'>): Promise<boolean> {
  const changed = await tx.$executeRaw`
    UPDATE resources SET name = ${row.name}, scopes = ${JSON.stringify(row.scopes)}::jsonb, format = ${row.format},
      algorithm = ${row.algorithm}, open = ${row.open}, lifetime_seconds = ${row.lifetimeSeconds}, updated_at = ${now()}
    WHERE id = ${row.id}`
  return changed === 1
}

export async function deleteResource(tx: Tx, id: string): Promise<boolean> {
  return (await tx.$executeRaw`DELETE FROM resources WHERE id = ${id}`) === 1
}
