/** What the hosted pages wear and say in the name of the app that waits. */
import type { ClientFace } from '@/lib/oidc'

export type Brand = Pick<
  ClientFace,
  'name' | 'brandColor' | 'welcome' | 'policyUri' | 'tosUri' | 'supportUri'
>

/** Only what somebody vouched for: an app that registered itself could else lead people away from our own pages. */
export function brandOf({
  registered,
  name,
  brandColor,
  welcome,
  supportUri,
  policyUri,
  tosUri,
}: Brand & Pick<ClientFace, 'registered'>): Brand {
  const vouched = registered === null || registered === 'token'
  return {
    name,
    brandColor,
    welcome,
    supportUri,
    policyUri: vouched ? policyUri : null,
    tosUri: vouched ? tosUri : null,
  }
}
