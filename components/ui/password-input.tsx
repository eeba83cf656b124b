'use client'

import { type ComponentProps, type ReactNode, useRef, useState } from 'react'
import { cx } from './cx'

export interface PasswordInputProps extends Omit<ComponentProps<'input'>, 'type'> {
  showLabel: string
  hideLabel: string
  showIcon: ReactNode
  hideIcon: ReactNode
}

/**
 * A password field with a button to see what was typed. Without script it is a plain field.
 * Icons and words come from the server, so that neither is in the script.
 */
export function PasswordInput({
  showLabel,
  hideLabel,
  showIcon,
  hideIcon,
  className,
  ...props
}: PasswordInputProps) {
  const input = useRef<HTMLInputElement>(null)
  const [shown, setShown] = useState(false)
  return (
    <div className="relative">
      <input
        ref={input}
        type={shown ? 'text' : 'password'}
        autoCapitalize="none"
        autoCorrect="off"
        spellCheck={false}
        maxLength={1024}
        className={cx('control pr-12', className)}
        {...props}
      />
      <button
        type="button"
        className="needs-script absolute inset-y-0 right-0 grid w-11 place-items-center rounded-control text-ink-3 hover:text-ink focus-visible:-outline-offset-4"
        aria-pressed={shown}
        aria-label={showLabel}
        title={shown ? hideLabel : showLabel}
        aria-controls={props.id}
        onClick={() => {
          setShown(!shown)
          input.current?.focus()
        }}
      >
        {shown ? hideIcon : showIcon}
      </button>
    </div>
  )
}
