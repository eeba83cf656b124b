/**
 * Delayed recovery, for a person who lost every way in: ask, wait while everybody who belongs to the account
 * is told and may stop it, then choose a new password with the link that only the asker has.
 *
 * The link is given at once, to whoever asks, for any address: its page shows the end of the waiting time,
 * read from the link itself, and nothing else until then. So an address without an account, one whose
 * recovery was stopped, and one that waits look alike (ENU1). It is kept as its SHA-256.
 *
 * Several may run at once, each with a waiting time of its own: whoever lost the link asks again, and a stranger
 * who asks keeps nobody from it. One veto stops them all.
 */
import { handle, owe, record } from '../audit'
import type { Caller } from '../base/caller'
import { now, nowMs } from '../base/clock'
import { inTx, type Tx } from '../base/db'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { budget } from '../base/limits'
import { ok, type Result, refuse } from '../base/refusals'
import { sha256 } from '../base/secrets'
import * as factors from '../factors'
import { asker, send, sendSms, sms } from '../notify'
import { tellSecurity } from '../security'
import * as users from '../users'
import { vouchers } from './contacts'
import { type Asked, asked, askedFor, callerOf, codeOf, spendRequest } from './gate'
import { giveTriesBack, newHash, setPasswordAnew } from './renew'
import * as store from './store'

const DAY_MS = 86_400_000
/** How long after the waiting time a recovery may be finished. */
const FINISH_MS = 7 * DAY_MS
/** Requests of one person that are told in a day, over all addresses: each of them mails every address. */
const TOLD_PER_DAY = 10
/** Of those that ring a phone, in a week: a stranger must not do that every day. Mail is told of each. */
const TEXTS_PER_WEEK = 3
/** How long before the waiting time ends everybody is told once more. */
const REMINDER_MS = DAY_MS

const waitMs = (): number => env().recovery.waitSeconds * 1000

interface Request {
  email: string
  tokenHash: string
  createdAt: number
  readyAt: number
  by: Asked
}

/**
 * Asks to recover the account of an address.
 * @returns the link's token, for any address; refusal `recovery_off`, `invalid_email`, `rate_limited`
 * @throws StoresDown
 */
async function request(input: { email: string }, caller: Caller): Promise<Result<{ token: string }>> {
  if (waitMs() === 0) return refuse('recovery_off')
  const email = await askedFor('recovery', input.email, caller)
  if (!email.ok) return email
  const createdAt = nowMs()
  const readyAt = createdAt + waitMs()
  const token = `${randomToken()}.${readyAt.toString(36)}`
  const payload: Request = {
    email: email.value,
    tokenHash: sha256(token),
    createdAt,
    readyAt,
    by: asked(caller),
  }
  await owe(null, { kind: 'recovery_request', target: 'a request to recover an account', payload })
  return ok({ token })
}

handle('recovery_request', async (_delivery, payload) => {
  const { email, tokenHash, createdAt, readyAt, by } = payload as Request
  const user = await users.find({ email })
  if (user?.status !== 'active' || user.isAnonymous) return
  const caller = callerOf(by)
  const turnDown = (why: string) =>
    record(null, {
      type: 'recovery.refused',
      outcome: 'failure',
      userId: user.id,
      caller,
      data: { why },
    })
  if (await store.readByToken(tokenHash)) return
  const { ok: told } = await budget(`recovery-user:${user.id}`, { max: TOLD_PER_DAY, windowSeconds: 86_400 })
  const week = { max: TEXTS_PER_WEEK, windowSeconds: 7 * 86_400 }
  const texts = told && (await budget(`recovery-texts:${user.id}`, week)).ok
  const begun = await inTx(async (tx) => {
    const expiresAt = new Date(readyAt + FINISH_MS)
    const times = { createdAt: new Date(createdAt), readyAt: new Date(readyAt), expiresAt }
    // Beyond what is told in a day one still begins, or a stranger's ten would keep the owner from theirs; but only
    // beside one that was told, whose link stops it too.
    const noted = await store.insertRequest(tx, { userId: user.id, tokenHash, ...times, besideOthers: !told })
    if (!noted) return false
    const { id, others } = noted
    await record(tx, {
      type: 'recovery.requested',
      userId: user.id,
      caller,
      data: { requestId: id, readyAt: times.readyAt, others, told },
    })
    if (!told) return true
    const begun = { id, user, caller, texts, ...times }
    await tellEverybody(tx, begun, 'started')
    await tellContacts(tx, begun)
    await oweReminder(tx, { requestId: id, by }, times)
    return true
  })
  if (!begun && !told) await turnDown('too_many')
})

