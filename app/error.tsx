'use client'

import { Crash, isOutdated } from '../components/crash'

export default function PageError({
  error,
  retry,
}: {
  error: Error & { digest?: string }
  retry: () => void
}) {
  return <Crash digest={error.digest} outdated={isOutdated(error)} retry={retry} />
}
