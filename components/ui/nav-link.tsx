'use client'

import Link from 'next/link'
import { usePathname } from 'next/navigation'
import { type ReactNode, useEffect, useRef } from 'react'

/** A link of the navigation that knows whether it is where we are. */
export function NavLink({
  href,
  exact = false,
  also,
  children,
}: {
  href: string
  exact?: boolean
  also?: string
  children: ReactNode
}) {
  const path = usePathname()
  const under = (place: string) => path === place || path.startsWith(`${place}/`)
  const here = exact ? path === href : under(href) || (also !== undefined && under(also))
  const link = useRef<HTMLAnchorElement>(null)
  useEffect(() => {
    // On phones the navigation is a strip wider than the screen: where we are must be in sight.
    const strip = link.current?.closest('nav')
    if (!here || !link.current || !strip || strip.scrollWidth <= strip.clientWidth) return
    const { left, width } = link.current.getBoundingClientRect()
    strip.scrollLeft += left + width / 2 - strip.clientWidth / 2
  }, [here])
  return (
    <Link
      ref={link}
      href={href}
      prefetch={false}
      aria-current={here ? 'page' : undefined}
      className="flex min-h-11 items-center gap-3 rounded-control px-3 py-2 text-[0.9375rem] font-medium whitespace-nowrap text-ink-2 transition-colors duration-100 hover:bg-sunken hover:text-ink aria-[current=page]:bg-brand-soft aria-[current=page]:text-brand-ink"
    >
      {children}
    </Link>
  )
}
