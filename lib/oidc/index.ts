/**
 * Room: oidc.
 * Owns: the OpenID Provider (issuer `${GATEHOUSE_URL}/oidc`), relying apps and their secrets, APIs, consents,
 *   refresh tokens, signing keys, requests that wait for a person.
 * Hands off: who is signed in (sessions), who that is (users), pages and proofs (the app, signin).
 * Invariants: one truth about who is signed in, and every code and token asks it at every use; what may
 *   be used once is decided in one statement; a replay ends its family; addresses come from the
 *   configured origin alone.
 */
import 'server-only'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { handle as handleDeliveries } from '../audit'
import type { Caller } from '../base/caller'
import { now, nowMs } from '../base/clock'
import { CHANNELS } from '../base/keys'
import { log } from '../base/log'
import { onSubscription, subscribe } from '../base/redis'
import { whenEnding } from '../sessions'
import { whenDisabling, whenLosing } from '../users'
import * as backchannel from './backchannel'
import * as claims from './claims'
import { previewClaims } from './claims-shown'
import * as clientLog from './client-log'
import { readChanges } from './client-metadata'
import * as registry from './client-registry'
import * as known from './clients'
import * as connected from './connected'
import * as entrants from './entrants'
import * as consents from './grants'
import { type HandleOptions, type Instance, makeInstance, sendPublished, serve } from './handle'
import * as signingKeys from './keys'
import { type Admission, admitManager } from './management-access'
import * as personal from './personal-tokens'
import * as registration from './registration'
import * as registeredApis from './resources'
import * as revocations from './revocations'
import * as store from './store'
import * as subjects from './subjects'
import { trial } from './trial'

export { type Access, access } from './access'
export { appsOf, type SessionApp, sessionsWithApp } from './apps'
export { CERTIFICATE_PATH } from './certificates'
export { type MappedClaim, TEMPLATES as CLAIM_TEMPLATES } from './claims-mapping'
export type { ClaimsPreview } from './claims-shown'
export type { LogEntry } from './client-log'
export type { NewClient } from './client-metadata'
export type { ClientChanges } from './client-registry'
export type { ClientFace, ClientView } from './client-view'
export type { GrantView, Removal } from './connected'
export type { Problem } from './context'
export { approveDevice, claimDevice, type DeviceView, denyDevice, device } from './device'
export {
  type Ending,
  type EndingApp,
  type Receipt,
  type Receipts,
  receipts,
  type Told,
  whatEnds,
} from './endings'
export { type Endpoints, endpoints } from './endpoints'
export type { EntryLack } from './entry'
export { type SignedOutView, signedOut } from './frontchannel'
export type { Removed } from './grants'
export type { HandleOptions } from './handle'
export {
  approve,
  deny,
  finishLogin,
  type InteractionView,
  lacks,
  loginSatisfied,
  request,
} from './interactions'
export type { KeyView } from './keys'
export type { Level, Security } from './levels'
export { finishLogout, type LogoutView, logoutRequest, signOut } from './logout'
export { type Hand, type ManagementScope, managementId } from './management'
export {
  type Admission,
  type Challenge,
  challenge,
  type Manager,
  managementMetadata,
  managementMetadataPath,
} from './management-access'
export type { PersonalTokenOptions, PersonalTokenView } from './personal-tokens'
export { type LoginDemands, levelWanted, type Unmet } from './policy'
export type { ApiScope, NewResource, ResourceChanges, ResourceView } from './resources'
export { TRIAL_SCOPES, type Trial } from './trial'

/** Relying apps: add, get, list, search, update, canChange, remove, disable, enable, rotateSecret, removeSecret, readChanges, invite, setClaims, previewClaims, trial, log. */
export const clients = {
  add: registry.add,
  get: registry.get,
  list: registry.list,
  search: registry.search,
  update: registry.update,
  canChange: registry.canChange,
  remove: registry.remove,
  disable: registry.disable,
  enable: registry.enable,
  rotateSecret: registry.rotateSecret,
  removeSecret: registry.removeSecret,
  readChanges,
  invite: registration.invite,
  setClaims: registry.setClaims,
  previewClaims,
  trial,
  /** Why requests of an app were refused, newest first. */
  log: clientLog.recent,
}

/** APIs that access tokens are made for: add, list, update, remove. */
export const resources = {
  add: registeredApis.add,
  list: registeredApis.list,
  update: registeredApis.update,
  remove: registeredApis.remove,
}

/** Consents of a user: list, get, revoke, removal (what a revoke ended), revokeAll. */
export const grants = {
  list: connected.list,
  get: connected.get,
  revoke: consents.revoke,
  removal: connected.removal,
  revokeAll: consents.revokeAll,
}

/** Personal access tokens: options, list, make, end. */
export const personalTokens = {
  MAX_NAME: personal.MAX_NAME,
  MAX_TOKENS: personal.MAX_TOKENS,
  options: personal.options,
  list: personal.list,
  make: personal.make,
  end: personal.end,
}

