import * as federation from '../federation'

/** The provider's name; its id where it is no longer configured. */
export const providerName = (id: string): string => federation.provider(id)?.name ?? id

/** What people call a linked account: the provider, and whose it is there. */
export function nameOf({
  provider,
  email,
  displayName,
}: Pick<federation.AccountView, 'provider' | 'email' | 'displayName'>): string {
  const name = providerName(provider)
  const whose = email ?? displayName
  return whose ? `${name} (${whose})` : name
}
