/** What we know of one HTTP request to the provider while the library works on it. */
import type { IncomingMessage } from 'node:http'
import type { Caller } from '../base/caller'
import type { Refusal } from '../base/refusals'
import type { SessionFacts } from '../sessions'
import { errors, type KoaContextWithOIDC, Provider } from './library'
import type { Artifact, GrantRow } from './store'

/** Something the person or the app's developer is told; `handle` shows it. */
export interface Problem {
  /** HTTP status of the answer. */
  status: number
  /** OAuth error code. */
  error: string
  description?: string
  requestId: string
  /** Honest: when asking again may help. */
  retryAfterSeconds?: number
  /** The app that sent the person here, when it is known. */
  client?: { id: string; name: string }
}

/** A consent and whose it is. */
export interface Granted extends GrantRow {
  userId: string
  clientId: string
}

export interface RequestState {
  caller: Caller
  /** Who is signed in in this browser; null: nobody. Only asked where it matters. */
  facts: SessionFacts | null
  /** Consents read along with a token of this request, by the grant id inside the token. */
  granted: Map<string, Granted>
  /** The refresh token that was shown. */
  refreshing?: {
    /** The names that its family may be kept by. */
    names: string[]
    /** Itself, by its hash. */
    old: string
    /** When its consent was last used. */
    consentUsedAt: Date | null
    /** Its unused successor, when it was used a moment ago and is shown again. */
    repeated?: string
    /** What is about to take its place. */
    next?: string
  }
  /** The access token of a person that was asked for, and what was found. */
  accessToken?: { id: string; found: Promise<object | null> }
  /** A sign-in's access token, kept as soon as its refresh token is stored. */
  access?: Artifact
  /** It is made with a personal access token: there is an app for the library that is none. */
  personal?: true
  /** A signed access token that was shown at introspection or revocation, and the name it goes by inside. */
  shown?: { token: string; name: string }
  problem?: Problem
  /** Why somebody may not enter the app, or its certificate does not count, for its developers; the answer does not say it. */
  whyNot?: string
  /** The key that a code or refresh token of this request is bound to, by its thumbprint. */
  boundTo?: string
  /** The document that is asked for, since somebody came with its address as a client_id. */
  document?: string
  /** Set-Cookie lines of ours, beside anything the library wants. */
  setCookies: string[]
  /** When the sign-in that this request asks for began to be asked for. */
  demandsSince?: number
}

const states = new WeakMap<IncomingMessage, RequestState>()

export const begin = (req: IncomingMessage, state: RequestState): void => {
  states.set(req, state)
}

export const stateOf = (req: IncomingMessage): RequestState => {
  const state = states.get(req)
  if (!state) throw new Error('a request reached the provider past handle()')
  return state
}

/** The state of the request being served on this asynchronous path; undefined outside of one. */
export function current(): RequestState | undefined {
  const ctx = Provider.ctx
  return ctx ? states.get(ctx.req) : undefined
}

/** What an app hears that has to wait: 429, with when to come back. */
export function tooMany(refusal: Refusal, description: string): Error {
  const ctx = Provider.ctx as KoaContextWithOIDC | undefined
  ctx?.set('Retry-After', String(refusal.retryAfterSeconds ?? 1))
  const error = new errors.CustomOIDCProviderError('temporarily_unavailable', description)
  return Object.assign(error, { status: 429, statusCode: 429 })
}

/**
 * Grant ids inside tokens name the consent and the token family: `<consent>.<family>`. The library
 * revokes by this id when a code or refresh token is used twice, and so hits one family (one sign-in of
 * one browser), not the user's other browsers or the consent itself.
 */
export const grantId = (consent: string, family: string): string => `${consent}.${family}`

export function splitGrantId(id: string): { consent: string; family: string } {
  const [consent = '', family = ''] = id.split('.')
  return { consent, family }
}
