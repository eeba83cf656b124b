/**
 * Claims of an operator's own making, for one app: what they hold, where they go and who they need the person's word
 * for, as plain data (decision 088). Pure.
 */
import { z } from 'zod'
import { CLAIMS } from './scopes'

// ── what may be registered ───────────────────────────────────────────────────

export const MAPPED_INTO = ['id_token', 'userinfo', 'access_token'] as const
export type MappedInto = (typeof MAPPED_INTO)[number]

/** Scopes that a mapped claim may hang on: those whose words a consent page has. */
const SCOPES = ['openid', 'profile', 'email', 'phone', 'roles'] as const
type Scope = (typeof SCOPES)[number]

/** JSON without null: what is not there is left out. */
export type Value = string | number | boolean | Value[] | { [name: string]: Value }

export interface MappedClaim {
  name: string
  value: Value
  /** Given with this scope. */
  scope?: Scope | undefined
  /** Given to every sign-in of the app, whatever it asks for. */
  always?: true | undefined
  /** Left out: everywhere. */
  in?: MappedInto[] | undefined
}

/** What makes a token a token, and what the portal itself says: nothing may speak in its place. */
const RESERVED = new Set([
  ...['iss', 'sub', 'aud', 'exp', 'nbf', 'iat', 'jti', 'nonce', 'azp', 'sid', 'sub_jwk', 'typ', 'kid', 'alg'],
  ...['at_hash', 'c_hash', 's_hash', 'events', 'toe', 'txn', 'cnf', 'act', 'may_act', 'client_id', 'scope'],
  ...['active', 'token_type', 'username', 'authorization_details', 'trust_framework', 'vot', 'vtm'],
  ...['_claim_names', '_claim_sources', '__proto__', 'constructor', 'prototype'],
  ...Object.keys(CLAIMS),
  ...Object.values(CLAIMS).flatMap((claims) => claims ?? []),
])

const MAX_CLAIMS = 32
const MAX_DEPTH = 6
const MAX_REGISTERED_BYTES = 8192
/** All mapped claims of one token or answer: more makes headers and cookies of apps too large. */
export const MAX_MAPPED_BYTES = 4096

const PLACEHOLDER = /\{\{\s*([^{}]*?)\s*\}\}/g
const WHOLE = /^\{\{\s*([^{}]*?)\s*\}\}$/

/** Where a placeholder's first part may point to, and the scope that it belongs to. */
const SOURCES: Record<string, Scope | null> = {
  'user.id': null,
  'user.created_at': null,
  is_anonymous: null,
  roles: 'roles',
  default_role: 'roles',
  'profile.name': 'profile',
  'profile.given_name': 'profile',
  'profile.family_name': 'profile',
  'profile.picture': 'profile',
  'profile.locale': 'profile',
  'profile.zoneinfo': 'profile',
  email: 'email',
  email_verified: 'email',
  phone_number: 'phone',
  phone_number_verified: 'phone',
}
const METADATA = /^metadata(\.[A-Za-z0-9_-]{1,64}){1,5}$/
const FILTER = /^(text|default:.{0,200})$/

interface Reference {
  path: string
  filters: string[]
}

function parse(inside: string): Reference | null {
  const [path = '', ...filters] = inside.split('|').map((part) => part.trim())
  const known = Object.hasOwn(SOURCES, path) || METADATA.test(path)
  return known && filters.every((filter) => FILTER.test(filter)) ? { path, filters } : null
}

const textsIn = (value: Value): string[] => {
  if (typeof value === 'string') return [value]
  if (Array.isArray(value)) return value.flatMap(textsIn)
  return typeof value === 'object' ? Object.values(value).flatMap(textsIn) : []
}

const insidesOf = (text: string): string[] => [...text.matchAll(PLACEHOLDER)].map(([, inside = '']) => inside)

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

const isBadName = (name: string): boolean => ['__proto__', 'constructor', 'prototype'].includes(name)

function namesIn(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return []
  const own = Array.isArray(value) ? [] : Object.keys(value)
  return [...own, ...Object.values(value).flatMap(namesIn)]
}