// ── who is told, and when ────────────────────────────────────────────────────

interface Begun {
  id: string
  user: users.UserSummary
  caller: Caller
  readyAt: Date
  expiresAt: Date
  /** Phones ring too. */
  texts: boolean
}

/** Every proven address and number at once, each with the link that stops it. */
async function tellEverybody(
  tx: Tx,
  { id, user, caller, readyAt, expiresAt, texts }: Begun,
  when: 'started' | 'soon',
): Promise<void> {
  const token = await factors.links.issue(tx, {
    purpose: 'recovery_veto',
    userId: user.id,
    data: { requestId: id },
    lifeSeconds: Math.ceil((expiresAt.getTime() - nowMs()) / 1000),
  })
  const url = `${env().url}/recover/stop?token=${token}`
  const hours = Math.max(1, Math.round((readyAt.getTime() - nowMs()) / 3_600_000))
  const common = { userId: user.id, dedupeKey: `recovery:${id}:${when}`, notAfter: expiresAt }
  const template = when === 'started' ? 'recovery_started' : 'recovery_soon'
  const reach = await users.emails.reach(tx, user.id)
  for (const to of reach?.addresses ?? []) {
    const props = { stopUrl: url, readyAt, ...asker(caller) }
    await send(tx, { ...common, template, to, locale: user.locale, props })
  }
  if (!texts) return
  for (const { number, verifiedAt } of await users.phones.list(user.id)) {
    if (!verifiedAt || !sms.reaches(number)) continue
    await sendSms(tx, {
      ...common,
      template: 'recovery_requested',
      to: number,
      locale: user.locale,
      props: { url, hours },
    })
  }
}

/** Those who may vouch. */
async function tellContacts(tx: Tx, { id, user, caller, expiresAt }: Begun): Promise<void> {
  for (const contact of await vouchers(user.id, new Date(nowMs()))) {
    if (!contact.email) continue
    await send(tx, {
      userId: contact.id,
      dedupeKey: `recovery:${id}`,
      notAfter: expiresAt,
      template: 'recovery_vouch',
      to: contact.email,
      locale: contact.locale,
      props: {
        name: user.name,
        address: user.email,
        vouchUrl: `${env().url}/account/vouch/${id}`,
        ...asker(caller),
      },
    })
  }
}

interface Reminder {
  requestId: string
  by: Asked
}

/**
 * Owes the last word before the waiting time ends, to be said a day before (or half-way, where it is short): people who
 * were away for the first one. It is owed with the request, so that nothing but the queue has to remember it.
 */
async function oweReminder(
  tx: Tx,
  reminder: Reminder,
  { createdAt, readyAt }: { createdAt: Date; readyAt: Date },
): Promise<void> {
  const ahead = Math.min(REMINDER_MS, (readyAt.getTime() - createdAt.getTime()) / 2)
  await owe(tx, {
    kind: 'recovery_reminder',
    target: 'a reminder that a recovery can soon be finished',
    payload: reminder,
    dedupeKey: reminder.requestId,
    notBefore: new Date(readyAt.getTime() - ahead),
    notAfter: readyAt,
  })
}

