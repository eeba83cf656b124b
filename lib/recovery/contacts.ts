/**
 * Trusted contacts: people a user named, who together may end the waiting time of a recovery. Naming is an
 * invitation by mail that leads to nothing until its reader, signed in with that very address, accepts; so
 * naming tells nobody who has an account. A contact counts for requests made at least one waiting time
 * after they accepted: whoever holds a stolen session gains nothing by naming friends of their own.
 */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { now } from '../base/clock'
import { inTx } from '../base/db'
import { env } from '../base/env'
import { budget, mailbox, refund } from '../base/limits'
import { ok, type Result, refuse } from '../base/refusals'
import { equal } from '../base/secrets'
import * as factors from '../factors'
import { asker, send } from '../notify'
import { tellSecurity } from '../security'
import * as sessions from '../sessions'
import * as users from '../users'
import { codeOf, spendRequest } from './gate'
import * as store from './store'

const INVITATION_DAYS = 7
const MAX_CONTACTS = 10
const INVITATIONS_PER_DAY = 10
const CODE_TRIES = 5

interface Who {
  session: sessions.SessionFacts
  caller: Caller
}

export interface Contact {
  id: string
  /** What they call themselves, else their address. */
  name: string
  since: Date
  /** Whether they could vouch for a request made now. */
  counts: boolean
}

const named = (user: users.UserSummary | null): string => user?.name ?? user?.email ?? ''

/** Whether a contact of this age may vouch for a request of that time. */
const counts = (row: store.ContactRow, requestedAt: Date): boolean =>
  row.created_at.getTime() <= requestedAt.getTime() - env().recovery.waitSeconds * 1000

/** The people a user named who accepted. */
export async function list(userId: string): Promise<Contact[]> {
  const rows = await store.readContacts(userId)
  return await Promise.all(
    rows.map(async (row) => {
      const contact = await users.get(row.contact_id)
      return {
        id: row.contact_id,
        name: named(contact),
        since: row.created_at,
        counts: counts(row, now()) && contact?.status === 'active',
      }
    }),
  )
}

/** Those of them who may vouch for a request of this moment. */
export async function vouchers(userId: string, requestedAt: Date): Promise<users.UserSummary[]> {
  const rows = (await store.readContacts(userId)).filter((row) => counts(row, requestedAt))
  const people = await Promise.all(rows.map((row) => users.get(row.contact_id)))
  return people.filter((user): user is users.UserSummary => user?.status === 'active')
}

export interface Pending {
  id: string
  address: string
  expiresAt: Date
}

/** Invitations that nobody accepted yet. */
export async function pending(userId: string): Promise<Pending[]> {
  const links = await factors.links.live(userId, 'contact_invitation')
  return links.map(({ id, data, expiresAt }) => ({ id, address: String(data.address ?? ''), expiresAt }))
}

/**
 * Invites somebody. Looks the same for any address.
 * @returns refusal `proof_required`, `session_required`, `invalid_email`, `contact_self`, `too_many`, `rate_limited`
 */
export async function invite(input: { email: string }, { session, caller }: Who): Promise<Result> {
  if (!sessions.isFresh(session)) return refuse('proof_required')
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const email = users.normalizeEmail(input.email)
  if (!email.ok) return { ok: false, refusal: { ...email.refusal, field: 'email' } }
  const { userId } = session
  const own = (await users.emails.list(userId)).some(
    ({ address }) => address.toLowerCase() === email.value.toLowerCase(),
  )
  if (own) return refuse('contact_self', { field: 'email' })
  const waiting = await pending(userId)
  if (waiting.length + (await store.readContacts(userId)).length >= MAX_CONTACTS) {
    return refuse('too_many', { values: { max: MAX_CONTACTS } })
  }
  const spent = await budget(`contact-invite:${userId}`, {
    max: INVITATIONS_PER_DAY,
    windowSeconds: 86_400,
  })
  if (!spent.ok) return spent
  const toOne = await budget(`contact-invite-to:${mailbox(email.value)}`, {
    max: env().limits.mailsPerRecipientHour,
    windowSeconds: 86_400,
  })
  if (!toOne.ok) return toOne
  const user = await users.get(userId)
  return await inTx(async (tx) => {
    // Who was shut out a moment ago, with this request under way, names nobody any more.
    if (!(await sessions.isLiveIn(tx, session))) return refuse('session_required')
    for (const older of waiting.filter(({ address }) => address === email.value)) {
      await factors.links.voidOne(tx, userId, 'contact_invitation', older.id)
    }
    const lifeSeconds = INVITATION_DAYS * 86_400
    const data = { address: email.value }
    const token = await factors.links.issue(tx, { purpose: 'contact_invitation', userId, data, lifeSeconds })
    await send(tx, {
      template: 'contact_invitation',
      to: email.value,
      locale: caller.locale,
      props: {
        name: user?.name ?? null,
        address: user?.email ?? null,
        link: `${env().url}/account/vouch/accept?token=${token}`,
        days: INVITATION_DAYS,
        ...asker(caller),
      },
    })
    await record(tx, { type: 'contact.invited', userId, sessionId: session.sid, caller })
    return ok()
  })
}

