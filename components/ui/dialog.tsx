'use client'

import { useRouter } from 'next/navigation'
import { type ReactNode, useEffect, useRef } from 'react'

interface Props {
  id: string
  title: ReactNode
  /** Where the page without this question is; Escape and "Cancel" go there. */
  closeHref: string
  children: ReactNode
}

/**
 * A question over the page. The address says that it is open, so it works as a page without script,
 * can be linked to, and Back closes it; where script runs it is a modal dialog with a focus trap.
 */
export function Dialog({ id, title, closeHref, children }: Props) {
  const dialog = useRef<HTMLDialogElement>(null)
  const router = useRouter()
  useEffect(() => {
    const element = dialog.current
    if (!element || element.matches(':modal')) return
    element.close()
    element.showModal()
  }, [])
  return (
    <dialog
      ref={dialog}
      open
      className="sheet"
      aria-labelledby={`${id}-title`}
      onCancel={(event) => {
        event.preventDefault()
        router.push(closeHref, { scroll: false })
      }}
    >
      <h2 id={`${id}-title`} className="text-lg font-semibold">
        {title}
      </h2>
      {children}
    </dialog>
  )
}
