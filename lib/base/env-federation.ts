/**
 * The part of the configuration that says which other providers people may sign in with: PROVIDERS names them in order,
 * PROVIDER_<NAME>_… describes each. One that is described wrongly is left out with a sentence that names the variable;
 * the others and the portal go on. Read by env.ts; the room `federation` makes something of it.
 */
import { createPrivateKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { z } from 'zod'
import { flag } from './env-values'

export const federationShape = { PROVIDERS: z.string().default('') }

const LOOPBACK = ['localhost', '127.0.0.1', '[::1]']

/** Secrets and codes travel in it: https, or plain http to this machine. */
const address = z.string().transform((value, ctx) => {
  const url = URL.canParse(value) ? new URL(value) : null
  const safe =
    url?.protocol === 'https:' || (url?.protocol === 'http:' && LOOPBACK.includes(url.hostname)) ? url : null
  if (!safe || safe.username || safe.hash) {
    ctx.addIssue({ code: 'custom', message: 'must be an https URL (http only to this machine)' })
    return z.NEVER
  }
  return value
})

/** An issuer is compared letter by letter: no slash is added or taken. */
const issuer = address.refine((value) => !new URL(value).search, 'must be an issuer: a URL without a query')

const split = (value: string): string[] =>
  value
    .split(',')
    .map((part) => part.trim())
    .filter(Boolean)

const list = (each: RegExp, message: string) =>
  z
    .string()
    .transform((value) => split(value).map((part) => part.toLowerCase()))
    .refine((parts) => parts.every((part) => each.test(part)), message)

/** What can be taken from a claim of another name. */
export const MAPPED = [
  'subject',
  'email',
  'emailVerified',
  'firstName',
  'lastName',
  'displayName',
  'locale',
  'picture',
] as const
export type Mapped = (typeof MAPPED)[number]

/** `name=claim,name=claim`; a dot goes one deeper. */
const map = z.string().transform((value, ctx) => {
  const pairs = split(value).map((part) => part.split('=').map((side) => side.trim()))
  const good = pairs.every(
    ([name, claim, more]) => MAPPED.some((one) => one === name) && claim && more === undefined,
  )
  if (!good) {
    ctx.addIssue({
      code: 'custom',
      message: `must be a list such as firstName=given_name,email=mail, of ${MAPPED.join(', ')}`,
    })
    return z.NEVER
  }
  return Object.fromEntries(pairs) as Partial<Record<Mapped, string>>
})

/** `claim:value=role,value=role`. */
const roles = z.string().transform((value, ctx) => {
  const at = value.indexOf(':')
  const claim = value.slice(0, at).trim()
  const pairs = split(value.slice(at + 1)).map((part) => {
    const last = part.lastIndexOf('=')
    return [part.slice(0, last).trim(), part.slice(last + 1).trim()] as const
  })
  if (
    at < 1 ||
    !claim ||
    pairs.length === 0 ||
    !pairs.every(([from, to]) => from && /^[a-z][a-z0-9_-]*$/.test(to))
  ) {
    ctx.addIssue({ code: 'custom', message: 'must be such as groups:staff=user,portal-admins=admin' })
    return z.NEVER
  }
  return { claim, values: Object.fromEntries(pairs) as Record<string, string> }
})

const word = (max: number) =>
  z.string().trim().min(1, 'must not be empty').max(max, `must have at most ${max} characters`)

/** PROVIDER_<NAME>_… : what can be said of a provider. */
const settings = z.object({
  TYPE: z
    .string()
    .regex(
      /^[a-z0-9][a-z0-9-]{0,40}$/,
      'must be google, github, microsoft, apple, oidc, oauth or a provider of next-auth',
    )
    .optional(),
  NAME: word(40).optional(),
  CLIENT_ID: word(500).optional(),
  CLIENT_SECRET: word(4000).optional(),
  ISSUER: issuer.optional(),
  URL: address.optional(),
  TENANT: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.-]{0,200}$/, 'must be a tenant’s id, common, organizations or consumers')
    .optional(),
  TENANTS: list(
    /^[a-z0-9][a-z0-9.-]*$/,
    'must list tenant ids (Microsoft) or organisations (Google), with commas',
  ).optional(),
  TEAM_ID: z
    .string()
    .regex(/^[A-Z0-9]{10}$/, 'must be the ten characters of the team’s id')
    .optional(),
  KEY_ID: z
    .string()
    .regex(/^[A-Z0-9]{10}$/, 'must be the ten characters of the key’s id')
    .optional(),
  PRIVATE_KEY: z
    .string()
    .transform((value) => value.replaceAll('\\n', '\n'))
    .refine(isP256, 'must be the key that Apple gave you: the contents of AuthKey_….p8')
    .optional(),
  AUTHORIZATION_URL: address.optional(),
  TOKEN_URL: address.optional(),
  USERINFO_URL: address.optional(),
  SCOPE: z
    .string()
    .regex(/^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$/, 'must be scopes with single spaces')
    .optional(),
  SIGN_UP: flag.default(true),
  DOMAINS: list(
    /^[a-z0-9-]+(\.[a-z0-9-]+)+$/,
    'must list domains such as example.com,example.org',
  ).optional(),
  TRUST_EMAIL: flag.default(false),
  MAP: map.optional(),
  ROLES: roles.optional(),
  KEEP_TOKENS: flag.default(false),
  PKCE: flag.optional(),
  TOKEN_AUTH: z
    .enum(['client_secret_basic', 'client_secret_post'], {
      message: 'must be client_secret_basic or client_secret_post',
    })
    .optional(),
  ID_TOKEN_ALG: z
    .string()
    .regex(/^((RS|PS|ES)(256|384|512)|EdDSA)$/, 'must be an asymmetric algorithm such as RS256')
    .optional(),
})

