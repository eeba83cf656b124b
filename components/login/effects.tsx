import type { ReactNode } from 'react'
import { Icon } from '../ui/icon'
import { check } from '../ui/icons'

/** What a button will do, or how something goes: each in a sentence. */
export function Effects({ items }: { items: readonly ReactNode[] }) {
  return (
    <ul className="grid gap-2.5 text-[0.9375rem]">
      {items.map((item, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: sentences stand in a fixed order
        <li key={index} className="flex gap-2.5">
          <Icon of={check} className="mt-0.5 size-5 text-ink-3" />
          <span className="min-w-0 wrap-anywhere">{item}</span>
        </li>
      ))}
    </ul>
  )
}
