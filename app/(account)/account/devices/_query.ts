/** What the addresses of the devices pages may say. */
import { oidc, sessions } from '@/lib'
import type { Receipts } from '@/lib/oidc'
import type { PlaceInList } from '@/lib/sessions'

export type Query = Record<string, string | string[] | undefined>

export const PATH = '/account/devices'

/** One value of the query, bounded; anything else is not there. */
export function said(query: Query, name: string): string {
  const value = query[name]
  return typeof value === 'string' ? value.trim().slice(0, 80) : ''
}

/** `<milliseconds>.<id>` of the last row shown; anything else is the first page. */
export function placeFrom(value: string): PlaceInList | undefined {
  const found = /^(\d{12,14})\.([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})$/.exec(value)
  return found?.[1] && found[2] ? { at: new Date(Number(found[1])), id: found[2] } : undefined
}

export const placeText = ({ at, id }: PlaceInList): string => `${at.getTime()}.${id}`

/** A page's address with these parts of the query, those that are empty left out. */
export function hrefOf(path: string, parts: Record<string, string>): string {
  const query = new URLSearchParams(Object.entries(parts).filter(([, value]) => value)).toString()
  return query ? `${path}?${query}` : path
}

/** What the revoke that the address names has ended; null for none, and for somebody else's. */
export async function endedBy(
  userId: string,
  query: Query,
): Promise<{ count: number; receipts: Receipts } | null> {
  const id = said(query, 'ended')
  const sids = await sessions.endedBy(userId, id)
  return sids.length ? { count: sids.length, receipts: await oidc.receipts(userId, id) } : null
}

/** Receipts that are still to come are looked for again after so long. */
export const againMs = (ended: { receipts: Receipts } | null): number | undefined =>
  ended?.receipts.trying ? 2000 : undefined
