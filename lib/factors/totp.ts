/**
 * Authenticator apps (TOTP, RFC 6238). A secret is shown while it is being set up and never again; until a code
 * of it has come back it is in Redis alone and proves nothing (TOTP4). At rest it is sealed under the user's and
 * the authenticator's id, so that one moved to another row does not open (TOTP3). A time step is good once (TOTP2).
 */
import { record } from '../audit'
import { type Caller, cleanText } from '../base/caller'
import { nowMs } from '../base/clock'
import { onCommit, type Tx } from '../base/db'
import { env } from '../base/env'
import { isUuid, uuid } from '../base/ids'
import { log } from '../base/log'
import { ok, type Result, refuse } from '../base/refusals'
import { isSealedByOlder, open, seal, sha256 } from '../base/secrets'
import * as store from './store-totp'
import { type Enrolment, enrolment, newSecret, plainCode, stepOf } from './totp-code'

export type { TotpView } from './store-totp'
export type { Enrolment } from './totp-code'

/** Authenticators of one user. */
export const MAX_TOTPS = 5
/** Longest name, in code points. */
export const MAX_NAME = 40
/** Tries to confirm one set-up. */
const MAX_CONFIRMS = 10

interface Pending {
  /** The id that the authenticator will have. */
  id: string
  secret: string
  label: string
}

const sealSecret = (userId: string, id: string, secret: string): string =>
  seal('totp', `${userId}:${id}`, secret)

const openPending = (userId: string, binding: string, sealed: string): Pending =>
  JSON.parse(open('totp-pending', `${userId}:${binding}`, sealed))

const shown = ({ secret, label }: Pending): Promise<Enrolment> => enrolment(secret, env().productName, label)

/** A name fit for lists, mails and events: one line of 1 to 40 characters. */
function plainName(name: unknown): Result<string> {
  const text = typeof name === 'string' ? cleanText(name.slice(0, 400), 400) : ''
  return text && [...text].length <= MAX_NAME ? ok(text) : refuse('invalid_input', { field: 'name' })
}

/**
 * Begins to set up an authenticator, for 15 minutes. Asked again with the same binding meanwhile it answers with
 * the same secret, so that a reload shows the same picture; another binding begins anew and voids the older one.
 * @param asked.label the account's name as the app will show it
 * @param asked.binding what alone may confirm it: a session's id, or a flow
 * @returns refusal `too_many`
 * @throws StoresDown
 */
export async function begin(
  userId: string,
  asked: { label: string; binding: string },
): Promise<Result<Enrolment>> {
  if ((await store.countTotps(userId)) >= MAX_TOTPS) return refuse('too_many')
  const binding = sha256(asked.binding)
  const fresh: Pending = { id: uuid(), secret: newSecret(), label: asked.label }
  const sealed = await store.beginPending(userId, {
    binding,
    nowMs: nowMs(),
    sealed: seal('totp-pending', `${userId}:${binding}`, JSON.stringify(fresh)),
  })
  return ok(await shown(openPending(userId, binding, sealed)))
}

/** The authenticator that this binding is setting up; null when there is none, or its time is up. Changes nothing. */
export async function pending(userId: string, binding: string): Promise<Enrolment | null> {
  const hash = sha256(binding)
  const sealed = await store.readPending(userId, hash, nowMs())
  return sealed === null ? null : await shown(openPending(userId, hash, sealed))
}

/**
 * Confirms a set-up by a code of it, in `tx`: the user has the authenticator from now on. Good once, also of two
 * at once; a `tx` that rolls back leaves the set-up as it was. The code itself is used up by it.
 * @param input.name one line of 1 to 40 characters
 * @returns refusal `totp_wrong`; `enrolment_over` after 15 minutes, ten tries, or for another binding;
 *   `too_many`; `invalid_input` for the name
 * @throws StoresDown
 */
