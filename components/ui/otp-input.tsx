'use client'

import { type ComponentProps, useEffect, useRef } from 'react'

const tidy = (input: HTMLInputElement) => {
  const digits = input.value.replace(/\D/g, '').slice(0, 6)
  if (digits !== input.value) input.value = digits
}

/**
 * A 6-digit code in ONE input, drawn as six boxes. "123 456" and "123-456" can be pasted.
 * Without script the field takes the same characters and the server drops what is no digit.
 */
export function OtpInput(props: Omit<ComponentProps<'input'>, 'type'>) {
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => {
    if (input.current) tidy(input.current)
  }, [])
  return (
    <div className="otp-room">
      <div className="otp">
        <span />
        <span />
        <span />
        <span />
        <span />
        <span />
        <input
          ref={input}
          type="text"
          inputMode="numeric"
          autoComplete="one-time-code"
          autoCapitalize="none"
          autoCorrect="off"
          spellCheck={false}
          enterKeyHint="go"
          maxLength={16}
          pattern="[^0-9]*([0-9][^0-9]*){6}"
          onInput={(event) => tidy(event.currentTarget)}
          {...props}
        />
      </div>
    </div>
  )
}
