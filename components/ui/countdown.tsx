'use client'

import { type ReactNode, useEffect, useState } from 'react'

/** Whole seconds until a moment, counted down once a second; `serverNow` keeps the first paint equal to the server's. */
export function useSecondsLeft(until: number, serverNow: number): number {
  const [left, setLeft] = useState(Math.max(0, Math.ceil((until - serverNow) / 1000)))
  useEffect(() => {
    // The two clocks may differ: count from the moment of loading, not from the time of day.
    const loadedAt = performance.now()
    const tick = () => {
      const seconds = Math.max(0, Math.ceil((until - serverNow - (performance.now() - loadedAt)) / 1000))
      setLeft(seconds)
      if (seconds === 0) clearInterval(timer)
    }
    const timer = setInterval(tick, 1000)
    return () => clearInterval(timer)
  }, [until, serverNow])
  return left
}

export const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, '0')}`

interface Props {
  /** Milliseconds since the epoch, both by the server's clock. */
  until: number
  serverNow: number
  /** Shown once the time has come. */
  children?: ReactNode
}

/** `2:59` and counting; then its children. The sentence around it is the server's. */
export function Countdown({ until, serverNow, children }: Props) {
  const left = useSecondsLeft(until, serverNow)
  if (left === 0 && children) return <>{children}</>
  return (
    <span role="timer" aria-live="off" className="tabular-nums">
      {clock(left)}
    </span>
  )
}
