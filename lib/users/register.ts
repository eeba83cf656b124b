/** A new person: user, profile, first address and roles, all or nothing. */
import { record } from '../audit'
import type { Caller } from '../base/caller'
import type { Tx } from '../base/db'
import { uuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { normalizeEmail } from './address'
import { announce } from './announce'
import { voidOtherClaims } from './emails'
import * as store from './store'
import { localeSchema, nameSchema } from './text'

export interface Registration {
  /** Given out before, so that a code could be bound to it. */
  id?: string
  email: string
  /** The caller has proof that the person reads this mailbox. Never taken from a request (LNK5). */
  verified: boolean
  firstName?: string | null
  lastName?: string | null
  displayName?: string | null
  locale: string
  /** Beside the default role `user`. */
  roles?: string[]
  caller?: Caller
  /** Who did it, when not the person. */
  actor?: string
}

export const orNull = (name: string | null | undefined): string | null => {
  const parsed = nameSchema.safeParse(name ?? null)
  return parsed.success ? parsed.data : null
}

/**
 * Registers a person in `tx` (which must come from `inTx`) and announces it after the commit. With a
 * verified address the user is active and everybody else's unverified claims to it are gone (LNK3);
 * otherwise pending.
 * @returns refusal `email_taken` (nothing was written, the transaction is still good) or `invalid_email`
 */
export async function register(tx: Tx, person: Registration): Promise<Result<{ id: string }>> {
  const address = normalizeEmail(person.email)
  if (!address.ok) return address
  const id = person.id ?? uuid()
  const locale = localeSchema.safeParse(person.locale)
  await store.lockAddress(tx, address.value)
  const written = await store.insertUser(tx, {
    id,
    address: address.value,
    verified: person.verified,
    firstName: orNull(person.firstName),
    lastName: orNull(person.lastName),
    displayName: orNull(person.displayName),
    locale: locale.success ? locale.data : 'en',
    defaultRole: 'user',
    roles: [...new Set(['user', ...(person.roles ?? [])])],
  })
  if (!written) return refuse('email_taken', { field: 'email' })
  await record(tx, {
    type: 'user.registered',
    userId: id,
    actor: person.actor,
    caller: person.caller,
    data: { emailVerified: person.verified },
  })
  if (person.verified) await voidOtherClaims(tx, id, address.value)
  announce(tx, 'created', id)
  return ok({ id })
}
