/** What each scope holds (OpenID Connect Core sections 5.1 and 5.4), for the library and for our consent page. */
export const CLAIMS = {
  openid: ['sub', 'acr', 'amr', 'auth_time', 'is_anonymous'],
  profile: ['name', 'given_name', 'family_name', 'picture', 'locale', 'zoneinfo', 'updated_at'],
  email: ['email', 'email_verified'],
  phone: ['phone_number', 'phone_number_verified'],
  roles: ['roles'],
  acr: null,
  amr: null,
  auth_time: null,
  sid: null,
  iss: null,
}

const PROVIDER_TOKENS = 'provider_tokens:'

/** The scope by which a person lets an app have their tokens of one other provider. */
export const providerTokensScope = (provider: string): string => PROVIDER_TOKENS + provider

/** Tokens of somewhere else: never granted without the person's word, whoever asks. */
export const isProviderTokensScope = (scope: string): boolean => scope.startsWith(PROVIDER_TOKENS)

/** Scopes under which each single claim is known, for the claims parameter (Core section 5.5). */
export const SCOPE_OF_CLAIM: ReadonlyMap<string, string> = new Map(
  (['profile', 'email', 'phone', 'roles'] as const).flatMap((scope) =>
    CLAIMS[scope].map((claim) => [claim, scope] as const),
  ),
)