const valueSchema: z.ZodType<Value> = z.lazy(() =>
  z.union(
    [
      z.string().max(1000),
      z.number(),
      z.boolean(),
      z.array(valueSchema).max(100),
      z.record(z.string(), valueSchema),
    ],
    'must be JSON without null',
  ),
)

const claimSchema = z
  .strictObject({
    name: z
      .string()
      .regex(
        /^[A-Za-z0-9_.:/~#?=&%+-]{1,200}$/,
        'must be a name such as plan, or an address of yours such as https://example.com/plan',
      )
      .refine((name) => !RESERVED.has(name), 'is reserved: it means something in a token already'),
    value: valueSchema,
    scope: z.enum(SCOPES, `must be one of ${SCOPES.join(', ')}`).optional(),
    always: z.literal(true, 'can only be true').optional(),
    in: z
      .array(z.enum(MAPPED_INTO, `must be of ${MAPPED_INTO.join(', ')}`))
      .min(1)
      .optional(),
  })
  .superRefine((claim, ctx) => {
    const say = (path: string, message: string) => ctx.addIssue({ code: 'custom', path: [path], message })
    if ((claim.scope === undefined) === (claim.always === undefined))
      say('scope', 'say either with which scope it is given, or "always": true')
    if (depthOf(claim.value) > MAX_DEPTH) say('value', `must not be nested more than ${MAX_DEPTH} deep`)
    for (const text of textsIn(claim.value)) {
      const bad = insidesOf(text).find((inside) => !parse(inside))
      if (bad !== undefined) say('value', `{{${bad}}} is nothing that can be put in; see docs/claims.md`)
      else if (/\{\{|\}\}/.test(text.replace(PLACEHOLDER, '')))
        say('value', `"${text}" has braces that do not match`)
    }
  })

const mappingSchema = z
  .array(claimSchema)
  .max(MAX_CLAIMS, `must be at most ${MAX_CLAIMS} claims`)
  .superRefine((claims, ctx) => {
    const names = claims.map(({ name }) => name)
    const twice = names.find((name, at) => names.indexOf(name) !== at)
    if (twice) ctx.addIssue({ code: 'custom', message: `${twice} is there twice` })
    if (Buffer.byteLength(JSON.stringify(claims)) > MAX_REGISTERED_BYTES)
      ctx.addIssue({ code: 'custom', message: `must have at most ${MAX_REGISTERED_BYTES} bytes` })
  })

/** The mapping, or one sentence that says how to mend it. */
export function readMapping(
  input: unknown,
): { ok: true; claims: MappedClaim[] } | { ok: false; message: string } {
  // The schema's copy would not have it any more.
  if (namesIn(input).some(isBadName))
    return { ok: false, message: 'there is a name in it that no object may have' }
  const parsed = mappingSchema.safeParse(input)
  if (parsed.success) return { ok: true, claims: parsed.data }
  const [issue] = parsed.error.issues
  const [at, ...path] = issue?.path ?? []
  const named =
    typeof at === 'number' && Array.isArray(input) ? (input[at] as { name?: unknown })?.name : undefined
  const where =
    typeof named === 'string' ? `${named.slice(0, 80)}: ` : typeof at === 'number' ? `claim ${at + 1}: ` : ''
  return {
    ok: false,
    message: `${where}${path.length ? `${path.join('.')} ` : ''}${issue?.message ?? 'cannot be used'}`,
  }
}

// ── templates ────────────────────────────────────────────────────────────────

export const TEMPLATES = {
  /** https://hasura.io/docs/2.0/auth/authentication/jwt/: all values but the allowed roles are strings. */
  hasura: [
    {
      name: 'https://hasura.io/jwt/claims',
      always: true,
      value: {
        'x-hasura-allowed-roles': '{{roles}}',
        'x-hasura-default-role': '{{default_role}}',
        'x-hasura-user-id': '{{user.id}}',
        'x-hasura-user-is-anonymous': '{{is_anonymous | text}}',
      },
    },
  ],
} as const satisfies Record<string, readonly unknown[]>

// ── what comes out ───────────────────────────────────────────────────────────

/** All that placeholders may point to. */
export interface Facts {
  id: string
  createdAt: Date
  isAnonymous: boolean
  roles: string[]
  defaultRole: string
  /** Standard claims of the scopes profile, email and phone. */
  claims: Record<string, unknown>
  metadata: Record<string, unknown>
}

function factAt(facts: Facts, path: string): unknown {
  const [head = '', ...rest] = path.split('.')
  if (head === 'metadata') {
    let at: unknown = facts.metadata
    for (const name of rest) {
      if (typeof at !== 'object' || at === null || !Object.hasOwn(at, name)) return undefined
      at = (at as Record<string, unknown>)[name]
    }
    return at ?? undefined
  }
  if (path === 'user.id') return facts.id
  if (path === 'user.created_at') return facts.createdAt.toISOString()
  if (path === 'is_anonymous') return facts.isAnonymous
  if (path === 'roles') return facts.roles
  if (path === 'default_role') return facts.defaultRole
  return facts.claims[rest.at(-1) ?? head]
}

const textOf = (value: unknown): string => (typeof value === 'object' ? JSON.stringify(value) : String(value))

function resolve({ path, filters }: Reference, facts: Facts): unknown {
  let value = factAt(facts, path)
  for (const filter of filters) {
    if (filter.startsWith('default:')) value ??= filter.slice('default:'.length).trim()
    else if (value !== undefined) value = textOf(value)
  }
  return value
}

/** A text with its placeholders filled in; undefined when something in it is not known. */
function fill(text: string, facts: Facts): unknown {
  const whole = WHOLE.exec(text)?.[1]
  const reference = whole === undefined ? null : parse(whole)
  if (reference) return resolve(reference, facts)
  let known = true
  const filled = text.replace(PLACEHOLDER, (_, inside: string) => {
    const one = parse(inside)
    const value = one && resolve(one, facts)
    if (value === undefined || value === null) known = false
    return known ? textOf(value) : ''
  })
  return known ? filled : undefined
}

function evaluate(value: Value, facts: Facts): unknown {
  if (typeof value === 'string') return fill(value, facts)
  if (Array.isArray(value)) return value.map((one) => evaluate(one, facts)).filter((one) => one !== undefined)
  if (typeof value !== 'object') return value
  const parts = Object.entries(value).map(([name, one]) => [name, evaluate(one, facts)] as const)
  return Object.fromEntries(parts.filter(([, one]) => one !== undefined))
}

/** The scopes without which a claim is not given: its own, and those of what it is made of. */
function needs({ scope, always, value }: MappedClaim): string[] {
  if (always) return []
  const made = textsIn(value)
    .flatMap(insidesOf)
    .map((inside) => SOURCES[parse(inside)?.path ?? ''])
  return [scope, ...made].filter((one): one is Scope => Boolean(one))
}

/** Claims of this mapping that such a token or answer holds, before anybody is looked at. */
export const due = (
  mapping: readonly MappedClaim[],
  into: MappedInto,
  scopes: ReadonlySet<string>,
): MappedClaim[] =>
  mapping.filter(
    (claim) => (claim.in ?? MAPPED_INTO).includes(into) && needs(claim).every((scope) => scopes.has(scope)),
  )

export interface Mapped {
  claims: Record<string, unknown>
  /** Names of those for which there was no room. */
  dropped: string[]
}

/** The values of claims for one user. What is not known is left out; what would make a token too large too, in order. */
export function mapped(claims: readonly MappedClaim[], facts: Facts): Mapped {
  const found: Mapped = { claims: {}, dropped: [] }
  let bytes = 0
  for (const claim of claims) {
    const value = evaluate(claim.value, facts)
    if (value === undefined) continue
    const size = Buffer.byteLength(JSON.stringify({ [claim.name]: value }))
    if (bytes + size > MAX_MAPPED_BYTES) found.dropped.push(claim.name)
    else {
      bytes += size
      found.claims[claim.name] = value
    }
  }
  return found
}
