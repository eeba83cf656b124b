'use client'

import { type ComponentProps, useEffect, useRef, useState } from 'react'
import { useFormStatus } from 'react-dom'
import { type ButtonStyle, buttonClass } from './button'
import { Spinner } from './spinner'

interface Props extends ComponentProps<'button'>, ButtonStyle {
  /** Said to screen readers while the form is on its way. */
  workingLabel: string
}

/**
 * Submits its form and shows that it is under way, for server actions and for plain posts alike.
 * It stays focusable while waiting and lets a second press of an unanswered form do nothing.
 */
export function SubmitButton({ look, size, wide, className, children, workingLabel, ...props }: Props) {
  const button = useRef<HTMLButtonElement>(null)
  const [posted, setPosted] = useState(false)
  const working = useFormStatus().pending || posted

  useEffect(() => {
    const form = button.current?.form
    if (!form) return
    let underWay = false
    const settle = () => {
      underWay = false
      setPosted(false)
    }
    const submit = (event: SubmitEvent) => {
      if (event.defaultPrevented) return
      if (underWay) return event.preventDefault()
      underWay = true
      const mine = event.submitter === button.current
      // React takes the submits of server actions over, after this listener; useFormStatus serves those.
      setTimeout(() => {
        if (event.defaultPrevented) underWay = false
        else if (mine) setPosted(true)
      })
    }
    form.addEventListener('submit', submit)
    // Coming Back from the next page, out of the browser's cache.
    window.addEventListener('pageshow', settle)
    return () => {
      form.removeEventListener('submit', submit)
      window.removeEventListener('pageshow', settle)
    }
  }, [])

  return (
    <button
      ref={button}
      type="submit"
      className={buttonClass({ look, size, wide }, className)}
      aria-disabled={working || undefined}
      onClick={(event) => working && event.preventDefault()}
      {...props}
    >
      {working ? <Spinner label={workingLabel} /> : null}
      {children}
    </button>
  )
}