/** Takes an invitation back. @returns refusals `session_required`, `not_found` when it was accepted, over or withdrawn */
export async function withdraw(id: string, { session, caller }: Who): Promise<Result> {
  const { userId, sid: sessionId } = session
  if (!/^[0-9a-f-]{36}$/.test(id)) return refuse('not_found')
  return await inTx(async (tx) => {
    if (!(await sessions.isLiveIn(tx, session))) return refuse('session_required')
    if (!(await factors.links.voidOne(tx, userId, 'contact_invitation', id))) return refuse('not_found')
    await record(tx, { type: 'contact.invitation_withdrawn', userId, sessionId, caller })
    return ok()
  })
}

export interface Invitation {
  /** Who asks. */
  name: string
  /** It was sent to an address of this very account; else it cannot be accepted here. */
  forYou: boolean
}

/** What an invitation asks of the person who opened it; changes nothing. Null when it is over. */
export async function invitation(token: string, userId: string): Promise<Invitation | null> {
  const link = await factors.links.peek('contact_invitation', token)
  const owner = link && (await users.get(link.userId))
  if (!link || owner?.status !== 'active') return null
  return { name: named(owner), forYou: await isTheirs(link, userId) }
}

async function isTheirs(link: factors.Link, userId: string): Promise<boolean> {
  const reader = await users.find({ email: String(link.data.address ?? '') })
  return reader?.id === userId && reader.status === 'active' && link.userId !== userId
}

/**
 * Accepts an invitation, once, with the account that has the invited address.
 * @returns refusal `link_over`, `contact_other_address`, `session_required`
 */
export async function accept(token: string, { session, caller }: Who): Promise<Result<{ name: string }>> {
  const link = await factors.links.peek('contact_invitation', token)
  if (!link) return refuse('link_over')
  if (!(await isTheirs(link, session.userId))) return refuse('contact_other_address')
  const [owner, contact] = await Promise.all([users.get(link.userId), users.get(session.userId)])
  return await inTx(async (tx) => {
    if (!(await sessions.isLiveIn(tx, session))) return refuse('session_required')
    if (!(await factors.links.use(tx, 'contact_invitation', token))) return refuse('link_over')
    if (await store.insertContact(tx, link.userId, session.userId)) {
      const actor = session.userId
      await record(tx, {
        type: 'contact.added',
        userId: link.userId,
        actor,
        caller,
        data: { contact: actor },
      })
      await tellSecurity(tx, link.userId, { what: 'contact_added', name: named(contact) }, caller)
    }
    return ok({ name: named(owner) })
  })
}

export interface Protege {
  id: string
  name: string
  since: Date
  /** The request that waits for a word, if one does. */
  requestId: string | null
}

/** The people who named this user, but for those who closed their account. */
export async function proteges(contactId: string): Promise<Protege[]> {
  const rows = await store.readProteges(contactId)
  const all = await Promise.all(
    rows.map(async (row) => {
      const owner = await users.get(row.user_id)
      if (owner?.status === 'deleted') return []
      const running = await store.readRunning(row.user_id)
      const waits = running && running.ready_at > now() && counts(row, running.created_at)
      return [
        {
          id: row.user_id,
          name: named(owner),
          since: row.created_at,
          requestId: waits ? running.id : null,
        },
      ]
    }),
  )
  return all.flat()
}

