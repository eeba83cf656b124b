/**
 * The portal's own API for managing apps, as an API that tokens are made for, and what whoever registers apps may give
 * them. Pure.
 */
import { isDeepStrictEqual } from 'node:util'
import { env } from '../base/env'
import type { CheckedClient, NewReach } from './client-metadata'
import { covers, letsInMore } from './entry'
import { demands } from './levels'
import type { ClientRow } from './store-registry'
import type { ResourceRow } from './store-resources'

/** What may be allowed at the management API. An app that has them acts for itself: no person can allow them. */
export const MANAGEMENT_SCOPES = [
  { name: 'clients:read', description: 'Read how apps are registered' },
  { name: 'clients:write', description: 'Register apps and change them' },
  {
    name: 'clients:trust',
    description: 'Give apps what nobody is asked about: no consent page, APIs, others’ tokens',
  },
] as const
export type ManagementScope = (typeof MANAGEMENT_SCOPES)[number]['name']

/** Its address, which tokens for it name as their audience. */
export const managementId = (): string => `${env().url}/api/admin`

/** A name that only the management API may have. */
export const isManagementScope = (name: string): name is ManagementScope =>
  MANAGEMENT_SCOPES.some((scope) => scope.name === name)

/** It is there without anybody registering it. Opaque tokens: each use asks here, so what is taken back is gone at once. */
export const managementApi = (): ResourceRow => ({
  id: managementId(),
  name: `${env().productName} management`,
  scopes: [...MANAGEMENT_SCOPES],
  format: 'opaque',
  algorithm: 'ES256',
  open: false,
  lifetimeSeconds: 600,
  createdAt: new Date(0),
})

/**
 * Who registers or changes an app: the operator at the command line, an administrator in the browser (and whatever else
 * the house does), or another app at the management API, with `clients:trust` or without.
 */
export type Hand = 'command_line' | 'administrator' | 'trusting_app' | 'app'

const isApp = (hand: Hand): boolean => hand === 'app' || hand === 'trusting_app'

/** What somebody may not do with an app: by which field, and why. */
export interface Denied {
  field: string
  message: string
  /** It is a matter of rights, not of what was said. */
  rights: boolean
}

const denied = (field: string, message: string, rights = false): Denied => ({
  field,
  message: `${field}: ${message}`,
  rights,
})

/** Whether an app may manage apps. */
export const manages = ({ settings }: Pick<ClientRow, 'settings'>): boolean =>
  Object.hasOwn(settings.resources ?? {}, managementId())

/** Whether an app has anything that only `clients:trust` gives. */
const isTrusted = ({ firstParty, settings }: ClientRow): boolean =>
  firstParty ||
  settings.personalTokens === true ||
  settings.guests === true ||
  settings.brand !== undefined ||
  [
    settings.resources ?? {},
    settings.serves ?? [],
    settings.providerTokens ?? [],
    settings.claims ?? [],
  ].some((all) => Object.keys(all).length > 0)

/**
 * Whether this app is out of reach of whoever asks. Apps that manage apps are changed by people alone: else one of them
 * could take another's place by a secret or a key of its own making.
 */
export function outOfReach(row: ClientRow, hand: Hand): Denied | null {
  if (!isApp(hand)) return null
  if (manages(row))
    return denied('clientId', 'an app that manages apps is changed by an operator alone', true)
  if (hand === 'app' && isTrusted(row))
    return denied(
      'clientId',
      'an app that has APIs, claims or no consent page is changed with clients:trust alone',
      true,
    )
  return null
}

const newIn = (before: readonly string[] | undefined, after: readonly string[]): boolean =>
  after.some((one) => !before?.includes(one))

function reachesMore(before: readonly NewReach[], after: readonly NewReach[]): boolean {
  return after.some(({ resource, scopes }) => {
    const had = before.find((one) => one.resource === resource)
    if (!had) return true
    return had.scopes?.length ? !scopes?.length || newIn(had.scopes, scopes) : false
  })
}

const longer = (before: number | undefined, after: number | undefined): boolean =>
  before !== undefined && (after === undefined || after > before)

/** How well an app proves itself: by nothing, by what it and we know, by what it alone has. */
const proof = (method: string): number =>
  method === 'none' ? 0 : method.startsWith('client_secret_') ? 1 : 2

type Judged = Omit<CheckedClient, 'clientId'>

/** What our pages say and wear in an app's name: an operator vouches for it, or whoever has that trust. */
const said =
  (name: 'brandColor' | 'welcomeEn' | 'welcomeDe' | 'supportUri') => (before: Judged | null, after: Judged) =>
    Boolean(after[name]) && after[name] !== before?.[name]

