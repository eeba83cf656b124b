/**
 * WebAuthn in the browser: one ceremony at a time, and what came of it as a value. Imported only when a
 * ceremony begins, so that no page carries it.
 */
import {
  browserSupportsWebAuthn,
  type PublicKeyCredentialCreationOptionsJSON,
  type PublicKeyCredentialRequestOptionsJSON,
  startAuthentication,
  startRegistration,
  WebAuthnError,
} from '@simplewebauthn/browser'

/** What the server asks the browser for. */
export type Ceremony =
  | { ceremony: 'create'; options: PublicKeyCredentialCreationOptionsJSON }
  | { ceremony: 'get'; options: PublicKeyCredentialRequestOptionsJSON }

/** Why a ceremony came to nothing, as far as browsers tell. `replaced`: another one began, nothing to say. */
export type Trouble = 'cancelled' | 'timed_out' | 'exists' | 'unsupported' | 'replaced' | 'failed'

export type Performed = { ok: true; credentialId: string; response: string } | { ok: false; trouble: Trouble }

/**
 * Asks for a credential. A ceremony that is under way ends as `replaced`.
 * @param quietly no dialog: a passkey from the autofill of a field, or one made along with the password
 *   that was just filled in (conditional mediation)
 * @returns the response as JSON, ready to be posted
 */
export async function perform(asked: Ceremony, quietly = false): Promise<Performed> {
  if (!browserSupportsWebAuthn()) return { ok: false, trouble: 'unsupported' }
  const beganAt = performance.now()
  try {
    const response =
      asked.ceremony === 'create'
        ? await startRegistration({ optionsJSON: asked.options, useAutoRegister: quietly })
        : await startAuthentication({ optionsJSON: asked.options, useBrowserAutofill: quietly })
    return { ok: true, credentialId: response.id, response: JSON.stringify(response) }
  } catch (error) {
    return { ok: false, trouble: troubleOf(error, performance.now() - beganAt, asked.options.timeout) }
  }
}

const TROUBLES: Partial<Record<WebAuthnError['code'], Trouble>> = {
  ERROR_CEREMONY_ABORTED: 'replaced',
  ERROR_AUTHENTICATOR_PREVIOUSLY_REGISTERED: 'exists',
  ERROR_AUTHENTICATOR_MISSING_DISCOVERABLE_CREDENTIAL_SUPPORT: 'unsupported',
  ERROR_AUTHENTICATOR_MISSING_USER_VERIFICATION_SUPPORT: 'unsupported',
  ERROR_AUTHENTICATOR_NO_SUPPORTED_PUBKEYCREDPARAMS_ALG: 'unsupported',
}

/** Browsers say `NotAllowedError` for "no" and for "too late" alike, so that pages learn nothing: the time tells. */
function troubleOf(error: unknown, tookMs: number, timeoutMs = Number.POSITIVE_INFINITY): Trouble {
  if (!(error instanceof WebAuthnError)) return 'failed'
  const known = TROUBLES[error.code]
  if (known) return known
  if (error.cause instanceof Error && error.cause.name === 'NotAllowedError')
    return tookMs >= timeoutMs ? 'timed_out' : 'cancelled'
  return 'failed'
}
