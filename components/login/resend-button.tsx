'use client'

import { useSecondsLeft } from '../ui/countdown'

interface Props {
  /** Milliseconds since the epoch, both by the server's clock. */
  until: number
  serverNow: number
  label: string
  /** With `{seconds}` where the number goes. */
  waitingLabel: string
}

/** Asks for a new code; counts down until that makes sense. Without script it can be pressed: the server decides. */
export function ResendButton({ until, serverNow, label, waitingLabel }: Props) {
  const left = useSecondsLeft(until, serverNow)
  return (
    <button
      type="submit"
      className="link tabular-nums aria-disabled:cursor-default aria-disabled:text-ink-3 aria-disabled:no-underline"
      aria-disabled={left > 0 || undefined}
      onClick={(event) => left > 0 && event.preventDefault()}
    >
      {left > 0 ? waitingLabel.replace('{seconds}', String(left)) : label}
    </button>
  )
}
