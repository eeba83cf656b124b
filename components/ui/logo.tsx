import { cx } from './cx'

interface Props {
  product: string
  /** The operator's logo; without it, our gate beside the product's name. */
  logoUrl?: string | null
  className?: string
}

/** Who is speaking: the operator's logo, or the gate and the product's name. */
export function Logo({ product, logoUrl, className }: Props) {
  if (logoUrl) {
    return (
      // biome-ignore lint/performance/noImgElement: of unknown size and origin
      <img
        src={logoUrl}
        alt={product}
        height={36}
        className={cx('h-9 w-auto max-w-56 object-contain', className)}
      />
    )
  }
  return (
    <span className={cx('inline-flex items-center gap-2.5', className)}>
      <Gate className="size-8" />
      <span className="text-lg font-semibold tracking-tight text-ink">{product}</span>
    </span>
  )
}

/** An arched gate with a keyhole. */
function Gate({ className }: { className?: string }) {
  return (
    <svg viewBox="0 0 32 32" className={className} aria-hidden focusable="false">
      <path d="M4 28V14a12 12 0 0 1 24 0v14a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2Z" className="fill-brand" />
      <path
        d="M16 11.2a3.6 3.6 0 0 0-1.7 6.8l-1 4.6c-.1.5.3 1 .8 1h3.8c.5 0 .9-.5.8-1l-1-4.6a3.6 3.6 0 0 0-1.7-6.8Z"
        className="fill-brand-fg"
      />
      <path
        d="M7.5 27V14a8.5 8.5 0 0 1 17 0v13"
        fill="none"
        strokeWidth="1.3"
        className="stroke-brand-fg"
        opacity=".55"
      />
    </svg>
  )
}
