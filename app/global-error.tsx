'use client'

import { Crash, crashLanguage, isOutdated } from '../components/crash'
import './globals.css'

export default function GlobalError({ error }: { error: Error & { digest?: string } }) {
  return (
    <html lang={crashLanguage()}>
      <body>
        <Crash digest={error.digest} outdated={isOutdated(error)} />
      </body>
    </html>
  )
}
