'use client'

import { useEffect } from 'react'

export interface PasskeySignals {
  rpId: string
  /** The WebAuthn user handle, base64url. */
  userId: string
  /** Every credential that still counts, base64url. */
  credentialIds: string[]
  name: string
  displayName: string
}

type Signals = {
  signalAllAcceptedCredentials?: (options: {
    rpId: string
    userId: string
    allAcceptedCredentialIds: string[]
  }) => Promise<void>
  signalCurrentUserDetails?: (options: {
    rpId: string
    userId: string
    name: string
    displayName: string
  }) => Promise<void>
}

/**
 * Tells the browser which passkeys still count and what their account is called now, so that it offers no
 * removed one (WebAuthn Level 3 section 5.1.10). Draws nothing; browsers without the Signal API miss nothing.
 */
export function SignalPasskeys({ rpId, userId, credentialIds, name, displayName }: PasskeySignals) {
  const allAcceptedCredentialIds = credentialIds.join(' ')
  useEffect(() => {
    if (typeof PublicKeyCredential === 'undefined') return
    const signals = PublicKeyCredential as unknown as Signals
    const accepted = allAcceptedCredentialIds.split(' ').filter(Boolean)
    // A browser that will not listen is told again at the next visit.
    const quiet = () => undefined
    signals.signalAllAcceptedCredentials?.({ rpId, userId, allAcceptedCredentialIds: accepted }).catch(quiet)
    signals.signalCurrentUserDetails?.({ rpId, userId, name, displayName }).catch(quiet)
  }, [rpId, userId, allAcceptedCredentialIds, name, displayName])
  return null
}
