'use client'

import { Crash, crashLanguage } from '../components/crash'
import './globals.css'

export default function GlobalError({ error }: { error: Error & { digest?: string } }) {
  return (
    <html lang={crashLanguage()}>
      <body>
        <Crash digest={error.digest} />
      </body>
    </html>
  )
}
