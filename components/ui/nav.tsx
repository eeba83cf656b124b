import { Icon } from './icon'
import type { IconShape } from './icons'
import { NavLink } from './nav-link'

export interface NavItem {
  href: string
  label: string
  icon: IconShape
  /** Current only at this very path, not below it. */
  exact?: boolean
  /** Current at this path and below it, too. */
  also?: string
}

/** The console's navigation: a column at the side, a strip that scrolls sideways on phones. */
export function Nav({ label, items }: { label: string; items: readonly NavItem[] }) {
  return (
    <nav aria-label={label} className="-mx-4 overflow-x-auto px-4 py-1 md:mx-0 md:overflow-visible md:p-0">
      <ul className="flex gap-1 md:flex-col">
        {items.map(({ href, label: text, icon, exact, also }) => (
          <li key={href}>
            <NavLink href={href} exact={exact} also={also}>
              <Icon of={icon} className="size-5" />
              {text}
            </NavLink>
          </li>
        ))}
      </ul>
    </nav>
  )
}
