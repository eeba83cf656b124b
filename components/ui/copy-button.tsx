'use client'

import { type ReactNode, useState } from 'react'
import { type ButtonStyle, buttonClass } from './button'

interface Props extends ButtonStyle {
  text: string
  label: string
  copiedLabel: string
  icon: ReactNode
  copiedIcon: ReactNode
}

/** Puts a text on the clipboard and says that it did. Not shown without script: the text can be selected. */
export function CopyButton({
  text,
  label,
  copiedLabel,
  icon,
  copiedIcon,
  look = 'secondary',
  size = 'sm',
}: Props) {
  const [copied, setCopied] = useState(false)
  return (
    <button
      type="button"
      className={buttonClass({ look, size }, 'needs-script')}
      onClick={async () => {
        await navigator.clipboard.writeText(text)
        setCopied(true)
        setTimeout(() => setCopied(false), 2500)
      }}
    >
      {copied ? copiedIcon : icon}
      <span aria-live="polite">{copied ? copiedLabel : label}</span>
    </button>
  )
}
