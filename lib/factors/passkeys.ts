/**
 * Passkeys and security keys (WebAuthn Level 3). A challenge is made here, bound to who asked and to what
 * it is for, kept as a hash for five minutes and taken by the first answer, right or wrong (PK1). A passkey
 * that verified its user is two factors, one without is possession alone; the flags of the answer say which.
 */
import type {
  AuthenticatorTransport,
  PublicKeyCredentialCreationOptionsJSON,
  PublicKeyCredentialRequestOptionsJSON,
} from '@simplewebauthn/server'
import { record } from '../audit'
import { type Caller, cleanText } from '../base/caller'
import { nowMs } from '../base/clock'
import { inTx, type Tx } from '../base/db'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { KEYS, key } from '../base/keys'
import { ok, type Result, refuse } from '../base/refusals'
import { equal, sha256 } from '../base/secrets'
import { type Provider, providerOf } from './aaguids'
import * as store from './store-passkeys'
import {
  ALGORITHMS,
  bytesOf,
  judgeAssertion,
  judgeCreation,
  readAssertion,
  readCreation,
  rpId,
} from './webauthn'

export type { Provider, ProviderIcon } from './aaguids'
export { available } from './webauthn'

export type PasskeyKind = store.PasskeyKind

/** Passkeys and security keys of one user together. */
export const MAX_PASSKEYS = 20
/** Longest name, in code points. */
export const MAX_NICKNAME = 40

/** A person may have to fetch the key, or look for their phone; the challenge lives as long (ASVS 6.7.2). */
const LIFE_MS = KEYS.passkeyAuth.ttlSeconds * 1000

export interface PasskeyRow {
  id: string
  /** base64url, as browsers have it. */
  credentialId: string
  /** As the person, or its maker, calls it; empty when neither said: pages have their own word for it. */
  nickname: string
  kind: PasskeyKind
  /** Who keeps it, as far as it says so; null: it does not. */
  provider: Provider | null
  createdAt: Date
  lastUsedAt: Date | null
  /** It may be on several devices of its owner; else it stays on one. */
  synced: boolean
  transports: string[]
}

const rowOf = (row: store.PasskeyRecord): PasskeyRow => ({
  id: row.id,
  credentialId: row.credential_id.toString('base64url'),
  nickname: row.nickname,
  kind: row.kind,
  provider: providerOf(row.aaguid),
  createdAt: row.created_at,
  lastUsedAt: row.last_used_at,
  synced: row.device_type === 'multiDevice',
  transports: row.transports,
})

/** How a browser finds a credential again. */
const descriptor = (row: store.PasskeyRecord) => ({
  id: row.credential_id.toString('base64url'),
  type: 'public-key' as const,
  transports: row.transports as AuthenticatorTransport[],
})

/** A user's passkeys and security keys, oldest first. */
export const list = async (userId: string): Promise<PasskeyRow[]> =>
  (await store.readPasskeys(userId)).map(rowOf)

// ── adding one ───────────────────────────────────────────────────────────────

export interface RegistrationAsked {
  /** The account's address, and the person's name: what the browser shows. */
  name: string
  displayName: string
  kind: PasskeyKind
  /** Who asks (a session's or an attempt's id): nobody else may answer. */
  binding: string
  /** The browser offers by itself, beside a password that was just used, and asks the person nothing. */
  conditional?: boolean
}

interface RegistrationChallenge extends store.Challenge {
  binding: string
  kind: PasskeyKind
  conditional: boolean
}

/**
 * What `navigator.credentials.create()` is to be called with; voids the user's older challenge.
 * A passkey must be discoverable and verify its user: it is to be both factors, without a name typed. A
 * security key stays a second factor: on another device, no place in its memory, a touch is enough. One
 * that is made conditionally cannot be asked to verify (section 5.1.3), so it counts as what it shows later.
 * @throws StoresDown; Error when there is no such user (a bug)
 */
