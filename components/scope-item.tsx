import { Icon } from './ui/icon'
import type { IconShape } from './ui/icons'

/** One thing that an app may know or do, in a list of them. */
export function ScopeItem({ shape, title, text }: { shape: IconShape; title: string; text: string }) {
  return (
    <li className="flex gap-3.5">
      <span className="grid size-10 shrink-0 place-items-center rounded-control bg-brand-soft text-brand-ink">
        <Icon of={shape} />
      </span>
      <span className="min-w-0">
        <span className="block font-medium break-words">{title}</span>
        <span className="block text-[0.9375rem] text-ink-2">{text}</span>
      </span>
    </li>
  )
}
