'use client'

import { useSyncExternalStore } from 'react'
import { buttonClass } from '../ui/button'

interface Props {
  /** Id of the select to fill. */
  selectId: string
  /** With `{zone}` where its name goes. */
  label: string
}

const zone = () => Intl.DateTimeFormat().resolvedOptions().timeZone
const never = () => () => {}

/** Offers the timezone of this device. Its line is there from the start, so nothing moves. */
export function TimezoneButton({ selectId, label }: Props) {
  const detected = useSyncExternalStore(never, zone, () => null)
  return (
    <div className="needs-script -mt-1 min-h-9">
      {detected ? (
        <button
          type="button"
          className={buttonClass({ look: 'secondary', size: 'sm' })}
          onClick={() => {
            const select = document.getElementById(selectId)
            if (!(select instanceof HTMLSelectElement)) return
            select.value = detected
            select.focus()
          }}
        >
          {label.replace('{zone}', detected)}
        </button>
      ) : null}
    </div>
  )
}
