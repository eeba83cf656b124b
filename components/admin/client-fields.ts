/**
 * What an app is registered with, as the forms of the administration show it: every field that can be changed, by the
 * name that the registration has for it, and how it is typed. The command line has the same (`client update`); a test
 * says so of both.
 */
import type { ClientChanges, ClientView } from '@/lib/oidc'

export const CHOICES = {
  authMethod: [
    'client_secret_basic',
    'client_secret_post',
    'private_key_jwt',
    'tls_client_auth',
    'self_signed_tls_client_auth',
    'none',
  ],
  security: ['standard', 'par', 'dpop', 'fapi2'],
  acr: ['aal1', 'aal2'],
  idTokenAlg: ['ES256', 'RS256', 'EdDSA'],
  idTokenEncryption: ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'],
  userinfoEncryption: ['ECDH-ES', 'ECDH-ES+A256KW', 'RSA-OAEP-256'],
  introspectionAlg: ['ES256', 'RS256', 'EdDSA'],
} as const satisfies { [Name in keyof ClientChanges]?: readonly ClientChanges[Name][] }

/** Grants are ticked one by one, each by a name of its own. */
export const GRANT_FIELDS = {
  authorizationCode: 'authorization_code',
  refreshToken: 'refresh_token',
  clientCredentials: 'client_credentials',
  deviceCode: 'device_code',
} as const satisfies Record<string, NonNullable<ClientChanges['grants']>[number]>

export type GrantField = keyof typeof GRANT_FIELDS
export const GRANT_NAMES = Object.keys(GRANT_FIELDS) as GrantField[]

/**
 * How a field is typed: `lines` one thing a line, `names` with commas, `reach` an API and its scopes a line, `json` as
 * it stands in a file, `code` a line of it, `perhaps` a choice or none. What is left empty is taken away.
 */
export type Kind =
  | 'text'
  | 'line'
  | 'color'
  | 'url'
  | 'lines'
  | 'names'
  | 'reach'
  | 'json'
  | 'code'
  | 'yes'
  | 'choice'
  | 'perhaps'
  | 'minutes'
  | 'grants'

export const SECTIONS = {
  people: {
    name: 'text',
    firstParty: 'yes',
    logoUri: 'url',
    clientUri: 'url',
    policyUri: 'url',
    tosUri: 'url',
    supportUri: 'url',
  },
  brand: { brandColor: 'color', welcomeEn: 'line', welcomeDe: 'line' },
  addresses: { redirectUris: 'lines', native: 'yes', postLogoutRedirectUris: 'lines' },
  proof: {
    authMethod: 'choice',
    jwksUri: 'url',
    jwks: 'json',
    certificateSubject: 'code',
    certificateBound: 'yes',
    security: 'choice',
    pkce: 'yes',
    signedRequests: 'yes',
  },
  sign_ins: {
    acr: 'choice',
    guests: 'yes',
    entryRoles: 'names',
    entryDomains: 'names',
    sessionIdleMinutes: 'minutes',
    sessionMaxMinutes: 'minutes',
  },
  tokens: {
    grants: 'grants',
    idTokenAlg: 'choice',
    idTokenEncryption: 'perhaps',
    userinfoEncryption: 'perhaps',
    introspectionAlg: 'choice',
    claimsInIdToken: 'yes',
    resources: 'reach',
    serves: 'lines',
    personalTokens: 'yes',
    providerTokens: 'names',
    testClient: 'yes',
  },
  sign_outs: {
    backchannelLogoutUri: 'url',
    backchannelLogoutSessionRequired: 'yes',
    frontchannelLogoutUri: 'url',
    frontchannelLogoutSessionRequired: 'yes',
  },
} as const satisfies Record<string, { [Name in keyof ClientChanges]?: Kind }>

export type Section = keyof typeof SECTIONS
type InSections = { [S in Section]: keyof (typeof SECTIONS)[S] }[Section]
export type FieldName = Extract<InSections, keyof ClientChanges>

