'use client'

import { type ReactNode, useEffect, useRef, useState } from 'react'
import { LinkButton } from '../ui/button'
import type { Reason } from './session-reasons'

/** Reasons of the house, by what they mean to the person before the screen. */
const MEANING: Record<string, Reason> = {
  user: 'user',
  signed_out: 'signed_out',
  operator: 'operator',
  disabled: 'operator',
  password_changed: 'secured',
  password_reset: 'secured',
  factors_reset: 'secured',
  locked_down: 'secured',
  recovered: 'secured',
  email_change_undone: 'secured',
  another_account: 'another',
  replaced: 'another',
  upgraded: 'another',
  provider_logout: 'signed_out',
  too_many: 'too_many',
  closed: 'closed',
}

interface Props {
  /** The session that this page was made for. */
  sid: string
  words: Record<Reason | 'title' | 'button', string>
  icon: ReactNode
  children: ReactNode
}

const CHANGED = 'gatehouse:sessions'
const FIRST_PAUSE_MS = 2000
const LONGEST_PAUSE_MS = 60_000

/** Calls `fn` when something about the person's sessions changed. */
export function onSessionsChanged(fn: () => void): () => void {
  window.addEventListener(CHANGED, fn)
  return () => window.removeEventListener(CHANGED, fn)
}

/**
 * Listens to the events of its session while the page is in sight, and takes everything off the page when the session
 * is over: also when the page comes back from the browser's memory, or the line was cut meanwhile. The server guards
 * what can be asked of it; this guards what is on the screen already.
 */
export function SessionWatch({ sid, words, icon, children }: Props) {
  const [ended, setEnded] = useState<Reason | null>(null)
  const title = useRef<HTMLHeadingElement>(null)

  useEffect(() => watch(sid, setEnded), [sid])
  useEffect(() => {
    if (!ended) return
    // What React made the page of stands in it once more.
    for (const script of document.querySelectorAll('script:not([src])')) script.remove()
    title.current?.focus()
  }, [ended])

  if (!ended) return children
  const here = window.location.pathname + window.location.search
  return (
    <main className="grid min-h-dvh place-items-center px-4 py-10" data-locked={ended}>
      <div className="grid w-full max-w-md justify-items-center gap-4 rounded-card border border-line bg-surface px-6 py-10 text-center shadow-2">
        {icon}
        <h1 ref={title} tabIndex={-1} className="text-2xl font-semibold outline-none">
          {words.title}
        </h1>
        <p role="alert" className="text-ink-2">
          {words[ended]}
        </p>
        <LinkButton href={`/signin/start?to=${encodeURIComponent(here)}`} className="mt-2">
          {words.button}
        </LinkButton>
      </div>
    </main>
  )
}

function watch(sid: string, over: (reason: Reason) => void): () => void {
  let source: EventSource | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  let pause = FIRST_PAUSE_MS
  let heard = false
  let stopped = false

  const disconnect = () => {
    clearTimeout(timer)
    source?.close()
    source = null
  }
  const lock = (reason: Reason) => {
    if (stopped) return
    stopped = true
    disconnect()
    over(reason)
  }
  const changed = () => window.dispatchEvent(new Event(CHANGED))
  const judge = (now: unknown) => {
    if (now !== sid) lock('another')
  }

  function connect(): void {
    // A browser has few connections to one server, so pages out of sight hold none.
    if (stopped || source || document.visibilityState === 'hidden') return
    const opened = new EventSource('/api/session/events')
    source = opened
    opened.addEventListener('hello', ({ data }) => {
      pause = FIRST_PAUSE_MS
      judge(JSON.parse(data).sid)
      // What happened while nobody listened.
      if (heard) changed()
      heard = true
    })
    opened.addEventListener('sessions', changed)
    opened.addEventListener('ended', ({ data }) => lock(MEANING[JSON.parse(data).reason] ?? 'over'))
    opened.onerror = () => {
      if (opened.readyState !== EventSource.CLOSED || source !== opened) return
      disconnect()
      void ask()
    }
  }

  /** The stream was refused, or the page comes back: is anybody signed in at all? */
  async function ask(): Promise<void> {
    try {
      const answer = await fetch('/api/session?guests=allow', { cache: 'no-store' })
      if (answer.status === 401) return lock('over')
      if (answer.ok) judge((await answer.json()).sid)
    } catch {
      // Not known, and that is no end.
    }
    if (stopped) return
    clearTimeout(timer)
    timer = setTimeout(connect, pause)
    pause = Math.min(pause * 2, LONGEST_PAUSE_MS)
  }

  const onVisible = () => (document.visibilityState === 'hidden' ? disconnect() : connect())
  const onShow = ({ persisted }: PageTransitionEvent) => {
    if (!persisted) return
    disconnect()
    void ask()
    connect()
  }
  document.addEventListener('visibilitychange', onVisible)
  window.addEventListener('pageshow', onShow)
  window.addEventListener('pagehide', disconnect)
  connect()
  return () => {
    stopped = true
    disconnect()
    document.removeEventListener('visibilitychange', onVisible)
    window.removeEventListener('pageshow', onShow)
    window.removeEventListener('pagehide', disconnect)
  }
}