handle('recovery_reminder', async (_delivery, payload) => {
  const { requestId, by } = payload as Reminder
  const row = await store.readById(requestId)
  const user = row && (await users.get(row.user_id))
  // Stopped, finished, hastened or moot since: there is nothing left to say.
  if (!row || !user || !isOpen(row) || row.ready_at <= now() || signedInSince(user, row)) return
  const { id, ready_at: readyAt, expires_at: expiresAt } = row
  const texts = await budget(`recovery-texts:${user.id}`, { max: TEXTS_PER_WEEK, windowSeconds: 7 * 86_400 })
  await inTx((tx) =>
    tellEverybody(tx, { id, user, caller: callerOf(by), readyAt, expiresAt, texts: texts.ok }, 'soon'),
  )
})

// ── the asker ────────────────────────────────────────────────────────────────

export type DelayedView =
  /** Not yet, whether there is such an account or not. */
  | { state: 'waiting'; readyAt: number; code: string; contactsNeeded: number }
  | {
      state: 'ready'
      email: string
      expiresAt: number
      /** What the person could prove themselves with besides a password; removed only when they say so. */
      enrolled: factors.Enrolled
    }
  /** No such account, stopped, signed in to since, finished, or too late: not told apart. */
  | { state: 'over' }

const TOKEN = /^[A-Za-z0-9_-]{43}\.([0-9a-z]{8,9})$/

/** When a link says its waiting time ends. A bent one only bends what its own page shows. */
function readyAtOf(token: string): number | null {
  const found = typeof token === 'string' ? TOKEN.exec(token)?.[1] : undefined
  const at = found ? Number.parseInt(found, 36) : Number.NaN
  return Number.isSafeInteger(at) && at < nowMs() + 400 * DAY_MS ? at : null
}

/** The request of a link and its person, if it may be finished now. */
async function completable(
  token: string,
): Promise<{ row: store.RequestRow; user: users.UserSummary } | null> {
  const row = await store.readByToken(sha256(token))
  if (!row || !isOpen(row) || row.ready_at > now()) return null
  const user = await users.get(row.user_id)
  return user && user.status === 'active' && !signedInSince(user, row) ? { row, user } : null
}

const isOpen = (row: store.RequestRow): boolean =>
  !row.vetoed_at && !row.completed_at && row.expires_at > now()

/** Who signs in has a way in: then nothing was lost, or the one who asked is not the one who signs in. */
const signedInSince = (user: users.UserSummary, row: store.RequestRow): boolean =>
  user.lastLoginAt !== null && user.lastLoginAt > row.created_at

/** What a link of the asker is good for at this moment; changes nothing. @throws StoresDown */
async function view(token: string): Promise<DelayedView> {
  const readyAt = readyAtOf(token)
  if (readyAt === null) return { state: 'over' }
  const found = await completable(token)
  if (found) {
    const enrolled = await factors.enrolled(found.user.id)
    const { row, user } = found
    return { state: 'ready', email: user.email ?? '', expiresAt: row.expires_at.getTime(), enrolled }
  }
  if (readyAt <= nowMs()) return { state: 'over' }
  const { contactsNeeded } = env().recovery
  return { state: 'waiting', readyAt, code: codeOf(sha256(token)), contactsNeeded }
}

/**
 * Finishes a recovery: sets the password, in one transaction with everything a reset does. Second factors go
 * only when the person says that they are lost. Nobody is signed in by it.
 * @returns the address to sign in with; refusal `recovery_over`, the password's rules, `rate_limited`, `busy`
 * @throws StoresDown
 */
