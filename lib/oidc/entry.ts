/** Who may enter an app: everybody, or people of some roles and of some e-mail domains alone (decision 101). Pure. */
import type { Memberships } from '../users'
import type { ClientSettings } from './store-registry'

type Rules = Pick<ClientSettings, 'entryRoles' | 'entryDomains'>

/** What somebody has none of: the roles, or the domains, that an app lets in. */
export type EntryLack = 'role' | 'domain'

const BELOW = '*.'

/**
 * Whether a domain is the one that a rule names or, by a rule such as `*.example.com`, one below it. Of another rule:
 * whether all that it lets in is let in already.
 */
export const covers = (rule: string, domain: string): boolean =>
  rule === domain || (rule.startsWith(BELOW) && domain.endsWith(rule.slice(1)))

/** A rule's domain, for whoever judges its spelling. */
export const domainIn = (rule: string): string => (rule.startsWith(BELOW) ? rule.slice(BELOW.length) : rule)

/** Whether an app lets in some people only. Guests have no address and no role of anybody's: they are not among them. */
export const isRestricted = ({ entryRoles = [], entryDomains = [] }: Rules): boolean =>
  entryRoles.length > 0 || entryDomains.length > 0

/**
 * What a person lacks to enter; [] for who may. One role of those named will do and one proven address, and where both
 * are named it takes one of each.
 * @param person null: somebody without an account
 */
export function entryLacks(
  { entryRoles = [], entryDomains = [] }: Rules,
  person: Memberships | null,
): EntryLack[] {
  const { roles = [], domains = [] } = person ?? {}
  const lacks: EntryLack[] = []
  if (entryRoles.length > 0 && !entryRoles.some((role) => roles.includes(role))) lacks.push('role')
  if (entryDomains.length > 0 && !entryDomains.some((rule) => domains.some((domain) => covers(rule, domain))))
    lacks.push('domain')
  return lacks
}

/** Whether what somebody lost is something that an app goes by. */
export const wentBy = (
  { entryRoles = [], entryDomains = [] }: Rules,
  { roles, domains }: Memberships,
): boolean =>
  entryRoles.some((role) => roles.includes(role)) ||
  entryDomains.some((rule) => domains.some((domain) => covers(rule, domain)))

/**
 * Whether rules let anybody in whom those before kept out.
 * @param covered whether a rule lets in all that another one does
 */
export const letsInMore = (
  before: readonly string[],
  after: readonly string[],
  covered: (rule: string, other: string) => boolean = (rule, other) => rule === other,
): boolean =>
  before.length > 0 &&
  (after.length === 0 || after.some((other) => !before.some((rule) => covered(rule, other))))

/** Why, in words for operators and developers: what would have been needed, never what the person has. */
export function entryWhy({ entryRoles = [], entryDomains = [] }: Rules, lacks: readonly EntryLack[]): string {
  const said = {
    role: `none of the roles ${entryRoles.join(', ')}`,
    domain: `no proven address at ${entryDomains.join(', ')}`,
  }
  return `the person has ${lacks.map((lack) => said[lack]).join('; ')}`
}
