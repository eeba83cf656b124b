'use client'

import { useEffect, useRef } from 'react'

/** A hidden field `canPasskey`: `1` where this device can make passkeys of its own. Empty without script. */
export function CanPasskey() {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    window.PublicKeyCredential?.isUserVerifyingPlatformAuthenticatorAvailable?.().then((can) => {
      if (input.current && can) input.current.value = '1'
    })
  }, [])
  return <input ref={input} type="hidden" name="canPasskey" defaultValue="" />
}
