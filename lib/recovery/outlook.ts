/**
 * "Could you get back in?" What each loss would leave a person with, said truthfully: only what works today
 * counts. And the rehearsal: a code sent to an address proves that what is sent there still arrives.
 */
import { list as history, record } from '../audit'
import type { Caller } from '../base/caller'
import { env, type SecondMethod, type SignInMethod } from '../base/env'
import { type Result, refuse } from '../base/refusals'
import * as factors from '../factors'
import { sms } from '../notify'
import { linked as links } from '../security'
import type * as sessions from '../sessions'
import * as users from '../users'
import * as contacts from './contacts'

/** Something a person can prove themselves with, and lose. */
export type Item =
  | { kind: 'password' }
  | { kind: 'email' | 'phone' | 'linked'; id: string; label: string }
  | { kind: 'passkeys' | 'keys' | 'apps' | 'codes'; count: number }

export interface Inventory {
  items: Item[]
  /** Trusted contacts that count are enough to end the waiting time. */
  contacts: boolean
  /** Delayed recovery is switched on and can find the account. */
  delayed: boolean
  /** What the operator takes as a first proof, and as a second one. */
  rules: { first: readonly SignInMethod[]; second: readonly SecondMethod[] }
}

export interface Loss {
  /** What is lost: one thing, or everything at once. */
  item: Item | { kind: 'everything' }
  /** Each of these still gets in: alone, or beside one of `seconds`. */
  left: Item[]
  /** What all of `left` but passkeys must be joined by; empty where one proof is enough. */
  seconds: Item[]
  /** When nothing is left: contacts, the waiting time, or nothing at all. */
  otherwise: 'in' | 'contacts' | 'wait' | 'nothing'
}

const FIRST: Partial<Record<Item['kind'], SignInMethod>> = {
  password: 'password',
  email: 'email_code',
  phone: 'sms_code',
  passkeys: 'passkey',
}

const SECOND: Partial<Record<Item['kind'], SecondMethod>> = {
  passkeys: 'passkey',
  keys: 'security_key',
  apps: 'totp',
  codes: 'backup_code',
  email: 'email_code',
  phone: 'sms_code',
}

const isFirst = ({ kind }: Item, { first }: Inventory['rules']): boolean => {
  // Those that take nobody in are not in the inventory.
  if (kind === 'linked') return true
  const method = FIRST[kind]
  return method !== undefined && first.includes(method)
}

/** A passkey that people may begin with is good for the second step too. */
const isSecond = (item: Item, rules: Inventory['rules']): boolean => {
  const method = SECOND[item.kind]
  return (
    method !== undefined &&
    (rules.second.includes(method) || (item.kind === 'passkeys' && isFirst(item, rules)))
  )
}

/**
 * What each single loss, and the loss of everything, would leave. Sign-in asks for a second proof as soon as a
 * strong one is set up, and still does when it is lost; a passkey is both in one, and no mailbox or phone is
 * two proofs, nor is a mailbox beside an account elsewhere, which may be no more than that. Pure.
 */
export function losses({ items, contacts: helped, delayed, rules }: Inventory): Loss[] {
  const secondAsked = items.some(
    (item) => ['passkeys', 'keys', 'apps'].includes(item.kind) && isSecond(item, rules),
  )
  const last = delayed ? (helped ? 'contacts' : 'wait') : 'nothing'
  const lose = (item: Loss['item'], rest: readonly Item[]): Loss => {
    const beside = (first: Item) =>
      rest.filter(
        (other) =>
          other.kind !== first.kind &&
          !(first.kind === 'linked' && other.kind === 'email') &&
          isSecond(other, rules),
      )
    const left = rest.filter(
      (one) => isFirst(one, rules) && (one.kind === 'passkeys' || !secondAsked || beside(one).length > 0),
    )
    const joined = secondAsked ? left.filter(({ kind }) => kind !== 'passkeys').flatMap(beside) : []
    return { item, left, seconds: [...new Set(joined)], otherwise: left.length > 0 ? 'in' : last }
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
  const [emails, phones, enrolled, elsewhere, named, past] = await Promise.all([
    users.emails.list(userId),
    users.phones.list(userId),
    factors.enrolled(userId),
    links.list(userId),
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
    ...elsewhere.accounts
      .filter(({ on }) => on)
      .map(({ id, providerName }) => ({ kind: 'linked' as const, id, label: providerName })),
    ...(passkeys ? [{ kind: 'passkeys' as const, count: passkeys }] : []),
    ...(securityKeys ? [{ kind: 'keys' as const, count: securityKeys }] : []),
    ...(totp ? [{ kind: 'apps' as const, count: totp }] : []),
    ...(backupCodes ? [{ kind: 'codes' as const, count: backupCodes }] : []),
  ]
  const { waitSeconds, contactsNeeded } = env().recovery
  const { signInMethods, secondFactor } = env()
  // Where passkeys are all there is, a code sent by mail lets those in who have none yet, to add one; whoever has one
  // needs it beside the code, or a backup code in its place.
  const onlyPasskeys = signInMethods.every((method) => method === 'passkey')
  const first = onlyPasskeys ? (['email_code', 'passkey'] as const) : signInMethods
  const second =
    onlyPasskeys && passkeys
      ? secondFactor.methods.filter((method) => method === 'passkey' || method === 'backup_code')
      : secondFactor.methods
  const counting = named.filter(({ counts }) => counts).length
  const lastAt = (id: string) => past.items.find(({ data }) => data.id === id)?.at ?? null
  return {
    losses: losses({
      items,
      contacts: counting >= contactsNeeded,
      delayed: waitSeconds > 0 && addresses.length > 0,
      rules: { first, second },
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
