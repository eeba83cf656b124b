'use client'

import { useEffect, useRef } from 'react'

/**
 * A hidden field `canPasskey`: `1` where this device can make passkeys of its own, `0` where the browser knows
 * nothing of them. Empty in between (a key could be plugged in), and without script.
 */
export function CanPasskey() {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    const say = (value: string) => {
      if (input.current) input.current.value = value
    }
    const able = window.PublicKeyCredential
    if (!able) say('0')
    else able.isUserVerifyingPlatformAuthenticatorAvailable?.().then((can) => say(can ? '1' : ''))
  }, [])
  return <input ref={input} type="hidden" name="canPasskey" defaultValue="" />
}
