/**
 * The one import of `oidc-provider`. Its index module does nothing beyond these re-exports but print
 * "Unsupported runtime" below Node 22; the house supports Node 20, where our protocol tests run, so the
 * parts are imported directly. The version is pinned exactly; a test proves the paths.
 */

// The library calls it at run time; the first releases of Node 20 lack it.
URL.parse ??= (url, base) => (URL.canParse(url, base) ? new URL(url, base) : null)

export type {
  Adapter,
  AdapterPayload,
  Client,
  Configuration,
  errors as Errors,
  Grant,
  Interaction,
  KoaContextWithOIDC,
} from 'oidc-provider'
export * as errors from 'oidc-provider/lib/helpers/errors.js'
export * as policy from 'oidc-provider/lib/helpers/interaction_policy/index.js'
export { ExternalSigningKey } from 'oidc-provider/lib/helpers/keystore.js'
export { checkDpopReplay, default as validateDpop } from 'oidc-provider/lib/helpers/validate_dpop.js'
export { Provider } from 'oidc-provider/lib/provider.js'