function isP256(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === 'prime256v1'
  } catch {
    return false
  }
}

/** The names after `PROVIDER_<NAME>_`, for the test of the documents. */
export const PROVIDER_SETTINGS = Object.keys(settings.shape)

type Raw = z.infer<typeof settings>
type Name = keyof Raw

/** What each kind cannot do without. */
const NEEDED: Record<string, Name[]> = {
  google: ['CLIENT_ID', 'CLIENT_SECRET'],
  github: ['CLIENT_ID', 'CLIENT_SECRET'],
  microsoft: ['CLIENT_ID', 'CLIENT_SECRET'],
  apple: ['CLIENT_ID', 'TEAM_ID', 'KEY_ID', 'PRIVATE_KEY'],
  oidc: ['ISSUER', 'CLIENT_ID', 'CLIENT_SECRET'],
  oauth: ['AUTHORIZATION_URL', 'TOKEN_URL', 'USERINFO_URL', 'CLIENT_ID', 'CLIENT_SECRET'],
}
const OF_NEXT_AUTH: Name[] = ['CLIENT_ID', 'CLIENT_SECRET']

/** What only some kinds know. */
const ONLY: Partial<Record<Name, string[]>> = {
  URL: ['github', 'microsoft'],
  TENANT: ['microsoft'],
  TENANTS: ['microsoft', 'google'],
  TEAM_ID: ['apple'],
  KEY_ID: ['apple'],
  PRIVATE_KEY: ['apple'],
  AUTHORIZATION_URL: ['oauth'],
  TOKEN_URL: ['oauth'],
  USERINFO_URL: ['oauth'],
}

const NAMES: Record<string, string> = {
  google: 'Google',
  github: 'GitHub',
  microsoft: 'Microsoft',
  apple: 'Apple',
}
/** What next-auth calls a kind that has more to it here. */
const ALIASES: Record<string, string> = { 'azure-ad': 'microsoft' }

/** A provider as the operator described it. */
export interface ProviderSettings {
  id: string
  /** `google`, `github`, `microsoft`, `apple`, `oidc`, `oauth`, or a name of next-auth's. */
  type: string
  /** Null: as next-auth has it. */
  name: string | null
  clientId: string
  /** Empty for Apple, whose secret is made from a key. */
  clientSecret: string
  issuer: string | null
  /** Where GitHub Enterprise Server or a national cloud of Microsoft is. */
  url: string | null
  tenant: string
  tenants: string[] | null
  apple: { teamId: string; keyId: string; privateKey: string } | null
  endpoints: { authorization: string; token: string; userinfo: string } | null
  scope: string | null
  signUp: boolean
  domains: string[] | null
  /** Whatever address it names counts as verified. */
  trustEmail: boolean
  map: Partial<Record<Mapped, string>>
  roles: { claim: string; values: Record<string, string> } | null
  keepTokens: boolean
  /** Null: where the provider is known to have it. */
  pkce: boolean | null
  tokenAuth: 'client_secret_basic' | 'client_secret_post' | null
  idTokenAlg: string | null
}

