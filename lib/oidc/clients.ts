/**
 * Relying apps as the provider meets them: cached in this process, dropped from the cache by a message when they
 * change, proven by their secrets. Of a secret only its SHA-256 is kept (it has 256 random bits).
 */
import { LRUCache } from 'lru-cache'
import type { Caller } from '../base/caller'
import { nowMs } from '../base/clock'
import { env } from '../base/env'
import { randomToken } from '../base/ids'
import { CHANNELS } from '../base/keys'
import { bucket } from '../base/limits'
import { log } from '../base/log'
import { publish } from '../base/redis'
import { ok, type Result, refuse } from '../base/refusals'
import { equal, sha256 } from '../base/secrets'
import { certificatesProblem } from './certificates'
import { isRestricted } from './entry'
import { demands } from './levels'
import * as store from './store-registry'

// ── the cache ────────────────────────────────────────────────────────────────

/** How long an answer is believed when the message that drops it is lost. */
const BELIEVED_MS = 5000

/** RFC 6749 appendix A.1, without spaces and bounded: nothing else is worth a query. */
export const PLAUSIBLE_ID = /^[\x21-\x7e]{1,200}$/

interface Entry {
  /** null: there is no such client (remembered too, so that guesses cost no query each). */
  row: store.ClientRow | null
  until: number
}

const entries = new LRUCache<string, Entry>({ max: 2000 })
let drops = 0

/** An app that may take part in flows; null when there is none or it is switched off. */
export async function active(clientId: string): Promise<store.ClientRow | null> {
  if (!PLAUSIBLE_ID.test(clientId)) return null
  const entry = entries.get(clientId)
  if (entry && nowMs() < entry.until) return entry.row
  const since = drops
  const found = await store.findClient(clientId)
  const row = found && !found.disabledAt && isIn(found) ? found : null
  if (since === drops) entries.set(clientId, { row, until: nowMs() + BELIEVED_MS })
  return row
}

/**
 * What is known by its document alone is an app for as long as the operator lets documents be, and one that shows
 * certificates for as long as these can come.
 */
function isIn({ id, settings, metadata }: store.ClientRow): boolean {
  const off = certificatesProblem({
    authMethod: metadata.token_endpoint_auth_method,
    certificateBound: bindsByCertificate(metadata),
  })
  if (off) log().warn({ clientId: id, why: off.message }, 'an app is off that shows certificates')
  return !off && (settings.registered !== 'document' || env().registration.documents)
}

/** Whether an app's tokens are bound to its certificate. */
export const bindsByCertificate = (metadata: store.ClientMetadata): boolean =>
  metadata.tls_client_certificate_bound_access_tokens === true

/** Whether an app's tokens are nothing without something that it alone has: a key (DPoP), or a certificate. */
export const bindsTokens = ({ settings, metadata }: store.ClientRow): boolean =>
  demands(settings.security, 'dpop') || bindsByCertificate(metadata)

/** Forgets one client, or all. */
export function drop(clientId?: string): void {
  drops++
  if (clientId) entries.delete(clientId)
  else entries.clear()
}

/** The row behind each client the library works with: what is not OpenID metadata stands there. */
export const rowOf = new WeakMap<object, store.ClientRow>()

/**
 * Whether this app takes guests: its registration and the operator must both say so, and it must let everybody in.
 */
export const takesGuests = ({ settings }: Pick<store.ClientRow, 'settings'>): boolean =>
  env().guests.on && settings.guests === true && !isRestricted(settings)

export const announce = async (clientId: string): Promise<void> => {
  drop(clientId)
  await publish(CHANNELS.cacheDrop, { kind: 'client', id: clientId })
}

/** How an app learns that a session ended, as it is registered; null: by its next refresh, which fails. */
export const toldBy = (metadata: store.ClientMetadata): 'back_channel' | 'front_channel' | null =>
  metadata.backchannel_logout_uri ? 'back_channel' : metadata.frontchannel_logout_uri ? 'front_channel' : null

// ── secrets ──────────────────────────────────────────────────────────────────

export const usable = (secret: store.SecretRow): boolean =>
  !secret.expiresAt || Date.parse(secret.expiresAt) > nowMs()

/** Wrong secrets one address may try at one app before it has to wait. */
const WRONG_SECRETS = { capacity: 10, perMinute: 6 }
const blocked = new LRUCache<string, number>({ max: 10_000 })
const used = new LRUCache<string, number>({ max: 2000 })

/**
 * Compares a client's secret. Wrong ones cost from a small bucket for each app and address; once it is
 * empty nothing from there is compared until it refills.
 * @returns ok(true/false), or refusal `rate_limited`
 */
export async function checkSecret(
  clientId: string,
  candidate: string,
  caller: Caller,
): Promise<Result<boolean>> {
  const who = `${clientId}:${caller.ipPrefix}`
  const until = blocked.get(who) ?? 0
  if (nowMs() < until)
    return refuse('rate_limited', { retryAfterSeconds: Math.ceil((until - nowMs()) / 1000) })
  const row = await active(clientId)
  const hash = sha256(candidate)
  const match = row?.secrets.filter(usable).find((secret) => equal(secret.hash, hash))
  if (match) {
    if (nowMs() - (used.get(match.id) ?? 0) > 3_600_000) {
      used.set(match.id, nowMs())
      store
        .noteSecretUse(match.id)
        .catch((error: Error) => log().warn({ err: error.message }, 'secret use not noted'))
    }
    return ok(true)
  }
  const left = await bucket(sha256(who), WRONG_SECRETS, 'client-secret')
  if (left.ok) return ok(false)
  blocked.set(who, nowMs() + (left.refusal.retryAfterSeconds ?? 1) * 1000)
  return left
}

/** Apps that prove themselves by a secret. */
export const hasSecret = (authMethod: string): boolean => authMethod.startsWith('client_secret_')

/** A secret as apps get them. Its last four characters name it on the command line, so they do not begin like an option. */
export const secretValue = (): string => `gts_${randomToken().replace(/-(?=.{3}$)/, '_')}`

export const newSecret = (plain = secretValue()): { plain: string; hash: string; hint: string } => {
  return { plain, hash: sha256(plain), hint: plain.slice(-4) }
}