async function complete(
  input: { token: string; password: string; removeFactors: boolean },
  caller: Caller,
): Promise<Result<{ email: string }>> {
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const found = readyAtOf(input.token) === null ? null : await completable(input.token)
  if (!found) return refuse('recovery_over')
  const { row, user } = found
  const addresses = (await users.emails.list(user.id)).map(({ address }) => address)
  const hash = await newHash(input.password, user, addresses)
  if (!hash.ok) return hash
  const done = await inTx(async (tx) => {
    await users.lockAccount(tx, user.id)
    await users.lock(tx, user.id)
    // Whoever signed in while the password was hashed has a way in; from here on nobody does before the commit.
    if (!(await completable(input.token))) return false
    if (!(await store.finishRequest(tx, row.token_hash))) return false
    const removed = input.removeFactors ? await factors.removeSecondFactors(tx, user.id) : null
    await setPasswordAnew(tx, user.id, hash.value, { reason: 'recovered', caller })
    await record(tx, {
      type: 'recovery.completed',
      userId: user.id,
      caller,
      data: { requestId: row.id, removed, approvals: row.approved_by.length },
    })
    await tellSecurity(tx, user.id, 'recovery_completed', caller)
    return true
  })
  if (!done) return refuse('recovery_over')
  await giveTriesBack(user.id)
  return ok({ email: user.email ?? '' })
}

/** request, view, complete: what the asker does. */
export const delayed = { request, view, complete }

// ── the owner ────────────────────────────────────────────────────────────────

export interface Running {
  id: string
  createdAt: number
  readyAt: number
  /** The owner signed in after it was asked for: it can no longer be finished. */
  moot: boolean
}

/** The recovery that runs for a user (of several the one that is ready first), to be shown on every page of theirs; or null. */
export async function running(user: users.UserSummary): Promise<Running | null> {
  const row = await store.readRunning(user.id)
  if (!row) return null
  return {
    id: row.id,
    createdAt: row.created_at.getTime(),
    readyAt: row.ready_at.getTime(),
    moot: signedInSince(user, row),
  }
}

export type VetoView =
  | { state: 'running'; createdAt: number; readyAt: number }
  | { state: 'stopped' | 'finished' | 'over' }

/** What the link of a notice would stop; changes nothing. @throws StoresDown */
export async function vetoView(token: string): Promise<VetoView> {
  const row = await requestOf(token)
  if (!row) return { state: 'over' }
  if (row.vetoed_at) return { state: 'stopped' }
  if (row.completed_at) return { state: 'finished' }
  if (row.expires_at <= now()) return { state: 'over' }
  return { state: 'running', createdAt: row.created_at.getTime(), readyAt: row.ready_at.getTime() }
}

async function requestOf(token: string): Promise<store.RequestRow | null> {
  const link = await factors.links.peek('recovery_veto', token)
  const id = link?.data.requestId
  const row = typeof id === 'string' ? await store.readById(id) : null
  return row && row.user_id === link?.userId ? row : null
}

/**
 * Stops every recovery that runs for the account, by the link of any notice or by a session: who says "not me" to
 * one says it to all. Once is enough: a second time finds them stopped. The link stays good for looking, so that
 * every notice tells what became of it.
 * @returns refusal `recovery_over` when what the link was about was over already, or nothing runs
 */
export async function veto(
  by: { token: string } | { userId: string; sid: string },
  caller: Caller,
): Promise<Result> {
  const limited = await spendRequest(caller)
  if (!limited.ok) return limited
  const row = 'token' in by ? await requestOf(by.token) : await store.readRunning(by.userId)
  if (!row) return refuse('recovery_over')
  const stopped = await inTx(async (tx) => {
    const { id, user_id: userId } = row
    await users.lockAccount(tx, userId)
    if (!(await store.stopRequest(tx, id))) return false
    const others = await store.endRunning(tx, userId)
    const sessionId = 'sid' in by ? by.sid : null
    const data = { requestId: id, others: others.length, by: sessionId ? 'session' : 'notice' }
    await record(tx, { type: 'recovery.vetoed', userId, sessionId, caller, data })
    await tellSecurity(tx, userId, 'recovery_vetoed', caller)
    return true
  })
  return stopped ? ok() : refuse('recovery_over')
}
