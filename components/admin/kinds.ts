import type { ClientView, NewClient } from '@/lib/oidc'

/** Kinds of apps that people register, and what each begins with. */
export const KINDS = {
  web: {},
  spa: { authMethod: 'none' },
  native: { authMethod: 'none', native: true },
  machine: { grants: ['client_credentials'] },
  api: { grants: [], personalTokens: true },
} as const satisfies Record<string, Partial<NewClient>>

export type Kind = keyof typeof KINDS

/** What an app is, by what it is registered with. */
export function kindOf({ authMethod, grants, native }: ClientView): Kind {
  if (native || grants.includes('device_code')) return 'native'
  if (grants.length === 0) return 'api'
  if (!grants.includes('authorization_code')) return 'machine'
  return authMethod === 'none' ? 'spa' : 'web'
}

export const adminAppHref = (clientId: string): string => `/admin/apps/${encodeURIComponent(clientId)}`