export const SECTION_NAMES = Object.keys(SECTIONS) as Section[]
export const fieldsOf = (section: Section) => Object.entries(SECTIONS[section]) as [FieldName, Kind][]
export const FIELDS: readonly [FieldName, Kind][] = SECTION_NAMES.flatMap(fieldsOf)

/** Fields that an app can have and no form has: there is none, or this does not compile. Claims have a page of their own. */
const FORGOTTEN: Record<Exclude<keyof ClientChanges, FieldName | 'claims'>, never> = {}
void FORGOTTEN

type Values = Record<string, string>

/** What the form says of an app as it is: what is not ticked is not there. */
export function valuesOf(client: ClientView): Values {
  const values: Values = {}
  for (const [name, kind] of FIELDS) {
    const value: unknown = client[name]
    if (kind === 'grants') {
      for (const field of GRANT_NAMES) if (client.grants.includes(GRANT_FIELDS[field])) values[field] = 'on'
    } else if (kind === 'yes') {
      if (value) values[name] = 'on'
    } else values[name] = written(kind, value)
  }
  return values
}

function written(kind: Kind, value: unknown): string {
  if (value === null || value === undefined) return ''
  if (kind === 'lines') return (value as string[]).join('\n')
  if (kind === 'names') return (value as string[]).join(', ')
  if (kind === 'json') return JSON.stringify(value, null, 2)
  if (kind === 'reach')
    return (value as ClientView['resources'])
      .map(({ resource, scopes }) => [resource, ...(scopes ?? [])].join(' '))
      .join('\n')
  return String(value)
}

/** One thing a line. */
export const lines = (value: string): string[] =>
  value
    .split(/[\r\n]+/)
    .map((line) => line.trim())
    .filter(Boolean)

/**
 * What was typed, as changes of an app: of what was left as the form showed it, and of what was not sent, nothing is said.
 * @param had the app as it is
 * @param can which fields the form had: what is not ticked is not sent either
 * @returns the field that cannot be read at all, with its kind, in place of changes
 */
export function changesOf(
  typed: Partial<Values>,
  had: ClientView,
  can: (name: FieldName) => boolean = () => true,
): { changes: ClientChanges } | { unreadable: FieldName } {
  const shown = valuesOf(had)
  const changes: Record<string, unknown> = {}
  for (const [name, kind] of FIELDS) {
    const isTicked = kind === 'yes' || kind === 'grants'
    if (!can(name) || (!isTicked && typed[name] === undefined)) continue
    try {
      const said = readField(name, kind, typed)
      if (JSON.stringify(said) !== JSON.stringify(readField(name, kind, shown))) changes[name] = said
    } catch {
      return { unreadable: name }
    }
  }
  return { changes: changes as ClientChanges }
}

/** @throws SyntaxError for JSON that is none */
function readField(name: FieldName, kind: Kind, values: Partial<Values>): unknown {
  const value = values[name]?.trim() ?? ''
  if (kind === 'json') return value ? JSON.parse(value) : null
  if (kind === 'grants')
    return GRANT_NAMES.filter((field) => values[field]).map((field) => GRANT_FIELDS[field])
  return read(kind, value)
}

function read(kind: Exclude<Kind, 'json' | 'grants'>, value: string): unknown {
  switch (kind) {
    case 'yes':
      return value === 'on'
    case 'lines':
      return lines(value)
    case 'names':
      return value.split(/[\s,]+/).filter(Boolean)
    case 'reach':
      return lines(value).map((line) => {
        const [resource = '', ...scopes] = line.split(/\s+/)
        return { resource, ...(scopes.length > 0 && { scopes }) }
      })
    case 'minutes':
      return value ? Number(value) : null
    case 'url':
    case 'line':
    case 'code':
    case 'color':
    case 'perhaps':
      return value || null
    default:
      return value
  }
}
