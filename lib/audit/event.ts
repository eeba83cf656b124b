/** Turns what happened into a row that is safe to keep: bounded, without control characters, without secrets. */
import { isIP } from 'node:net'
import type { Agent } from '../base/agent'
import { type Caller, cleanText } from '../base/caller'
import { now } from '../base/clock'
import { deviceMark } from '../base/device-mark'
import { EVENT_TYPES, type EventOutcome, type EventType } from './types'

export interface EventInput {
  type: EventType
  /** Default `success`. */
  outcome?: EventOutcome
  /** Whose history it belongs to. */
  userId?: string | null
  /** Who did it, when not the user: `operator`, `system`, another user's id. */
  actor?: string | null
  sessionId?: string | null
  deviceId?: string | null
  clientId?: string | null
  caller?: Caller
  /** Plain JSON; strings are cleaned and bounded, values under a secret's name are dropped. */
  data?: Record<string, unknown>
}

/** One entry of a history, as readers get it. */
export interface EventView {
  /** Position in the log, a decimal string; also the cursor of `list`. */
  id: string
  at: Date
  type: EventType
  outcome: EventOutcome
  userId: string | null
  actor: string | null
  sessionId: string | null
  deviceId: string | null
  clientId: string | null
  ip: string | null
  userAgent: string | null
  /** What the user agent claims to be. */
  agent: Agent
  /** Where the address was at the time; null when unknown. */
  place: EventPlace | null
  /** Marks the browser it came from, where that was known; the same for all events of it. */
  device: string | null
  data: Record<string, unknown>
}

/** Kept with the event, because a database of places says something else next year. */
export interface EventPlace {
  /** ISO 3166-1 alpha-2. */
  country: string | null
  city: string | null
  /** Degrees, to about ten kilometres. */
  latitude: number | null
  longitude: number | null
}

const MAX_TEXT = 256
const MAX_USER_AGENT = 400
const MAX_KEYS = 24
const MAX_ITEMS = 50
const MAX_DEPTH = 3

/** Names whose values never belong in an event (LOG1), whoever passes them. */
const SECRET_NAME =
  /^(password|passphrase|secret|token|code|otp|cookie|authorization|hash|.*_(secret|token|password))$/i

/** cleanText may cut between the halves of a surrogate pair, which jsonb refuses. */
const bounded = (value: string, max: number): string => cleanText(value, max).toWellFormed()

function clean(value: unknown, depth: number): unknown {
  if (typeof value === 'string') return bounded(value, MAX_TEXT)
  if (typeof value === 'boolean' || value === null) return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : null
  if (typeof value === 'bigint') return value.toString()
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString()
  if (typeof value !== 'object' || depth >= MAX_DEPTH) return undefined
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => clean(item, depth + 1) ?? null)
  return cleanData(value, depth + 1)
}

/** A bounded copy of `data`: what has no place in JSON, is too deep or is named like a secret is left out. */
export function cleanData(data: object, depth = 0): Record<string, unknown> {
  const out: [string, unknown][] = []
  for (const [name, value] of Object.entries(data).slice(0, MAX_KEYS)) {
    if (SECRET_NAME.test(name) || name === '__proto__') continue
    const kept = clean(value, depth)
    if (kept !== undefined) out.push([bounded(name, 64), kept])
  }
  return Object.fromEntries(out)
}

const tenth = (degrees: number | null): number | null =>
  degrees === null ? null : Math.round(degrees * 10) / 10

/** Which browser and where: what every event of a request has beside its own data. */
function whence({ cookies, place }: Caller): Record<string, unknown> {
  const device = deviceMark(cookies)
  return {
    ...(device && { device }),
    ...(place && {
      place: {
        country: place.country,
        city: place.city,
        latitude: tenth(place.latitude),
        longitude: tenth(place.longitude),
      },
    }),
  }
}

const text = (value: string | null | undefined): string | null => (value ? bounded(value, MAX_TEXT) : null)

/** The columns a caller of this room decides, in the order of `eventRow`; the database adds id and chain. */
export const EVENT_COLUMNS = [
  ['at', 'timestamptz'],
  ['type', 'text'],
  ['outcome', 'text'],
  ['user_id', 'uuid'],
  ['actor', 'text'],
  ['session_id', 'uuid'],
  ['device_id', 'uuid'],
  ['client_id', 'text'],
  ['request_id', 'text'],
  ['ip', 'inet'],
  ['user_agent', 'text'],
  ['data', 'jsonb'],
] as const

/**
 * The values of one row, in the order of EVENT_COLUMNS.
 * @throws Error for a type that is not in EVENT_TYPES (a bug).
 */
export function eventRow(e: EventInput): (string | null)[] {
  if (!Object.hasOwn(EVENT_TYPES, e.type)) throw new Error(`unknown event type ${cleanText(e.type, 60)}`)
  return [
    now().toISOString(),
    e.type,
    e.outcome ?? 'success',
    e.userId ?? null,
    text(e.actor),
    e.sessionId ?? null,
    e.deviceId ?? null,
    text(e.clientId),
    text(e.caller?.requestId),
    e.caller && isIP(e.caller.ip) ? e.caller.ip : null,
    e.caller?.userAgent ? bounded(e.caller.userAgent, MAX_USER_AGENT) : null,
    JSON.stringify(cleanData({ ...(e.caller && whence(e.caller)), ...e.data })),
  ]
}
