/**
 * Refresh tokens as the library reads and writes them: a family for each sign-in of an app, kept as one row that tells
 * the newest token and the one before it, by their hashes. All tokens of a family begin alike, so that any older
 * one is known for what it is (docs/decisions/120-a-family-of-refresh-tokens-is-one-row.md).
 */
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { log } from '../base/log'
import { sha256, successors } from '../base/secrets'
import * as sessions from '../sessions'
import { admit, bindTo, noteSignIn, remember, revokeFamily, withoutValue } from './adapter'
import { mustBeAbleToEncrypt } from './client-keys'
import { current, splitGrantId } from './context'
import { type Adapter, type AdapterPayload, errors, type KoaContextWithOIDC, Provider } from './library'
import * as store from './store'

/** What the tokens of a family have in common, then what each has alone: 144 and 240 bits. */
export const REFRESH_TOKEN_BITS = 384
const LENGTH = REFRESH_TOKEN_BITS / 6
const SHARED_LENGTH = 24

/** Portals before gave tokens that have nothing in common; each is good for one rotation yet. */
const OLD_LENGTH = 44

/**
 * Bearer values differ in length by kind, so that a token shown without saying what it is (introspection,
 * revocation) is looked for in one place only.
 */
export const isRefreshToken = (id: string): boolean => id.length === LENGTH || id.length === OLD_LENGTH

const nameOf = (token: string): string => sha256(token.slice(0, SHARED_LENGTH))

/**
 * The successor of a refresh token is made of the token itself, so that its app can be told once more, and
 * nobody can tell who has only what is at rest (docs/decisions/082-two-tabs-refresh-at-once.md).
 * @returns under each of the secrets, the newest first
 */
function successorsOf(id: string): string[] {
  const made = (length: number): string[] => successors('refresh_token', id, (length * 6) / 8)
  if (id.length === OLD_LENGTH) return made(LENGTH)
  const shared = id.slice(0, SHARED_LENGTH)
  return made(LENGTH - SHARED_LENGTH).map((own) => shared + own)
}

/** The names that the family of a token may be kept by. */
const namesOf = (id: string): string[] =>
  id.length === OLD_LENGTH ? [sha256(id), ...successorsOf(id).map(nameOf)] : [nameOf(id)]

const graceFrom = (): Date => new Date(nowMs() - env().refreshGraceSeconds * 1000)

/**
 * The successor of a token that the token endpoint is shown again a moment after it was used, while nobody used that
 * one; undefined for anything else.
 */
function repeated(id: string, hash: string, found: store.FoundRefresh): string | undefined {
  const { route } = (Provider.ctx as KoaContextWithOIDC).oidc
  const { previous, rotatedAt } = found
  if (route !== 'token' || previous !== hash || !rotatedAt || rotatedAt <= graceFrom()) return undefined
  return successorsOf(id).find((value) => sha256(value) === found.current)
}

/** The value of a refresh token that is being made: the successor of the one just consumed, else of chance alone. */
export const refreshTokenValue = (): string | undefined => current()?.refreshing?.next

const unsupported = async (): Promise<never> => {
  throw new Error('refresh tokens are found by their value alone')
}

export const refreshTokens: Adapter = {
  findByUid: unsupported,
  findByUserCode: unsupported,
  async upsert(id, payload, expiresIn) {
    const { accountId, sessionUid, grantId, exp } = payload
    if (!accountId || !sessionUid || !grantId) throw new Error('a refresh token without its bearer')
    const { consent, family } = splitGrantId(grantId)
    const token = {
      id: nameOf(id),
      current: sha256(id),
      payload: withoutValue(payload),
      expiresAt: new Date(exp ? exp * 1000 : nowMs() + (expiresIn ?? 0) * 1000),
    }
    const state = current()
    if (!state?.refreshing?.next)
      return noteSignIn(payload, { ...token, familyId: family, userId: accountId })
    const { names, old, consentUsedAt } = state.refreshing
    state.refreshing = undefined
    const rotated =
      (await store.rotateRefresh(names, old, token)) ||
      (await store.repeatable(names, old, token.current, graceFrom()))
    if (!rotated) {
      await revokeFamily(grantId)
      throw new errors.InvalidGrant('refresh token already used')
    }
    sessions.noteUse(sessionUid)
    // It is what the person is shown; the app has its token whether it could be noted or not.
    await store
      .noteGrantUse(consent, consentUsedAt)
      .catch((error: Error) => log().warn({ err: error.message }, 'use of a consent not noted'))
  },
  async find(id) {
    if (!isRefreshToken(id)) return undefined
    const names = namesOf(id)
    const found = await store.findRefresh(names)
    if (!found) return undefined
    const payload = found.payload as AdapterPayload
    if (!(await admit(payload))) return undefined
    bindTo(payload.jkt)
    remember(payload, found.grant)
    const old = sha256(id)
    const again = found.current === old ? undefined : repeated(id, old, found)
    const state = current()
    if (state) state.refreshing = { names, old, consentUsedAt: found.grantUsedAt, repeated: again }
    return { ...payload, jti: id, ...(found.current !== old && !again && { consumed: true }) }
  },
  async consume(id) {
    // Not yet: it is consumed by the statement that stores its successor (REL3, REL6), which the library
    // always asks for next.
    const shown = current()?.refreshing
    if (!shown) throw new Error('a refresh token can only be rotated within a request')
    const next = shown.repeated ?? successorsOf(id)[0]
    if (!next) throw new Error('no GATEHOUSE_SECRET')
    await mustBeAbleToEncrypt()
    shown.next = next
  },
  async destroy() {
    // Whoever destroys one revokes its family next, which deletes the row.
  },
  revokeByGrantId: revokeFamily,
}
