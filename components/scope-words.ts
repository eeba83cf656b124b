/** What an app may know, in words: scopes, and single claims. */
import { getLocale, getTranslations } from 'next-intl/server'
import type { ApiScope } from '@/lib/oidc'
import {
  circleUserRound,
  clock,
  type IconShape,
  idCard,
  keyRound,
  mail,
  mapPin,
  phone,
  plug,
  usersRound,
} from './ui/icons'

const SCOPES = {
  openid: idCard,
  profile: circleUserRound,
  email: mail,
  phone,
  roles: usersRound,
  address: mapPin,
  offline_access: clock,
} as const satisfies Record<string, IconShape>

const isKnown = (scope: string): scope is keyof typeof SCOPES => Object.hasOwn(SCOPES, scope)

const CLAIMS = [
  'name',
  'given_name',
  'family_name',
  'picture',
  'locale',
  'zoneinfo',
  'updated_at',
  'email',
  'email_verified',
  'phone_number',
  'phone_number_verified',
  'roles',
] as const

export interface ScopeWords {
  shape: IconShape
  title: string
  text: string
}

/**
 * Words for scopes of one app.
 * @param providers names of the other providers whose tokens may be asked for, by their ids
 * @param apis what the operator says of scopes of APIs
 */
export async function scopeWords(
  app: string,
  providers: Readonly<Record<string, string>> = {},
  apis: Readonly<Record<string, ApiScope>> = {},
): Promise<(scope: string) => ScopeWords> {
  const [locale, t] = await Promise.all([getLocale(), getTranslations('login')])
  const list = new Intl.ListFormat(locale, { type: 'conjunction' })
  return (scope) => {
    const api = Object.hasOwn(apis, scope) ? apis[scope] : undefined
    if (api)
      return {
        shape: plug,
        title: api.description ?? scope,
        text: t('scopes.api.text', { apis: list.format(api.apis) }),
      }
    const [, provider] = /^provider_tokens:(.+)$/.exec(scope) ?? []
    if (provider) {
      const values = { provider: providers[provider] ?? provider, app }
      const said = 'scopes.provider_tokens' as const
      return { shape: keyRound, title: t(`${said}.title`, values), text: t(`${said}.text`, values) }
    }
    return isKnown(scope)
      ? { shape: SCOPES[scope], title: t(`scopes.${scope}.title`), text: t(`scopes.${scope}.text`) }
      : { shape: keyRound, title: t('scopes.other.title', { scope }), text: t('scopes.other.text') }
  }
}

/** The name of a single claim; one that has no words says its own. */
export async function claimName(): Promise<(claim: string) => string> {
  const t = await getTranslations('account.apps')
  return (claim) => {
    const known = CLAIMS.find((name) => name === claim)
    return known ? t(`claims.${known}`) : claim
  }
}
