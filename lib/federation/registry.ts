/** The providers that are configured and good, and the sentences about those that are not. */
import { createRequire } from 'node:module'
import type { OAuthConfig } from 'next-auth/providers/oauth'
import { env, type FederationSettings, type ProviderSettings } from '../base/env'
import type { ProviderView } from './types'

const require = createRequire(import.meta.url)

/** Claims or an API's answer, as the provider gave them. */
export type Claims = Record<string, unknown>

/** A provider as next-auth's catalogue has it. */
export type Entry = OAuthConfig<Claims>

/** Kinds that have more to them here than in the catalogue. */
const OURS = ['google', 'github', 'microsoft', 'apple', 'oidc', 'oauth']
const OF_MODULE: Record<string, string> = { microsoft: 'azure-ad' }

type Module = (options: object) => unknown

/**
 * The catalogue's entry of a type, filled in with what the operator gave; null when next-auth has none that is OAuth 2.
 * Nothing is asked of the provider.
 */
export function catalogue(settings: ProviderSettings): Entry | null {
  let loaded: { default?: Module }
  try {
    loaded = require(`next-auth/providers/${OF_MODULE[settings.type] ?? settings.type}`)
  } catch {
    return null
  }
  const { clientId, clientSecret, issuer, tenant } = settings
  const entry = loaded.default?.({
    clientId,
    clientSecret,
    ...(issuer ? { issuer } : {}),
    ...(settings.type === 'microsoft' ? { tenantId: tenant } : {}),
    // X has an OAuth 1 of old beside its OAuth 2.
    ...(settings.type === 'twitter' ? { version: '2.0' } : {}),
  }) as Entry | undefined
  if (entry?.type !== 'oauth' || entry.version?.startsWith('1.')) return null
  return entry
}

export interface Good {
  settings: ProviderSettings
  view: ProviderView
}

/** A catalogue's entry that lacks an address (`undefined/.well-known/…`) asks for PROVIDER_…_ISSUER. */
const lacksIssuer = (entry: Entry): boolean =>
  [entry.wellKnown, entry.issuer, entry.authorization, entry.token, entry.userinfo]
    .map((place) => (typeof place === 'string' ? place : (place as { url?: string } | undefined)?.url))
    .some((place) => place?.includes('undefined'))

function judge(settings: ProviderSettings): Good | string {
  const { id, type, name, signUp, keepTokens } = settings
  const prefix = `PROVIDER_${id.toUpperCase().replaceAll('-', '_')}_`
  const generic = type === 'oidc' || type === 'oauth'
  const view = { id, brand: generic ? null : type, signUp, keepsTokens: keepTokens }
  if (OURS.includes(type)) {
    const kind = type === 'github' || type === 'oauth' ? 'oauth' : 'oidc'
    const logout = type === 'oidc' || type === 'microsoft'
    return { settings, view: { ...view, name: name ?? id, kind, logout } }
  }
  const entry = catalogue(settings)
  if (!entry) {
    return `${prefix}TYPE must be google, github, microsoft, apple, oidc, oauth or a provider that next-auth has, and ${type} is none.`
  }
  if (lacksIssuer(entry))
    return `${prefix}ISSUER is not set, but ${type} is at a place of its own and needs it.`
  const kind = entry.wellKnown || entry.idToken ? 'oidc' : 'oauth'
  return { settings, view: { ...view, name: name ?? entry.name, kind, logout: Boolean(entry.wellKnown) } }
}

let judged: { of: FederationSettings; good: Good[]; wrong: string[] } | null = null

function all(): { good: Good[]; wrong: string[] } {
  const of = env().federation
  if (judged?.of !== of) {
    const verdicts = of.providers.map(judge)
    judged = {
      of,
      good: verdicts.filter((one) => typeof one !== 'string'),
      wrong: verdicts.filter((one) => typeof one === 'string'),
    }
  }
  return judged
}

/** Those that people may sign in with, in the operator's order. */
export const providers = (): ProviderView[] => all().good.map(({ view }) => view)

/** One of them; null when it is not configured, or not well. */
export const provider = (id: string): ProviderView | null => good(id)?.view ?? null

/** The same with all that the room knows of it. */
export const good = (id: string): Good | null => all().good.find(({ view }) => view.id === id) ?? null

/** One sentence for each variable that keeps a provider out. It keeps no other out. */
export const problems = (): string[] => [...env().federation.problems, ...all().wrong]