export async function registrationOptions(
  userId: string,
  asked: RegistrationAsked,
): Promise<PublicKeyCredentialCreationOptionsJSON> {
  const [own, handle] = await Promise.all([store.readPasskeys(userId), store.readHandle(userId)])
  if (!handle) throw new Error('no such user')
  const challenge = randomToken()
  const conditional = asked.conditional === true && asked.kind === 'passkey'
  await store.putChallenge<RegistrationChallenge>(key('passkeyRegistration', userId), {
    hash: sha256(challenge),
    expiresAt: nowMs() + LIFE_MS,
    binding: sha256(asked.binding),
    kind: asked.kind,
    conditional,
  })
  const isKey = asked.kind === 'security_key'
  return {
    rp: { name: env().productName, id: rpId() },
    user: { id: handle.toString('base64url'), name: asked.name, displayName: asked.displayName },
    challenge,
    pubKeyCredParams: ALGORITHMS.map((alg) => ({ alg, type: 'public-key' })),
    timeout: LIFE_MS,
    attestation: 'none',
    excludeCredentials: own.map(descriptor),
    authenticatorSelection: isKey
      ? {
          authenticatorAttachment: 'cross-platform',
          residentKey: 'discouraged',
          requireResidentKey: false,
          userVerification: 'discouraged',
        }
      : {
          residentKey: 'required',
          requireResidentKey: true,
          userVerification: conditional ? 'preferred' : 'required',
        },
    ...(isKey ? { hints: ['security-key' as const] } : {}),
    extensions: { credProps: true },
  }
}

export interface Registered extends PasskeyRow {
  userVerified: boolean
  /** False for one that was made silently beside a password: nobody has shown yet that they hold it. */
  userPresent: boolean
}

/**
 * Adds what the browser made, in `tx`, as the kind that the options were for, and writes the event; who
 * calls has asked for a fresh proof and tells the owner. The challenge is spent, whatever comes of it.
 * @param answer.response the browser's answer, as an object or as its JSON text
 * @param alarm tells the owner of a credential that may have been copied, along with its event
 * @param answer.nickname default: the name of who keeps it, when it says so
 * @returns the passkey, and whether its user was there and verified just now; refusals `passkey_expired` (no live
 *   challenge), `passkey_invalid`, `passkey_exists` (whoever has it), `too_many`, `invalid_input` (name)
 * @throws StoresDown
 */
export async function register(
  tx: Tx,
  userId: string,
  answer: { response: unknown; binding: string; nickname?: string },
  caller: Caller,
): Promise<Result<Registered>> {
  const named = answer.nickname ? nameOf(answer.nickname) : ok('')
  if (!named.ok) return named
  const asked = await store.takeChallenge<RegistrationChallenge>(key('passkeyRegistration', userId))
  if (!asked || !equal(asked.binding, sha256(answer.binding))) return refuse('passkey_expired')
  const read = readCreation(answer.response)
  const made =
    read &&
    (await judgeCreation(read, {
      challengeHash: asked.hash,
      presence: !asked.conditional,
      verification: asked.kind === 'passkey' && !asked.conditional,
    }))
  if (!made) return refuse('passkey_invalid')
  const { userVerified, ...credential } = made
  const nickname = named.value || providerOf(made.aaguid)?.name || ''
  const row = await store.insertPasskey(
    tx,
    userId,
    { ...credential, kind: asked.kind, nickname },
    MAX_PASSKEYS,
  )
  if (row === 'exists') return refuse('passkey_exists')
  if (row === 'full') return refuse('too_many', { values: { max: MAX_PASSKEYS } })
  const passkey = rowOf(row)
  await record(tx, { type: 'passkey.added', userId, caller, data: toldOf(passkey) })
  return ok({ ...passkey, userVerified, userPresent: userVerified || !asked.conditional })
}

// ── using one ────────────────────────────────────────────────────────────────

/** What an answer is for: to say who one is, to add to another proof, or to prove again who is there. */
export type PasskeyUse = 'first' | 'second' | 'fresh'

export interface AuthenticationAsked {
  /** The login attempt; its newest challenge counts. */
  flow: string
  use: PasskeyUse
  /** Whose it must be; null or absent with `first`, where the answer says who. */
  userId?: string | null
  /** Which may answer. Default: passkeys for `first`, both otherwise. */
  kinds?: readonly PasskeyKind[]
  /** The user must be verified: a touch is not enough. */
  verified?: boolean
}

interface AuthenticationChallenge extends store.Challenge {
  use: PasskeyUse
  userId: string | null
  kinds: readonly PasskeyKind[]
  verified: boolean
}