export async function confirm(
  tx: Tx,
  userId: string,
  input: { code: string; name: string; binding: string },
  caller: Caller,
): Promise<Result<{ id: string; name: string }>> {
  const name = plainName(input.name)
  if (!name.ok) return name
  const code = plainCode(input.code)
  if (!code) return refuse('totp_wrong', { field: 'code' })
  const binding = sha256(input.binding)
  const sealed = await store.tryPending(userId, { binding, nowMs: nowMs(), maxTries: MAX_CONFIRMS })
  if (!sealed) return refuse('enrolment_over')
  const { id, secret } = openPending(userId, binding, sealed)
  const step = stepOf(secret, code)
  if (step === null) return refuse('totp_wrong', { field: 'code' })

  const secretSealed = sealSecret(userId, id, secret)
  const made = await store.insertTotp(
    tx,
    { id, userId, name: name.value, secretSealed, lastStep: step },
    MAX_TOTPS,
  )
  if (made !== 'ok') return refuse(made === 'full' ? 'too_many' : 'enrolment_over')
  await record(tx, { type: 'totp.added', userId, caller, data: { id, name: name.value } })
  onCommit(tx, () => store.dropPending(userId, sealed))
  return ok({ id, name: name.value })
}

/** The secret of a row, or null for one that does not open: another's, tampered with, or its key is gone. */
function secretOf(userId: string, row: store.TotpRow): string | null {
  try {
    return open('totp', `${userId}:${row.id}`, row.secretSealed)
  } catch (error) {
    log().error({ err: (error as Error).message, totp: row.id }, 'an authenticator’s secret does not open')
    return null
  }
}

/**
 * Takes a code of any of the user's authenticators, for the step of this machine's clock or one to either side.
 * Good once, also of any number at once and over a restart. Spend a try first (`tries.spendSecond`): this one
 * compares. A secret sealed by an older key is sealed anew on the way.
 * @returns which authenticator it was; refusal `totp_wrong`, or `totp_used` for a code that was right once
 * @throws StoresDown
 */
export async function verify(
  userId: string,
  typed: string,
  caller: Caller,
): Promise<Result<{ id: string; name: string }>> {
  const field = 'code'
  const code = plainCode(typed)
  if (!code) return refuse('totp_wrong', { field })
  let used = false
  for (const row of await store.readTotps(userId)) {
    const secret = secretOf(userId, row)
    if (!secret) continue
    const { id, name } = row
    const step = stepOf(secret, code, row.lastStep)
    if (step !== null) {
      const resealed = isSealedByOlder(row.secretSealed) ? sealSecret(userId, id, secret) : null
      const event = { type: 'totp.used', userId, caller, data: { id, name } } as const
      if (await store.claimStep(id, step, resealed, event)) return ok({ id, name })
    }
    used ||= stepOf(secret, code) !== null
  }
  const reason = used ? 'used' : 'wrong'
  await record(null, { type: 'totp.failed', outcome: 'failure', userId, caller, data: { reason } })
  return refuse(used ? 'totp_used' : 'totp_wrong', { field })
}

/** A user's authenticators, oldest first; never their secrets. */
export const list = (userId: string): Promise<store.TotpView[]> => store.listTotps(userId)

/** Gives an authenticator another name, in `tx`. @returns refusal `not_found`; `invalid_input` for the name */
export async function rename(
  tx: Tx,
  userId: string,
  id: string,
  to: string,
  caller: Caller,
): Promise<Result> {
  const name = plainName(to)
  if (!name.ok) return name
  const before = isUuid(id) ? await store.renameTotp(tx, userId, id, name.value) : null
  if (before === null) return refuse('not_found')
  await record(tx, { type: 'totp.renamed', userId, caller, data: { id, name: name.value, before } })
  return ok()
}

/** Removes an authenticator, in `tx`: no code of it is good any more. @returns its name; refusal `not_found` */
export async function remove(
  tx: Tx,
  userId: string,
  id: string,
  caller: Caller,
): Promise<Result<{ name: string }>> {
  const name = isUuid(id) ? await store.deleteTotp(tx, userId, id) : null
  if (name === null) return refuse('not_found')
  await record(tx, { type: 'totp.removed', userId, caller, data: { id, name } })
  return ok({ name })
}
