// The package has no exports map, and @types cover only its front door; library.ts says why we go past it.
declare module 'oidc-provider/lib/provider.js' {
  export { default as Provider } from 'oidc-provider'
}
declare module 'oidc-provider/lib/helpers/errors.js' {
  import { errors } from 'oidc-provider'
  export import AccessDenied = errors.AccessDenied
  export import CustomOIDCProviderError = errors.CustomOIDCProviderError
  export import InvalidClient = errors.InvalidClient
  export import InvalidClientAuth = errors.InvalidClientAuth
  export import InvalidClientMetadata = errors.InvalidClientMetadata
  export import InvalidGrant = errors.InvalidGrant
  export import InvalidRedirectUri = errors.InvalidRedirectUri
  export import InvalidRequest = errors.InvalidRequest
  export import InvalidRequestUri = errors.InvalidRequestUri
  export import InvalidScope = errors.InvalidScope
  export import InvalidTarget = errors.InvalidTarget
  export import InvalidToken = errors.InvalidToken
  export import LoginRequired = errors.LoginRequired
  export import OIDCProviderError = errors.OIDCProviderError
  export import SessionNotFound = errors.SessionNotFound
  export import SlowDown = errors.SlowDown
  export import UnmetAuthenticationRequirements = errors.UnmetAuthenticationRequirements
}
declare module 'oidc-provider/lib/helpers/interaction_policy/index.js' {
  import { interactionPolicy } from 'oidc-provider'
  export import Check = interactionPolicy.Check
  export import Prompt = interactionPolicy.Prompt
  export const base: typeof interactionPolicy.base
}
declare module 'oidc-provider/lib/helpers/keystore.js' {
  export { ExternalSigningKey } from 'oidc-provider'
}
declare module 'oidc-provider/lib/helpers/validate_dpop.js' {
  import type { errors, KoaContextWithOIDC, Provider } from 'oidc-provider'

  interface Proof {
    thumbprint: string
    jti: string
    iat: number
  }
  /** Undefined where none was shown. */
  export default function validateDpop(
    provider: Provider,
    ctx: KoaContextWithOIDC,
    accessToken?: string,
  ): Promise<Proof | undefined>
  export function checkDpopReplay(
    provider: Provider,
    ctx: KoaContextWithOIDC,
    proof: Proof,
    clientId: string,
    ErrorClass: new (description: string) => errors.OIDCProviderError,
  ): Promise<void>
}
