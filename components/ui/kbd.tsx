import type { ReactNode } from 'react'

/** A key, or a code to be typed. */
export function Kbd({ children }: { children: ReactNode }) {
  return (
    <kbd className="rounded-md border border-line bg-sunken px-1.5 py-0.5 font-mono text-[0.875em] shadow-1">
      {children}
    </kbd>
  )
}
