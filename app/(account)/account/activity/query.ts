/** What a page of the history, or a download of it, is asked for. Anything that is no answer to a question counts as not asked. */
import { audit, oidc } from '@/lib'
import type { EventKind, Filter } from '@/lib/audit'
import { one } from '../../../_lib/login'

type Params = Record<string, string | string[] | undefined>

export const KINDS = [
  'sign_in',
  'factors',
  'addresses',
  'apps',
  'recovery',
  'account',
] as const satisfies readonly EventKind[]
export const OUTCOMES = ['success', 'failure', 'info'] as const

/** The fields of the form, as they were chosen; empty where nothing was. */
export interface Asked {
  kind: string
  outcome: string
  /** Days of the reader's calendar, YYYY-MM-DD. */
  from: string
  until: string
  device: string
  app: string
}

const DAY = /^\d{4}-\d{2}-\d{2}$/
const DAY_MS = 86_400_000

const known = (names: readonly string[], value: string): string => (names.includes(value) ? value : '')
const matching = (form: RegExp, value: string): string => (form.test(value) ? value : '')

export function askedOf(query: Params): Asked {
  return {
    kind: known(KINDS, one(query.kind)),
    outcome: known(OUTCOMES, one(query.outcome)),
    from: matching(DAY, one(query.from)),
    until: matching(DAY, one(query.until)),
    device: matching(/^[\w-]{22}$/, one(query.device)),
    app: matching(/^[\x21-\x7e]{1,200}$/, one(query.app)),
  }
}

/** The same as a filter, days taken in the reader's timezone. */
export function filterOf({ kind, outcome, from, until, device, app }: Asked, timeZone: string): Filter {
  const first = from ? startOf(from, timeZone) : null
  const last = until ? startOf(until, timeZone, 1) : null
  return {
    kind: KINDS.find((name) => name === kind) ?? 'any',
    ...(outcome && { outcome: outcome as (typeof OUTCOMES)[number] }),
    ...(first && { from: first }),
    ...(last && { until: last }),
    ...(device && { device }),
    ...(app && { clientId: app }),
  }
}

/** When a day (or the one so many days after it) begins in a timezone; null for no day. */
function startOf(day: string, timeZone: string, after = 0): Date | null {
  const utc = Date.parse(`${day}T00:00:00Z`) + after * DAY_MS
  if (Number.isNaN(utc)) return null
  // What the clock there shows at that instant of UTC is off by the offset; near a change of clocks, once more.
  const first = utc - offsetAt(utc, timeZone)
  return new Date(utc - offsetAt(first, timeZone))
}

function offsetAt(at: number, timeZone: string): number {
  const parts = new Intl.DateTimeFormat('en-US', {
    timeZone,
    hourCycle: 'h23',
    year: 'numeric',
    month: 'numeric',
    day: 'numeric',
    hour: 'numeric',
    minute: 'numeric',
    second: 'numeric',
  }).formatToParts(at)
  const [year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0] = [
    'year',
    'month',
    'day',
    'hour',
    'minute',
    'second',
  ].map((name) => Number(parts.find(({ type }) => type === name)?.value))
  return Date.UTC(year, month - 1, day, hour, minute, second) - at
}

/** The address of a page with these answers; what was not asked is left out. */
export function hrefOf(path: string, asked: Partial<Asked>, more: Record<string, string> = {}): string {
  const said = Object.entries({ ...asked, ...more }).filter(([, value]) => value)
  return said.length > 0 ? `${path}?${new URLSearchParams(said)}` : path
}

/** Names of the apps that a person's history names. */
export async function appsOf(userId: string): Promise<Map<string, string>> {
  const found = await Promise.all((await audit.clientsIn(userId)).map((id) => oidc.clients.get(id)))
  return new Map(found.flatMap((client) => (client ? [[client.clientId, client.name]] : [])))
}
