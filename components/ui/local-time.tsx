'use client'

import { useEffect, useState } from 'react'
import { dateLocale } from './date-locale'

interface Props {
  /** Milliseconds since the epoch. */
  at: number
  /** The server's words, in UTC, for a reader without script. */
  children: string
  locale: string
}

/** A time of day in the reader's own timezone, where nobody is signed in to ask. */
export function LocalTime({ at, locale, children }: Props) {
  const [text, setText] = useState(children)
  useEffect(() => {
    setText(new Intl.DateTimeFormat(dateLocale(locale), { hour: '2-digit', minute: '2-digit' }).format(at))
  }, [at, locale])
  return (
    <time dateTime={new Date(at).toISOString()} className="tabular-nums">
      {text}
    </time>
  )
}
