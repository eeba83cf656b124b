import { cx } from './cx'

/** A turning ring (breathing where motion is reduced), announced by its label. */
export function Spinner({ label, className }: { label: string; className?: string }) {
  return (
    <span role="status" className={cx('inline-flex', className)}>
      <svg viewBox="0 0 20 20" fill="none" className="spin size-[1.1em]" aria-hidden focusable="false">
        <circle cx="10" cy="10" r="8" stroke="currentColor" strokeWidth="2.5" opacity="0.28" />
        <path d="M18 10a8 8 0 0 0-8-8" stroke="currentColor" strokeWidth="2.5" strokeLinecap="round" />
      </svg>
      <span className="sr-only">{label}</span>
    </span>
  )
}
