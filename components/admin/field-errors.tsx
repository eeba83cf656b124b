'use client'

import { useEffect } from 'react'
import { useErrors } from '../account/action-form'

/** Above a long form that was refused: which fields it is about, each a way there. The first is gone to. */
export function FieldErrors({ title, labels }: { title: string; labels: Readonly<Record<string, string>> }) {
  const errors = useErrors()
  const found = Object.keys(errors).filter((name) => name in labels)
  const [first] = found
  useEffect(() => {
    // A box to tick and a group have ids of another kind.
    if (first) (document.getElementById(first) ?? document.getElementById(`field-${first}`))?.focus()
  }, [first])
  if (found.length === 0) return null
  return (
    <div className="flex flex-wrap gap-x-5 gap-y-1.5 text-[0.9375rem]">
      <p>{title}</p>
      <ul className="flex flex-wrap gap-x-5 gap-y-1.5">
        {found.map((name) => (
          <li key={name}>
            <a href={`#part-${name}`} className="link">
              {labels[name]}
            </a>
          </li>
        ))}
      </ul>
    </div>
  )
}
