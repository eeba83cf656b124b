/** The list of users for operators: pages by key, never by offset, never counted. */
import { isUuid } from '../base/ids'
import { toSummary, type UserSummary } from './person'
import * as store from './store'
import { plainLine } from './text'

const MAX_PAGE = 100

export interface Page {
  items: UserSummary[]
  /** Give it back as `after` for the page that follows; null at the end. */
  next: string | null
}

const encode = (...parts: string[]): string => Buffer.from(JSON.stringify(parts)).toString('base64url')

/** A cursor is ours or it is nothing: a bent one begins again. */
function decode(cursor: string | undefined): [string, string] | null {
  if (typeof cursor !== 'string' || cursor.length > 2000) return null
  try {
    const parts: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString())
    if (!Array.isArray(parts)) return null
    const [place, id] = parts
    return typeof place === 'string' && isUuid(id) ? [place, id] : null
  } catch {
    return null
  }
}

/**
 * Users newest first or, with a query, those of whom an address, display, first or last name begins
 * with it (case folded), by what matched.
 * @param limit at most 100
 */
export async function list(filter: { query?: string; after?: string; limit: number }): Promise<Page> {
  const limit = Math.max(1, Math.min(Math.trunc(filter.limit) || 1, MAX_PAGE))
  const query = typeof filter.query === 'string' ? plainLine(filter.query).slice(0, 254) : ''
  const after = decode(filter.after)
  if (query) {
    const rows = await store.readMatches(query, after && { matched: after[0], id: after[1] }, limit + 1)
    return page(rows, limit, (row) => encode(row.matched, row.id))
  }
  const at = after && Number(after[0])
  const place = after && Number.isSafeInteger(at) ? { at: new Date(Number(at)), id: after[1] } : null
  const rows = await store.readPage(place, limit + 1)
  return page(rows, limit, (row) => encode(String(row.created_at.getTime()), row.id))
}

function page<Row extends store.SummaryRow>(rows: Row[], limit: number, cursor: (row: Row) => string): Page {
  const shown = rows.slice(0, limit)
  const last = shown.at(-1)
  return {
    items: shown.filter((row) => row.status !== 'deleted').map(toSummary),
    next: rows.length > limit && last ? cursor(last) : null,
  }
}
