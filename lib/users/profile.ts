/** What a person says about themselves. A patch is picked field by field: nothing else of it counts (LNK5). */
import { z } from 'zod'
import { record } from '../audit'
import type { Caller } from '../base/caller'
import { inTx } from '../base/db'
import { isUuid } from '../base/ids'
import { ok, type Result, refuse } from '../base/refusals'
import { announce } from './announce'
import { type EncodedAvatar, encodeAvatar } from './avatar'
import { avatarPath, nameOf } from './person'
import * as store from './store'
import { localeSchema, nameSchema, timezoneSchema } from './text'

export interface ProfileView {
  firstName: string | null
  lastName: string | null
  displayName: string | null
  name: string | null
  email: string | null
  emailVerified: boolean
  locale: string
  timezone: string | null
  avatarPath: string | null
  updatedAt: Date
}

const patchSchema = z.object({
  firstName: nameSchema.optional(),
  lastName: nameSchema.optional(),
  displayName: nameSchema.optional(),
  locale: localeSchema.optional(),
  timezone: timezoneSchema.optional(),
})

/** Fields left out stay as they are; null or an empty text clears a name or the time zone. */
export type ProfilePatch = z.input<typeof patchSchema>

/** @returns null when there is no such user */
export async function get(id: string): Promise<ProfileView | null> {
  const row = isUuid(id) ? await store.readUser(id) : null
  if (!row) return null
  return {
    firstName: row.first_name,
    lastName: row.last_name,
    displayName: row.display_name,
    name: nameOf(row),
    email: row.address,
    emailVerified: row.verified_at !== null,
    locale: row.locale,
    timezone: row.timezone,
    avatarPath: row.avatar_key && avatarPath(row.avatar_key),
    updatedAt: row.updated_at,
  }
}

/** A form sends '' for "none"; a zone has no empty name. */
const emptied = (patch: object): object =>
  'timezone' in patch && patch.timezone === '' ? { ...patch, timezone: null } : patch

/**
 * Changes names, locale and time zone: 80 code points each, control characters stripped, locale a
 * BCP 47 tag, zone an IANA name. Every other field of the patch is ignored.
 * @returns refusal `invalid_input` with the field, `not_found`
 */
export async function update(id: string, patch: ProfilePatch, caller: Caller): Promise<Result> {
  if (!isUuid(id)) return refuse('not_found')
  if (typeof patch !== 'object' || patch === null) return refuse('invalid_input')
  const parsed = patchSchema.safeParse(emptied(patch))
  if (!parsed.success) return refuse('invalid_input', { field: String(parsed.error.issues[0]?.path[0]) })
  const { locale, ...columns } = parsed.data

  return await inTx(async (tx) => {
    const user = await store.lockUser(tx, id)
    if (!user) return refuse('not_found')
    const before = await store.readProfileColumns(tx, id)
    const changed: string[] = []
    for (const name of ['firstName', 'lastName', 'displayName', 'timezone'] as const) {
      if (columns[name] !== undefined && columns[name] !== (before?.[name] ?? null)) changed.push(name)
    }
    if (changed.length > 0) await store.writeProfile(tx, id, columns)
    if (locale !== undefined && locale !== user.locale) {
      await store.writeLocale(tx, id, locale)
      changed.push('locale')
    }
    if (changed.length === 0) return ok()
    await record(tx, { type: 'profile.updated', userId: id, caller, data: { fields: changed } })
    announce(tx, 'updated', id)
    return ok()
  })
}

/**
 * Replaces the picture by a fresh 256 × 256 WebP made from `bytes` (PNG, JPEG, WebP, AVIF or the first
 * frame of a GIF, at most 5 MB); nothing of the upload but its pixels survives.
 * @returns refusal `image_too_large`, `image_invalid`, `busy`, `not_found`
 */
export async function setAvatar(
  id: string,
  bytes: Uint8Array,
  caller: Caller,
): Promise<Result<{ path: string }>> {
  if (!isUuid(id)) return refuse('not_found')
  const encoded: Result<EncodedAvatar> = await encodeAvatar(id, bytes)
  if (!encoded.ok) return encoded
  return await inTx(async (tx) => {
    if (!(await store.lockUser(tx, id))) return refuse('not_found')
    await store.writeAvatar(tx, id, encoded.value)
    await store.writeProfile(tx, id, {})
    await record(tx, { type: 'avatar.updated', userId: id, caller })
    announce(tx, 'updated', id)
    return ok({ path: avatarPath(encoded.value.key) })
  })
}

/** Removes the picture; removing none is no error. */
export async function removeAvatar(id: string, caller: Caller): Promise<Result> {
  if (!isUuid(id)) return refuse('not_found')
  return await inTx(async (tx) => {
    if (!(await store.deleteAvatar(tx, id))) return ok()
    await store.writeProfile(tx, id, {})
    await record(tx, { type: 'avatar.removed', userId: id, caller })
    announce(tx, 'updated', id)
    return ok()
  })
}
