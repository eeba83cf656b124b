'use client'

import { useRouter } from 'next/navigation'
import { useEffect, useState } from 'react'
import { onSessionsChanged } from './session-watch'

interface Props {
  /** Said when the page was made anew because something changed. */
  text: string
  /** Something is still under way: look again after so long, until it is not. */
  againMs?: number | undefined
}

/** Makes the page anew when the person's sessions change elsewhere. Several changes at once are one. */
export function LiveSessions({ text, againMs }: Props) {
  const router = useRouter()
  const [said, setSaid] = useState('')
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const stop = onSessionsChanged(() => {
      clearTimeout(timer)
      timer = setTimeout(() => {
        router.refresh()
        setSaid(text)
      }, 100)
    })
    return () => {
      clearTimeout(timer)
      stop()
    }
  }, [router, text])
  useEffect(() => {
    if (!againMs) return
    const timer = setInterval(() => router.refresh(), againMs)
    return () => clearInterval(timer)
  }, [router, againMs])
  return (
    <p role="status" className="sr-only">
      {said}
    </p>
  )
}
