import { getLocale, getTranslations } from 'next-intl/server'
import type { SessionApp } from '@/lib/oidc'

const NAMED = 3
const ACTIVE_MS = 120_000

/** "Photos, Mail and Notes", the rest as a number. */
export async function appNames(apps: readonly Pick<SessionApp, 'clientId' | 'name'>[]): Promise<string> {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('account.devices')])
  const names = [...new Map(apps.map(({ clientId, name }) => [clientId, name])).values()]
  const rest = names.length - NAMED
  // One more by name takes no more room than its number.
  const shown = rest > 1 ? [...names.slice(0, NAMED), t('apps_more', { count: rest })] : names
  return new Intl.ListFormat(locale, { type: 'conjunction' }).format(shown)
}

/** Used within the last two minutes: activity is written once a minute. */
export const isActive = (at: Date, now: number): boolean => now - at.getTime() < ACTIVE_MS
