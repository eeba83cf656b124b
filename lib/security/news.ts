/** Telling a person what changed about the ways into their account, wherever they can be told. */
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { onCommit, type Tx } from '../base/db'
import { env, type StrongMethod } from '../base/env'
import { uuid } from '../base/ids'
import { log } from '../base/log'
import * as factors from '../factors'
import { asker, type NoticeReason, type SecurityNewsName, type SmsName, send, sendSms } from '../notify'
import * as users from '../users'

const HOUR = 3600
/** "This wasn't me" works for a week: people read their mail after the holidays. */
const LOCKDOWN_SECONDS = 7 * 24 * HOUR
/** A mail server may be down for as long without a notice being lost. */
const NOTICE_HOURS = 72

export interface SecurityNews {
  what: SecurityNewsName
  /** The address it is about. */
  address?: string
  /** The number, factor or person it is about. */
  name?: string
  /** How many backup codes are left. */
  left?: number
  /** What is unusual about the sign-in it tells of. */
  reasons?: readonly NoticeReason[]
  /** What kind of factor it is about, for one that has no name. */
  kind?: StrongMethod
  /** The factor that came with it: locking the account takes it away again. */
  factor?: BroughtFactor
  /** Told too, though it is not (or no longer) a proven address of theirs; it gets no lockdown link. */
  alsoTo?: string | null
  /** The address that may take the change back, and how. */
  undo?: { to: string; url: string; hours: number } | null
  /** How whoever reads any of the mails keeps an account that was closed. */
  keep?: { url: string; days: number } | null
  /** Names the event where it could be told twice. */
  dedupeKey?: string
}

/**
 * Tells all proven addresses of a user, in their language, what changed: with device, place, time, and a
 * "this wasn't me" link that opens /lockdown. Owed in the transaction of the change, sent once. Whoever wants it gets a
 * text message too, within the limits of what those may cost.
 * @param news the name of what happened, or the name with what it was about
 * @param caller who did it; null when the portal did it as planned
 */
export async function tellSecurity(
  tx: Tx,
  userId: string,
  news: SecurityNewsName | SecurityNews,
  caller: Caller | null,
): Promise<void> {
  const { what, address, name, kind, left, reasons, factor, alsoTo, undo, keep, dedupeKey }: SecurityNews =
    typeof news === 'string' ? { what: news } : news
  const reach = await users.emails.reach(tx, userId)
  if (!reach) return
  // Nobody need lock what is locked already, or what nobody got into; and nobody can what is as good as erased.
  const lockdownUrl =
    what === 'locked_down' || what === 'many_failures' || (what === 'account_closed' && !keep)
      ? null
      : await lockdownLink(tx, userId, factor ? { factor } : brought(what, address, name))
  const told = new Set(reach.addresses.map((to) => to.toLowerCase()))
  const others = alsoTo && !told.has(alsoTo.toLowerCase()) ? [alsoTo] : []
  const common = { what, address, name, kind, left, reasons, ...asker(caller) }
  const event = dedupeKey ?? uuid()
  for (const to of [...reach.addresses, ...others]) {
    const mayUndo = undo && undo.to.toLowerCase() === to.toLowerCase()
    await send(tx, {
      template: 'security_notice',
      to,
      locale: reach.locale,
      userId,
      dedupeKey: `security:${userId}:${what}:${event}`,
      notAfter: new Date(nowMs() + NOTICE_HOURS * HOUR * 1000),
      props: {
        ...common,
        lockdownUrl: others.includes(to) ? null : lockdownUrl,
        undo: mayUndo ? { url: undo.url, hours: undo.hours } : null,
        keep: others.includes(to) ? null : (keep ?? null),
      },
    })
  }
  if (reach.texts && lockdownUrl)
    textToo(tx, userId, { what, to: reach.texts, locale: reach.locale, url: lockdownUrl, event })
}

/** What a text message says; news that is not here is mailed alone: nobody got in by it, or it has texts of its own. */
const TEXTED: Partial<Record<SecurityNewsName, SmsName & ('security_notice' | 'sign_in_notice')>> = {
  email_added: 'security_notice',
  email_primary_changed: 'security_notice',
  email_removed: 'security_notice',
  email_change_undone: 'security_notice',
  phone_added: 'security_notice',
  phone_primary_changed: 'security_notice',
  phone_removed: 'security_notice',
  password_changed: 'security_notice',
  password_reset: 'security_notice',
  password_set: 'security_notice',
  factor_added: 'security_notice',
  factor_removed: 'security_notice',
  factors_reset: 'security_notice',
  backup_codes_renewed: 'security_notice',
  account_linked: 'security_notice',
  account_unlinked: 'security_notice',
  contact_added: 'security_notice',
  contact_removed: 'security_notice',
  account_closed: 'security_notice',
  new_device: 'sign_in_notice',
  unusual_sign_in: 'sign_in_notice',
}

/**
 * After the commit, since limits are counted outside of it; the mail that was owed in it is what must not be lost.
 * @param event names it, so that it is texted once
 */
function textToo(
  tx: Tx,
  userId: string,
  about: { what: SecurityNewsName; to: string; locale: string; url: string; event: string },
): void {
  const { what, to, locale, url, event } = about
  const template = TEXTED[what]
  if (!template) return
  onCommit(tx, async () => {
    const spent = await factors.spendNotice(to)
    if (!spent.ok) {
      log().info({ userId, what, why: spent.refusal.code }, 'not told by text message')
      return
    }
    await sendSms(null, {
      template,
      to,
      locale,
      userId,
      props: { url },
      dedupeKey: `security:${userId}:${what}:${event}`,
      notAfter: new Date(nowMs() + NOTICE_HOURS * HOUR * 1000),
    })
  })
}

/** A way in that came with the change: locking the account takes it away again. */
export interface Brought {
  address?: string
  number?: string
  factor?: BroughtFactor
}

export interface BroughtFactor {
  /** `account`: a linked one, elsewhere. */
  kind: StrongMethod | 'account'
  id: string
  /** Empty for one that nobody named. */
  name: string
}

function brought(what: SecurityNewsName, address?: string, name?: string): Brought {
  if (what === 'email_added' || what === 'email_primary_changed') return address ? { address } : {}
  if (what === 'phone_added' || what === 'phone_primary_changed') return name ? { number: name } : {}
  return {}
}

async function lockdownLink(tx: Tx, userId: string, data: Brought): Promise<string> {
  const token = await factors.links.issue(tx, {
    purpose: 'lockdown',
    userId,
    data: { ...data },
    lifeSeconds: LOCKDOWN_SECONDS,
  })
  return `${env().url}/lockdown?token=${token}`
}