/** By which fields an app gets more than it had (or, new, than apps have): nobody is asked about them. */
const RAISED: Partial<Record<keyof Judged, (before: Judged | null, after: Judged) => boolean>> = {
  firstParty: (before, after) => after.firstParty && !before?.firstParty,
  authMethod: (before, after) => before !== null && proof(after.authMethod) < proof(before.authMethod),
  signedRequests: (before, after) => before?.signedRequests === true && !after.signedRequests,
  idTokenEncryption: (before, after) => Boolean(before?.idTokenEncryption) && !after.idTokenEncryption,
  userinfoEncryption: (before, after) => Boolean(before?.userinfoEncryption) && !after.userinfoEncryption,
  pkce: (before, after) => !after.pkce && (before?.pkce ?? true),
  certificateBound: (before, after) => before?.certificateBound === true && !after.certificateBound,
  security: (before, after) => before !== null && !demands(after.security, before.security),
  acr: (before, after) => before?.acr === 'aal2' && after.acr !== 'aal2',
  guests: (before, after) => after.guests && !before?.guests,
  claims: (before, after) =>
    after.claims.some((claim) => !before?.claims.some((had) => isDeepStrictEqual(had, claim))),
  entryRoles: (before, after) => letsInMore(before?.entryRoles ?? [], after.entryRoles),
  entryDomains: (before, after) => letsInMore(before?.entryDomains ?? [], after.entryDomains, covers),
  personalTokens: (before, after) => after.personalTokens && !before?.personalTokens,
  providerTokens: (before, after) => newIn(before?.providerTokens, after.providerTokens),
  serves: (before, after) => newIn(before?.serves, after.serves),
  resources: (before, after) => reachesMore(before?.resources ?? [], after.resources),
  brandColor: said('brandColor'),
  welcomeEn: said('welcomeEn'),
  welcomeDe: said('welcomeDe'),
  supportUri: said('supportUri'),
  sessionIdleMinutes: (before, after) => longer(before?.sessionIdleMinutes, after.sessionIdleMinutes),
  sessionMaxMinutes: (before, after) => longer(before?.sessionMaxMinutes, after.sessionMaxMinutes),
}

const management = (client: Judged | null): NewReach | undefined =>
  client?.resources.find(({ resource }) => resource === managementId())

/**
 * Why an app cannot be registered like that, by whoever asks. Without it an app that manages apps could make itself, or
 * one of its own making, more than the operator made it.
 * @param before as it is; null: it is new
 */
export function denial(before: Judged | null, after: Judged, hand: Hand): Denied | null {
  if (after.serves.includes(managementId()))
    return denied('serves', 'the management API is the portal itself')
  const [had, has] = [management(before), management(after)]
  if (has) {
    if (!has.scopes?.length || !has.scopes.every(isManagementScope)) {
      const names = MANAGEMENT_SCOPES.map(({ name }) => name).join(', ')
      return denied('resources', `name what the app may do at the management API (${names})`)
    }
    if (!after.grants.includes('client_credentials'))
      return denied(
        'resources',
        'the management API is for apps that act for themselves (client_credentials)',
      )
    if (hand !== 'command_line' && newIn(had?.scopes, has.scopes))
      return denied(
        'resources',
        'the management API is given at the command line alone (gatehouse client update)',
        true,
      )
  }
  if (hand !== 'app') return null
  const raised = Object.entries(RAISED).find(([, raises]) => raises(before, after))?.[0]
  return raised ? denied(raised, 'is given with clients:trust alone', true) : null
}

/** What holds an app back, as an app has it that was just registered. */
const UNLIMITED = {
  acr: 'aal1',
  security: 'standard',
  certificateBound: false,
  signedRequests: false,
  idTokenEncryption: undefined,
  userinfoEncryption: undefined,
  entryRoles: [],
  entryDomains: [],
  sessionIdleMinutes: undefined,
  sessionMaxMinutes: undefined,
} satisfies Partial<Judged>

/**
 * Why an app cannot be removed by whoever asks: its name could be registered anew without what holds it back, which is a
 * change that they may not make.
 */
export function removalDenial(app: Judged, hand: Hand): Denied | null {
  const loosened = denial(app, { ...app, ...UNLIMITED }, hand)
  if (!loosened) return null
  const message = `what limits it (${loosened.field}) would be gone with it, so it is removed with clients:trust alone; it can be switched off`
  return denied('clientId', message, true)
}