/**
 * Ends it, from either side: the user takes the trust back (refusal `proof_required`), or the contact steps down.
 * @returns also refusals `session_required`, `not_found`
 */
export async function remove(
  pair: { userId: string; contactId: string },
  { session, caller }: Who,
): Promise<Result> {
  const { userId, contactId } = pair
  if (session.userId !== userId && session.userId !== contactId) return refuse('not_found')
  // Who takes trust back weakens a way back in (STP1); who steps down only gives something up.
  if (session.userId === userId && !sessions.isFresh(session)) return refuse('proof_required')
  if (![userId, contactId].every((id) => /^[0-9a-f-]{36}$/.test(id))) return refuse('not_found')
  const contact = await users.get(contactId)
  return await inTx(async (tx) => {
    if (!(await sessions.isLiveIn(tx, session))) return refuse('session_required')
    if (!(await store.deleteContact(tx, userId, contactId))) return refuse('not_found')
    const actor = session.userId
    await record(tx, { type: 'contact.removed', userId, actor, caller, data: { contact: contactId } })
    await tellSecurity(tx, userId, { what: 'contact_removed', name: named(contact) }, caller)
    return ok()
  })
}

// ── vouching ─────────────────────────────────────────────────────────────────

export interface VouchView {
  name: string
  requestedAt: Date
  given: boolean
}

/** A running request this user may vouch for; null for anybody else's and any that is over (AZ3). */
export async function vouchView(requestId: string, contactId: string): Promise<VouchView | null> {
  const row = /^[0-9a-f-]{36}$/.test(requestId) ? await store.readById(requestId) : null
  if (!row || row.user_id === contactId) return null
  const trusted = (await store.readContacts(row.user_id)).find((c) => c.contact_id === contactId)
  if (!trusted || !counts(trusted, row.created_at)) return null
  const given = row.approved_by.includes(contactId)
  if (row.vetoed_at || row.completed_at || row.expires_at <= now()) return null
  if (row.ready_at <= now() && !given) return null
  return { name: named(await users.get(row.user_id)), requestedAt: row.created_at, given }
}

/**
 * Vouches that the person who asked is who they say: with a proof of the last ten minutes, and the code that
 * the asker's own page shows and the asker told. The last approval that is needed ends the waiting time.
 * @returns refusal `proof_required`, `code_wrong`, `rate_limited`, `session_required`, `not_found`
 */
export async function vouch(
  input: { requestId: string; code: string },
  { session, caller }: Who,
): Promise<Result<{ hastened: boolean }>> {
  if (!sessions.isFresh(session)) return refuse('proof_required')
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const contactId = session.userId
  const seen = await vouchView(input.requestId, contactId)
  const row = seen && !seen.given ? await store.readById(input.requestId) : null
  if (!row) return refuse('not_found')
  const subject = `vouch:${row.id}:${contactId}`
  const tries = await budget(subject, { max: CODE_TRIES, windowSeconds: 3600 })
  if (!tries.ok) return tries
  if (!equal(input.code.replace(/[\s-]/g, ''), codeOf(row.token_hash))) {
    return refuse('code_wrong', { field: 'code' })
  }
  await refund(subject)
  const { waitSeconds, contactsNeeded } = env().recovery
  return await inTx(async (tx) => {
    // Who was shut out of a contact's account a moment ago vouches for nobody any more.
    if (!(await sessions.isLiveIn(tx, session))) return refuse('session_required')
    const given = await store.approve(tx, {
      requestId: row.id,
      contactId,
      sessionId: session.sid,
      namedBeforeSeconds: waitSeconds,
      needed: contactsNeeded,
    })
    if (!given) return refuse('not_found')
    const { userId, approvals, hastened } = given
    const event = { userId, actor: contactId, caller, data: { requestId: row.id, approvals } }
    await record(tx, { ...event, type: 'recovery.vouched' })
    if (hastened) {
      await record(tx, { ...event, type: 'recovery.hastened' })
      await tellSecurity(tx, userId, 'recovery_hastened', caller)
    }
    return ok({ hastened })
  })
}
