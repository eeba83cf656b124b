/** What operators keep about a user for their apps: one JSON object, of no meaning to the portal. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { announce } from './announce'
import * as store from './store'

export const MAX_METADATA_BYTES = 16_384
const MAX_DEPTH = 8

export type Metadata = Record<string, unknown>

const isObject = (value: unknown): value is Metadata =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

/** Why this cannot be kept; null when it can. */
function problem(metadata: unknown): string | null {
  if (!isObject(metadata)) return 'must be a JSON object'
  if (depthOf(metadata) > MAX_DEPTH) return `must not be nested more than ${MAX_DEPTH} deep`
  const text = JSON.stringify(metadata)
  if (Buffer.byteLength(text) > MAX_METADATA_BYTES) return `must have at most ${MAX_METADATA_BYTES} bytes`
  // Postgres keeps neither in jsonb.
  if (text.includes('\\u0000') || /\\ud[89a-f]/i.test(text)) return 'has characters that cannot be kept'
  return null
}

/** Null for nobody. @throws StoresDown */
export async function get(id: string): Promise<Metadata | null> {
  const row = isUuid(id) ? await store.readUserWithMetadata(id) : null
  return row ? (row.metadata as Metadata) : null
}

/**
 * Puts `metadata` in the place of what was there. Apps see it from their next request on.
 * @returns refusal `not_found`, or `invalid_input` with `values.message`
 */
export async function set(
  id: string,
  metadata: unknown,
  by: { actor: string; caller?: Caller },
): Promise<Result<Metadata>> {
  const why = problem(metadata)
  if (why) return refuse('invalid_input', { field: 'metadata', values: { message: `metadata ${why}` } })
  if (!isUuid(id)) return refuse('not_found')
  const kept = metadata as Metadata
  return await inTx(async (tx) => {
    if (!(await store.writeMetadata(tx, id, kept))) return refuse('not_found')
    // Names alone: the values are nobody else's business.
    const data = { metadata: Object.keys(kept) }
    await record(tx, { type: 'user.updated', userId: id, ...by, data })
    announce(tx, 'updated', id)
    return ok(kept)
  })
}
