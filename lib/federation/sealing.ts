/**
 * Tokens of providers are sealed twice in their life: for the identity while it travels in a login attempt, and for the
 * row once it is linked. A ciphertext moved to another row, person or column does not open.
 */
import { nowMs } from '../base/clock'
import { open, seal } from '../base/secrets'
import type { AccountOwner, Identity } from './types'

export interface Tokens {
  accessToken: string
  refreshToken: string | null
  idToken: string | null
  tokenType: string
  scope: string | null
  /** Milliseconds since the epoch; null: not said. */
  expiresAt: number | null
}

type Known = Pick<Identity, 'provider' | 'issuer' | 'subject'>

const TRAVEL = 'provider-tokens'
const aadOf = ({ provider, issuer, subject }: Known): string => JSON.stringify([provider, issuer, subject])

const MAX_TOKEN = 16_384
const text = (value: unknown): string | null =>
  typeof value === 'string' && value.length > 0 && value.length <= MAX_TOKEN ? value : null

/** What a token endpoint answered, read (RFC 6749 section 5.1). Null without an access token. */
export function readTokens(answer: object): Tokens | null {
  const given = answer as Record<string, unknown>
  const accessToken = text(given.access_token)
  if (!accessToken) return null
  const lasts = Number(given.expires_in)
  const until = Number(given.expires_at) * 1000
  const expiresAt = Number.isFinite(until) ? until : Number.isFinite(lasts) ? nowMs() + lasts * 1000 : null
  return {
    accessToken,
    refreshToken: text(given.refresh_token),
    idToken: text(given.id_token),
    tokenType: text(given.token_type) ?? 'bearer',
    scope: text(given.scope),
    expiresAt,
  }
}

export function sealTokens(known: Known, answer: object): string | null {
  const tokens = readTokens(answer)
  return tokens && seal(TRAVEL, aadOf(known), JSON.stringify(tokens))
}

export const openTokens = (identity: Known & Pick<Identity, 'tokens'>): Tokens | null =>
  identity.tokens ? (JSON.parse(open(TRAVEL, aadOf(identity), identity.tokens)) as Tokens) : null

type Column = 'access' | 'refresh' | 'id'

/** For one column of one row of one person. */
export const sealFor = (column: Column, { id, userId }: AccountOwner, token: string): string =>
  seal(`provider-${column}-token`, `${userId}:${id}`, token)

/** @throws Error when it is not this row's */
export const openFor = (column: Column, { id, userId }: AccountOwner, sealed: string): string =>
  open(`provider-${column}-token`, `${userId}:${id}`, sealed)