/**
 * What `navigator.credentials.get()` is to be called with; voids the attempt's older challenge. With
 * `first` no credential is named, so the answer is the same for everybody (ENU4). Verification is
 * preferred: who has a finger or a PIN set up is asked for it, nobody is shut out, and the answer tells
 * the truth. Only where all that may answer are security keys a touch is asked for; passkeys must not
 * be asked so, some are not found without verification (CTAP 2.1 section 12.1, credProtect).
 * @throws StoresDown
 */
export async function authenticationOptions(
  asked: AuthenticationAsked,
): Promise<PublicKeyCredentialRequestOptionsJSON> {
  const { flow, use, userId = null, verified = false } = asked
  const kinds = asked.kinds ?? (use === 'first' ? ['passkey'] : ['passkey', 'security_key'])
  const own =
    use === 'first' || !userId
      ? []
      : (await store.readPasskeys(userId)).filter((row) => kinds.includes(row.kind))
  const challenge = randomToken()
  await store.putChallenge<AuthenticationChallenge>(key('passkeyAuth', flow), {
    hash: sha256(challenge),
    expiresAt: nowMs() + LIFE_MS,
    use,
    userId,
    kinds,
    verified,
  })
  const touch = own.length > 0 && own.every((row) => row.kind === 'security_key')
  return {
    challenge,
    rpId: rpId(),
    allowCredentials: own.map(descriptor),
    userVerification: verified ? 'required' : touch ? 'discouraged' : 'preferred',
    timeout: LIFE_MS,
  }
}

export interface Authenticated {
  userId: string
  passkeyId: string
  credentialId: string
  kind: PasskeyKind
  /** By PIN, finger or face: it is knowledge or inherence beside possession. */
  userVerified: boolean
  /** RFC 8176: `hwk` for a key that stays on its device, `swk` for a synced one; `mfa` when verified. */
  amr: string[]
  nickname: string
}

/**
 * Judges an answer to the newest challenge of the attempt; `use` and `userId` must be those it was made
 * for. Spend the budgets before calling. Says nothing about the state of the account.
 * @param answer.response the browser's answer, as an object or as its JSON text
 * @returns refusals `passkey_expired` (no live challenge), `passkey_unknown` (nobody's: the page may tell
 *   the browser so), `passkey_cloned` (right signature, but a counter not beyond the last; `values.name`), `passkey_invalid` (anything else, also somebody else's)
 * @throws StoresDown
 */
export async function authenticate(
  answer: { flow: string; use: PasskeyUse; userId?: string | null; response: unknown },
  caller: Caller,
  alarm?: (tx: Tx, userId: string, passkey: PasskeyRow) => Promise<void>,
): Promise<Result<Authenticated>> {
  const userId = answer.userId ?? null
  const asked = await store.takeChallenge<AuthenticationChallenge>(key('passkeyAuth', answer.flow))
  if (!asked || asked.use !== answer.use || asked.userId !== userId) return refuse('passkey_expired')
  const read = readAssertion(answer.response)
  if (!read) return refuse('passkey_invalid')
  const row = await store.readByCredential(bytesOf(read.id))
  if (!row) return refuse('passkey_unknown')

  const refused = async (reason: string) => {
    // The history is that of who tries to sign in, where that is known, not of whose credential was named.
    const data = { use: answer.use, kind: row.kind, reason }
    await record(null, {
      type: 'passkey.refused',
      outcome: 'failure',
      userId: userId ?? row.user_id,
      caller,
      data,
    })
    return refuse('passkey_invalid')
  }
  if (answer.use !== 'first' && row.user_id !== userId) return await refused('another_account')
  if (!asked.kinds.includes(row.kind)) return await refused('kind')
  // Without a name the handle is what says who it is (section 7.2 step 6); with one it must not differ.
  const handle = read.response.userHandle
  if (handle ? !row.handle.equals(bytesOf(handle)) : answer.use === 'first')
    return await refused('user_handle')
  const signed = await judgeAssertion(read, {
    challengeHash: asked.hash,
    publicKey: row.public_key,
    verification: asked.verified,
  })
  if (!signed) return await refused('answer')
  // Whether it can be synced is settled when it is made; `amr` speaks of it (section 7.2 step 19).
  if (signed.deviceType !== row.device_type) return await refused('backup_eligibility')

  const passkey = rowOf(row)
  if (!(await store.recordUse(row.id, signed.counter, signed.backedUp))) {
    if (!(await store.exists(row.id))) return refuse('passkey_unknown')
    const data = { ...toldOf(passkey), before: Number(row.counter), counter: signed.counter }
    const event = { type: 'passkey.cloned', outcome: 'failure', userId: row.user_id, caller, data } as const
    await inTx(async (tx) => {
      await record(tx, event)
      await alarm?.(tx, row.user_id, passkey)
    })
    return refuse('passkey_cloned', { values: { name: row.nickname } })
  }
  const { userVerified } = signed
  await record(null, {
    type: 'passkey.used',
    userId: row.user_id,
    caller,
    data: { ...toldOf(passkey), use: answer.use, verified: userVerified },
  })
  return ok({
    userId: row.user_id,
    passkeyId: row.id,
    credentialId: passkey.credentialId,
    kind: row.kind,
    userVerified,
    amr: [passkey.synced ? 'swk' : 'hwk', 'user', ...(userVerified ? ['mfa'] : [])],
    nickname: row.nickname,
  })
}

