'use client'

import { Crash } from '../components/crash'

export default function PageError({
  error,
  retry,
}: {
  error: Error & { digest?: string }
  retry: () => void
}) {
  return <Crash digest={error.digest} retry={retry} />
}
