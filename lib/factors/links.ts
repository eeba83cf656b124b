/**
 * One-time links that outlive Redis. A link carries 256 random bits, is kept as their SHA-256, is good
 * for one purpose, one user and one use, until its time is up (ASVS 6.5.1, REC3, OTP7). Showing what a
 * link would do is `peek`, which changes nothing; only `use`, for a POST, consumes it, in the transaction
 * of what it does, so that a failure there leaves the link good.
 */
import { now } from '../base/clock'
import type { Tx } from '../base/db'
import { randomToken } from '../base/ids'
import { log } from '../base/log'
import { sha256 } from '../base/secrets'
import * as store from './store-links'

/** What a link may be for. A link of one purpose is no link at all for any other. */
export const LINK_PURPOSES = [
  /** Choose a new password. */
  'password_reset',
  /** Take back a change of the primary address. */
  'email_undo',
  /** "This wasn't me": lock the account down. */
  'lockdown',
  /** Keep an account that was closed. */
  'account_keep',
  /** Stop a delayed recovery. */
  'recovery_veto',
  /** Become somebody's trusted contact. */
  'contact_invitation',
] as const

export type LinkPurpose = (typeof LINK_PURPOSES)[number]

export interface NewLink {
  purpose: LinkPurpose
  userId: string
  /** JSON; readable by whoever reads the database, so no secrets. */
  data?: Record<string, unknown>
  lifeSeconds: number
}

export interface Link {
  userId: string
  data: Record<string, unknown>
  issuedAt: Date
  expiresAt: Date
}

/** 32 bytes in base64url; anything else is not looked up. */
const TOKEN = /^[A-Za-z0-9_-]{43}$/

const toLink = (row: store.LinkRow): Link => ({
  userId: row.user_id,
  data: row.data,
  issuedAt: row.created_at,
  expiresAt: row.expires_at,
})

/** Makes a link in `tx`. @returns its token, for the message alone: it is kept nowhere */
export async function issue(tx: Tx, link: NewLink): Promise<string> {
  const token = randomToken()
  await store.insertLink(tx, { ...link, data: link.data ?? {}, tokenHash: sha256(token) })
  return token
}

/**
 * What a live link would do; changes nothing, so that GET and HEAD of scanners leave no trace.
 * @returns null when it is used, over, void, of another purpose or no link
 * @throws StoresDown
 */
export async function peek(purpose: LinkPurpose, token: string): Promise<Link | null> {
  if (typeof token !== 'string' || !TOKEN.test(token)) return null
  const row = await store.readLink(purpose, sha256(token))
  return row && toLink(row)
}

/**
 * Consumes a link in `tx`: of any number at the same instant, one gets it. Rolled back with `tx`.
 * @returns null as `peek` does
 */
export async function use(tx: Tx, purpose: LinkPurpose, token: string): Promise<Link | null> {
  if (typeof token !== 'string' || !TOKEN.test(token)) return null
  const row = await store.takeLink(tx, purpose, sha256(token))
  return row && toLink(row)
}

/**
 * Voids a user's live links in `tx`: after a change of the password those that reset it, after a change
 * of address those that were sent to the old one. Without a purpose every one dies, "this wasn't me" too.
 * @param since only those issued later than this
 * @returns how many died
 */
export async function voidAll(
  tx: Tx,
  userId: string,
  purpose?: LinkPurpose | readonly LinkPurpose[],
  since?: Date,
): Promise<number> {
  const purposes = purpose === undefined ? null : typeof purpose === 'string' ? [purpose] : [...purpose]
  return await store.voidLinks(tx, userId, purposes, since ?? null)
}

/** A live link as its owner may see it: never its token. */
export interface LinkView extends Link {
  id: string
}

/** A user's live links of one purpose, newest first. */
export async function live(userId: string, purpose: LinkPurpose): Promise<LinkView[]> {
  return (await store.readLive(userId, purpose)).map((row) => ({ id: row.id, ...toLink(row) }))
}

/** All of them as `tx` sees them, however many. */
export async function liveIn(tx: Tx, userId: string, purpose: LinkPurpose): Promise<LinkView[]> {
  const links = await store.readLiveIn(tx, userId, purpose)
  return links.map((row) => ({ id: row.id, ...toLink(row) }))
}

/** Voids these of a user's live links, in `tx`. @returns how many died */
export const voidThese = (
  tx: Tx,
  userId: string,
  purpose: LinkPurpose,
  ids: readonly string[],
): Promise<number> => store.voidThese(tx, userId, purpose, ids)

/** Voids one live link of a user, in `tx`. False when there was none. */
export const voidOne = (tx: Tx, userId: string, purpose: LinkPurpose, id: string): Promise<boolean> =>
  store.voidLink(tx, userId, purpose, id)

const KEEP_MS = 7 * 86_400_000
const SWEEP_MS = 3_600_000
const SWEEP_BATCH = 1000

/** Drops links that ended a week ago, at most `batch`. Expiry itself is judged at use. */
export const sweep = (batch = SWEEP_BATCH): Promise<number> =>
  store.deleteLinks(new Date(now().getTime() - KEEP_MS), batch)

/** Sweeps now and every hour: each notice leaves a link behind. Returns the way to stop. */
export function startSweeping(): () => void {
  const run = async () => {
    try {
      while ((await sweep()) === SWEEP_BATCH);
    } catch (error) {
      log().warn({ err: (error as Error).message }, 'old links not swept; tried again in an hour')
    }
  }
  const timer = setInterval(() => void run(), SWEEP_MS)
  timer.unref()
  void run()
  return () => clearInterval(timer)
}