// ── keeping them ─────────────────────────────────────────────────────────────

const UUID = /^[\da-f]{8}(-[\da-f]{4}){3}-[\da-f]{12}$/i

/** @returns one line; refusal `invalid_input` when it is empty or longer than MAX_NICKNAME */
function nameOf(text: string): Result<string> {
  const name = typeof text === 'string' ? cleanText(text.slice(0, 1000), 1000).normalize('NFC') : ''
  return name && [...name].length <= MAX_NICKNAME ? ok(name) : refuse('invalid_input', { field: 'name' })
}

/** What events say of one. */
const toldOf = ({ id, nickname, kind, provider, synced }: PasskeyRow) => ({
  passkeyId: id,
  name: nickname,
  kind,
  provider: provider?.name ?? null,
  synced,
})

/** Gives a user's passkey another name, in `tx`. @returns refusals `invalid_input`, `not_found` */
export async function rename(
  tx: Tx,
  userId: string,
  id: string,
  nickname: string,
  caller: Caller,
): Promise<Result<{ name: string; kind: PasskeyKind }>> {
  const named = nameOf(nickname)
  if (!named.ok) return named
  const done = UUID.test(id) ? await store.renamePasskey(tx, userId, id, named.value) : null
  if (!done) return refuse('not_found')
  const data = { passkeyId: id, kind: done.kind, name: named.value, before: done.before }
  await record(tx, { type: 'passkey.renamed', userId, caller, data })
  return ok({ name: named.value, kind: done.kind })
}

/**
 * Removes a user's passkey, in `tx`. Whether it may go (policy, the last way in) is the caller's to judge.
 * @returns its name, and the credential id to tell the browser about; refusal `not_found`
 */
export async function remove(
  tx: Tx,
  userId: string,
  id: string,
  caller: Caller,
): Promise<Result<{ name: string; kind: PasskeyKind; credentialId: string }>> {
  const gone = UUID.test(id) ? await store.deletePasskey(tx, userId, id) : null
  if (!gone) return refuse('not_found')
  const { nickname: name, kind } = gone
  const provider = providerOf(gone.aaguid)?.name ?? null
  await record(tx, { type: 'passkey.removed', userId, caller, data: { passkeyId: id, name, kind, provider } })
  return ok({ name, kind, credentialId: Buffer.from(gone.credentialId).toString('base64url') })
}

/** What browsers are told of a user's passkeys (section 5.1.10, `signalAllAcceptedCredentials`). */
export async function signal(
  userId: string,
): Promise<{ rpId: string; userId: string; allAcceptedCredentialIds: string[] } | null> {
  const [own, handle] = await Promise.all([store.readPasskeys(userId), store.readHandle(userId)])
  if (!handle) return null
  const allAcceptedCredentialIds = own.map((row) => row.credential_id.toString('base64url'))
  return { rpId: rpId(), userId: handle.toString('base64url'), allAcceptedCredentialIds }
}
