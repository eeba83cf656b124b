/**
 * "Could you get back in?" What each loss would leave a person with, said truthfully: only what works today
 * counts. And the rehearsal: a code sent to an address proves that what is sent there still arrives.
 */
import { list as history, record } from '../audit'
import type { Caller } from '../base/caller'
import { env } from '../base/env'
import { type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { sms } from '../notify'
import type * as sessions from '../sessions'
import * as users from '../users'
import * as contacts from './contacts'

/** Something a person can prove themselves with, and lose. */
export type Item =
  | { kind: 'password' }
  | { kind: 'email' | 'phone'; id: string; label: string }
  | { kind: 'passkeys' | 'apps' | 'codes'; count: number }

export interface Inventory {
  items: Item[]
  /** Trusted contacts that count are enough to end the waiting time. */
  contacts: boolean
  /** Delayed recovery is switched on and can find the account. */
  delayed: boolean
}

export interface Loss {
  /** What is lost: one thing, or everything at once. */
  item: Item | { kind: 'everything' }
  /** Each of these alone still gets in. */
  left: Item[]
  /** When nothing is left: contacts, the waiting time, or nothing at all. */
  otherwise: 'in' | 'contacts' | 'wait' | 'nothing'
}

/** Which items get a person in. A passkey stands for itself; where a second factor is set up, the others need one too. */
function waysIn(items: readonly Item[], secondAsked: boolean): Item[] {
  const second = items.some(({ kind }) => kind === 'apps' || kind === 'codes')
  return items.filter(({ kind }) => {
    if (kind === 'passkeys') return true
    if (kind === 'apps' || kind === 'codes') return false
    return second || !secondAsked
  })
}

/** What each single loss, and the loss of everything, would leave. Pure. */
export function losses({ items, contacts: helped, delayed }: Inventory): Loss[] {
  const secondAsked = items.some(({ kind }) => kind === 'apps')
  const last = delayed ? (helped ? 'contacts' : 'wait') : 'nothing'
  const lose = (item: Loss['item'], rest: readonly Item[]): Loss => {
    const left = waysIn(rest, secondAsked)
    return { item, left, otherwise: left.length > 0 ? 'in' : last }
  }
  const single = items.map((item) =>
    lose(
      item,
      items.filter((other) => other !== item),
    ),
  )
  return [...single, lose({ kind: 'everything' }, [])]
}

export interface Outlook {
  losses: Loss[]
  contacts: { counting: number; needed: number }
  /** Hours of the waiting time; 0: there is no delayed recovery here. */
  waitHours: number
  /** Where a rehearsal may be sent, and when one last arrived there. */
  rehearsals: { kind: 'email' | 'phone'; id: string; label: string; lastAt: Date | null }[]
}

/** @throws StoresDown */
export async function outlook(userId: string): Promise<Outlook> {
  const [emails, phones, enrolled, named, past] = await Promise.all([
    users.emails.list(userId),
    users.phones.list(userId),
    factors.enrolled(userId),
    contacts.list(userId),
    history(userId, { limit: 100, types: ['recovery.rehearsed'] }),
  ])
  const addresses = emails
    .filter(({ verifiedAt }) => verifiedAt)
    .map(({ id, address }) => ({ kind: 'email' as const, id, label: address }))
  const numbers = phones
    .filter(({ verifiedAt, number }) => verifiedAt && sms.reaches(number))
    .map(({ id, readable }) => ({ kind: 'phone' as const, id, label: readable }))
  const { totp, passkeys, securityKeys, backupCodes } = enrolled
  const items: Item[] = [
    ...(enrolled.password ? [{ kind: 'password' as const }] : []),
    ...addresses,
    ...numbers,
    ...(passkeys ? [{ kind: 'passkeys' as const, count: passkeys }] : []),
    ...(totp + securityKeys ? [{ kind: 'apps' as const, count: totp + securityKeys }] : []),
    ...(backupCodes ? [{ kind: 'codes' as const, count: backupCodes }] : []),
  ]
  const { waitSeconds, contactsNeeded } = env().recovery
  const counting = named.filter(({ counts }) => counts).length
  const lastAt = (id: string) => past.items.find(({ data }) => data.id === id)?.at ?? null
  return {
    losses: losses({
      items,
      contacts: counting >= contactsNeeded,
      delayed: waitSeconds > 0 && addresses.length > 0,
    }),
    contacts: { counting, needed: contactsNeeded },
    waitHours: waitSeconds / 3600,
    rehearsals: [...addresses, ...numbers].map((way) => ({ ...way, lastAt: lastAt(way.id) })),
  }
}

// ── rehearsal ────────────────────────────────────────────────────────────────

interface Target {
  kind: 'email' | 'phone'
  id: string
}

interface Who {
  session: sessions.SessionFacts
  caller: Caller
}

const PURPOSE = { email: 'email_rehearsal', phone: 'phone_rehearsal' } as const

/** A proven address or number of this very user; null for anything else (AZ3, OTP2). */
async function destination(userId: string, { kind, id }: Target): Promise<string | null> {
  if (kind === 'email') {
    const found = (await users.emails.list(userId)).find((email) => email.id === id)
    return found?.verifiedAt ? found.address : null
  }
  const found = (await users.phones.list(userId)).find((phone) => phone.id === id)
  return found?.verifiedAt && sms.reaches(found.number) ? found.number : null
}

/**
 * Sends a rehearsal code to one of the person's own proven addresses or numbers.
 * @returns refusal `not_found`, and those of `factors.otp.begin`
 */
async function begin(target: Target, { session, caller }: Who): Promise<Result<factors.Sent>> {
  const { userId, sid } = session
  const [to, user] = await Promise.all([destination(userId, target), users.get(userId)])
  if (!to || !user) return refuse('not_found')
  return await factors.otp.begin({
    purpose: PURPOSE[target.kind],
    key: userId,
    to,
    locale: user.locale,
    binding: sid,
    caller,
    userId,
    link: () => `${env().url}/account/security/recovery`,
  })
}

/** Takes the code that arrived, and notes that what is sent there arrives. @returns refusals of `factors.otp.verify` */
async function confirm(target: Target, code: string, { session, caller }: Who): Promise<Result> {
  const { userId, sid } = session
  const to = await destination(userId, target)
  if (!to) return refuse('not_found')
  const digits = code.replace(/[\s-]/g, '')
  const checked = await factors.otp.verify({
    purpose: PURPOSE[target.kind],
    key: userId,
    to,
    binding: sid,
    code: digits,
    caller,
    userId,
  })
  if (!checked.ok) return checked
  const { kind, id } = target
  await record(null, { type: 'recovery.rehearsed', userId, sessionId: sid, caller, data: { kind, id } })
  return checked
}

/** begin, confirm. */
export const rehearse = { begin, confirm }
