/**
 * Pairwise subjects (OpenID Connect Core section 8.1): an app that is registered for them knows people by a name that no
 * other app knows them by. HMAC-SHA-256 of sector and user under a salt that lives in the database, made once with it:
 * people keep their names when GATEHOUSE_SECRET is rotated, and nobody who has one name finds another.
 */
import { createHmac } from 'node:crypto'
import { isLoopbackHost } from '../base/env'
import { type ClientRow, readSalt } from './store-registry'

let salt: string | null = null

/** Reads the salt, once. @throws StoresDown */
export async function load(): Promise<void> {
  salt ??= await readSalt('pairwise')
}

/**
 * The sector of an app: all apps at one host know people by one name. An installed app has no host, so it is a sector by itself.
 * @returns null for an app that knows people by the name that all know
 */
export function sectorOf({ id, metadata }: Pick<ClientRow, 'id' | 'metadata'>): string | null {
  if (metadata.subject_type !== 'pairwise') return null
  const [first = ''] = metadata.redirect_uris
  const url = URL.canParse(first) ? new URL(first) : null
  const web = url?.protocol === 'https:' && !isLoopbackHost(url.hostname)
  return web ? `host:${url.host}` : `client:${id}`
}

/** The `sub` by which a sector knows a user; null: the user's id. */
export function subjectIn(sector: string | null | undefined, userId: string): string {
  if (!sector) return userId
  if (!salt) throw new Error('the salt of pairwise subjects was not read')
  return createHmac('sha256', salt).update(`${sector}\n${userId}`).digest('base64url')
}

/** The `sub` by which an app knows a user. */
export const subjectFor = (client: Pick<ClientRow, 'id' | 'metadata'>, userId: string): string =>
  subjectIn(sectorOf(client), userId)