/** Signing keys: list, rotate, redate. */
export const keys = { list: signingKeys.list, rotate: signingKeys.rotate, redate: signingKeys.redate }

// Whoever has this room loaded owes apps their sign-outs; the portal alone sends them.
whenEnding(backchannel.oweLogouts)
whenLosing(backchannel.oweNoEntry)
handleDeliveries(backchannel.KIND, async (delivery, payload, signal) =>
  backchannel.deliver((await theInstance()).provider, delivery, payload, signal),
)
// Their tokens do not come to life again with them (decision 114).
whenDisabling(async (tx, userId, by) => {
  await personal.end(tx, userId, null, by)
})

// ── the process ──────────────────────────────────────────────────────────────

const KEY_CHECK_MS = 60_000
const SWEEP_MS = 3_600_000

let instance: Instance | null = null
let loading: Promise<Instance> | null = null
let stops: (() => void)[] = []

/** The provider of the newest keys this process knows. */
async function theInstance(): Promise<Instance> {
  return instance ?? (await reload())
}

/** Reads the keys and, if they changed, replaces the provider; requests in flight end on the old one. */
function reload(): Promise<Instance> {
  loading ??= (async () => {
    try {
      const [set] = await Promise.all([signingKeys.load(), subjects.load()])
      if (instance?.version !== set.version) instance = await makeInstance(set)
      return instance
    } finally {
      loading = null
    }
  })()
  return loading
}

const refresh = (): void => {
  // A message may come while keys are being read: what was read then may be old, so read once more after.
  const again = loading ? loading.then(reload, reload) : reload()
  again.catch((error: Error) =>
    log().warn({ err: error.message }, 'signing keys not read; tried again in a minute'),
  )
}

/**
 * Serves `/oidc/*` and the well-known documents: a Node request handler.
 * @throws StoresDown only before anything was answered and no keys could ever be read
 */
export async function handle(
  req: IncomingMessage,
  res: ServerResponse,
  options: HandleOptions = {},
): Promise<void> {
  await serve(await theInstance(), req, res, options)
}

/** Which app calls the management API (see management-access.ts). */
export const admit = async (
  req: IncomingMessage,
  res: ServerResponse,
  target: { pathname: string; caller: Caller },
): Promise<Admission> => admitManager((await theInstance()).provider, req, res, target)

/**
 * Answers discovery and keys from memory, whoever asks. False when `pathname` is neither, or the keys were
 * not read yet: then it is for `handle`.
 */
export const serveDocument = (req: IncomingMessage, res: ServerResponse, pathname: string): boolean =>
  instance !== null && sendPublished(instance, req, res, pathname)

/** Makes the keys at the first start, and listens for changes made by other processes. */
export async function start(): Promise<void> {
  stops.push(
    await subscribe(CHANNELS.cacheDrop, (payload) => {
      const { kind, id } = payload as { kind: string; id: string }
      if (kind === 'client') known.drop(id)
      if (kind === 'resource') registeredApis.drop(id)
      if (kind === 'signing-keys') refresh()
      if (kind === 'personal-token') personal.drop(id)
      if (kind === 'oidc-revoked') revocations.heard(id)
    }),
    await subscribe(CHANNELS.userUpdated, (payload) => {
      const { userId } = payload as { userId: string }
      claims.drop(userId)
      entrants.drop(userId)
      personal.drop(userId)
    }),
    // What changed while messages were lost is unknown.
    onSubscription(() => {
      known.drop()
      registeredApis.drop()
      claims.drop()
      entrants.drop()
      personal.drop()
      revocations.forget()
      if (instance) refresh()
    }),
  )
  await reload()
  // What became due while nothing ran.
  void rotateKeys()
  const check = setInterval(refresh, KEY_CHECK_MS)
  const clean = setInterval(() => void sweep(), SWEEP_MS)
  check.unref()
  clean.unref()
  stops.push(
    () => clearInterval(check),
    () => clearInterval(clean),
  )
}

async function rotateKeys(): Promise<void> {
  try {
    await signingKeys.rotateDue()
  } catch (error) {
    log().warn({ err: (error as Error).message }, 'signing keys not rotated; it is tried again in an hour')
  }
}

/** Rotates keys that are due and deletes what is over: expired refresh tokens, keys nothing needs. Also runs by itself every hour. */
export async function sweep(): Promise<void> {
  await rotateKeys()
  try {
    while ((await store.sweepRefresh(now(), 1000)) === 1000);
    await signingKeys.sweep()
    await personal.sweep()
    await registration.sweep()
  } catch (error) {
    log().warn(
      { err: (error as Error).message, at: nowMs() },
      'oidc clean-up failed; it is tried again in an hour',
    )
  }
}

/** Stops listening; the next request would start anew. */
export async function stop(): Promise<void> {
  for (const end of stops) end()
  stops = []
  await loading?.catch(() => {})
  instance = null
  known.drop()
  registeredApis.drop()
  claims.drop()
  entrants.drop()
  personal.drop()
}

/** After a backup was put back: no token is good, and every app asks its people again. */
export { endAll as endAfterRestore } from './store-restored'