export interface FederationSettings {
  /** Those described well, in the operator's order. */
  providers: ProviderSettings[]
  /** A sentence for each variable that keeps one out. */
  problems: string[]
}

type Source = Record<string, string | undefined>

const prefixOf = (id: string): string => `PROVIDER_${id.toUpperCase().replaceAll('-', '_')}_`

/** Reads PROVIDERS and what describes them. Never throws: what is wrong is told in `problems`. */
export function readFederation(names: string, source: Source): FederationSettings {
  const problems: string[] = []
  const ids = [...new Set(split(names))]
  const good = ids.filter((id) => {
    const named = /^[a-z][a-z0-9-]{0,30}$/.test(id)
    if (!named) {
      problems.push(
        'PROVIDERS must list names of small letters, digits and hyphens, such as google,github,acme.',
      )
    }
    return named
  })
  const prefixes = good.map(prefixOf)
  const providers = good.flatMap((id) => {
    const wrong: string[] = []
    const settled = readOne(id, source, prefixes, (sentence) => wrong.push(sentence))
    problems.push(...wrong)
    return settled && wrong.length === 0 ? [settled] : []
  })
  return { providers, problems }
}

/** The variables that are this provider's and no other's: PROVIDER_A_B_NAME is `a-b`'s where there is one. */
function own(
  source: Source,
  prefix: string,
  prefixes: string[],
  complain: (sentence: string) => void,
): Source {
  const found: Source = {}
  for (const [variable, value] of Object.entries(source)) {
    if (!variable.startsWith(prefix) || !value) continue
    if (prefixes.some((other) => other.length > prefix.length && variable.startsWith(other))) continue
    const name = variable.slice(prefix.length)
    const plain = name.replace(/_FILE$/, '')
    if (!(plain in settings.shape)) {
      complain(`${variable} is not known: a provider has ${PROVIDER_SETTINGS.join(', ')}.`)
    } else if (plain === name) found[plain] = value
    else {
      try {
        found[plain] ??= readFileSync(value, 'utf8').trim()
      } catch (error) {
        complain(`${variable} names a file that cannot be read: ${value} (${(error as Error).message}).`)
      }
    }
  }
  return found
}

function readOne(
  id: string,
  source: Source,
  prefixes: string[],
  complain: (sentence: string) => void,
): ProviderSettings | null {
  const prefix = prefixOf(id)
  const parsed = settings.safeParse(own(source, prefix, prefixes, complain))
  if (!parsed.success) {
    for (const issue of parsed.error.issues) complain(`${prefix}${issue.path.join('.')} ${issue.message}.`)
    return null
  }
  const raw = parsed.data
  const named = raw.TYPE ?? id
  const type = ALIASES[named] ?? named
  for (const name of NEEDED[type] ?? OF_NEXT_AUTH) {
    if (!raw[name]) complain(`${prefix}${name} is not set, but ${id} is in PROVIDERS and needs it.`)
  }
  for (const [name, types] of Object.entries(ONLY)) {
    if (raw[name as Name] && !types.includes(type)) {
      complain(`${prefix}${name} is for ${types.join(' and ')} only, and ${id} is of the type ${type}.`)
    }
  }
  const { TEAM_ID: teamId, KEY_ID: keyId, PRIVATE_KEY: privateKey } = raw
  const { AUTHORIZATION_URL: authorization, TOKEN_URL: token, USERINFO_URL: userinfo } = raw
  return {
    id,
    type,
    name: raw.NAME ?? NAMES[type] ?? null,
    clientId: raw.CLIENT_ID ?? '',
    clientSecret: raw.CLIENT_SECRET ?? '',
    issuer: raw.ISSUER ?? null,
    url: raw.URL?.replace(/\/+$/, '') ?? null,
    tenant: raw.TENANT ?? 'common',
    tenants: raw.TENANTS ?? null,
    apple: teamId && keyId && privateKey ? { teamId, keyId, privateKey } : null,
    endpoints: authorization && token && userinfo ? { authorization, token, userinfo } : null,
    scope: raw.SCOPE ?? null,
    signUp: raw.SIGN_UP,
    domains: raw.DOMAINS ?? null,
    trustEmail: raw.TRUST_EMAIL,
    map: raw.MAP ?? {},
    roles: raw.ROLES ?? null,
    keepTokens: raw.KEEP_TOKENS,
    pkce: raw.PKCE ?? null,
    tokenAuth: raw.TOKEN_AUTH ?? null,
    idTokenAlg: raw.ID_TOKEN_ALG ?? null,
  }
}
