'use client'

import type { ReactNode } from 'react'
import { buttonClass } from '../ui/button'

/** Opens the browser's print dialog. Not shown without script: the browser's own menu prints as well. */
export function PrintButton({ children }: { children: ReactNode }) {
  return (
    <button
      type="button"
      className={buttonClass({ look: 'secondary', size: 'sm' }, 'needs-script')}
      onClick={() => window.print()}
    >
      {children}
    </button>
  )
}
