import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import { LanguageSwitch } from '../ui/language-switch'
import { Logo } from '../ui/logo'

interface Props {
  product: string
  logoUrl?: string | null
  /** Where the logo leads. */
  homeHref?: string
  /** Links under the card, before the languages: help, legal. */
  footer?: ReactNode
  children: ReactNode
}

/** The room in which all hosted pages stand: the brand above, one card, quiet links below. */
export async function AuthShell({ product, logoUrl, homeHref = '/', footer, children }: Props) {
  const t = await getTranslations('ui')
  return (
    <div className="relative isolate flex min-h-dvh flex-col">
      <div className="glow" />
      <Arches />
      <header className="flex justify-center px-4 pt-8 sm:pt-[9vh] print:hidden">
        <a href={homeHref} className="rounded-md" aria-label={t('home', { product })}>
          <Logo product={product} logoUrl={logoUrl} />
        </a>
      </header>
      <main className="mx-auto w-full max-w-[29rem] flex-1 px-4 pt-6 pb-10 sm:pt-8">{children}</main>
      <footer className="flex flex-wrap items-center justify-center gap-x-6 print:hidden gap-y-2 px-4 pb-6 text-sm text-ink-3">
        {footer}
        <LanguageSwitch />
      </footer>
    </div>
  )
}

interface CardProps {
  title: ReactNode
  lead?: ReactNode
  /** Above the title: an app's logo, an icon. */
  top?: ReactNode
  /** Under the card's line: "New here? Create account". */
  bottom?: ReactNode
  children?: ReactNode
}

/** The one card of a hosted page; its title is the page's h1. */
export function AuthCard({ title, lead, top, bottom, children }: CardProps) {
  return (
    <div className="overflow-clip rounded-[1.25rem] border border-line bg-surface shadow-2">
      <div className="px-5 py-7 sm:px-9 sm:py-9">
        {top ? <div className="mb-5">{top}</div> : null}
        <h1 className="text-[1.625rem] leading-tight font-semibold tracking-[-0.02em]">{title}</h1>
        {lead ? <div className="mt-2 text-ink-2">{lead}</div> : null}
        {children ? <div className="mt-6 grid grid-cols-1 gap-5">{children}</div> : null}
      </div>
      {bottom ? (
        <div className="border-t border-line bg-sunken px-5 py-4 text-center text-[0.9375rem] text-ink-2 sm:px-9">
          {bottom}
        </div>
      ) : null}
    </div>
  )
}

function Arches() {
  return (
    <svg
      className="arches"
      viewBox="0 0 1440 900"
      preserveAspectRatio="xMidYMin slice"
      fill="none"
      aria-hidden
    >
      <g stroke="currentColor" strokeWidth="1.25">
        <path d="M400 1300V372a320 320 0 0 1 640 0v930" />
        <path d="M300 1300V372a420 420 0 0 1 840 0v930" opacity=".8" />
        <path d="M200 1300V372a520 520 0 0 1 1040 0v930" opacity=".6" />
        <path d="M100 1300V372a620 620 0 0 1 1240 0v930" opacity=".4" />
        <path d="M0 1300V372a720 720 0 0 1 1440 0v930" opacity=".25" />
      </g>
    </svg>
  )
}
