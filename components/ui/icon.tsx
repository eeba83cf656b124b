import { cx } from './cx'
import type { IconShape } from './icons'

interface Props {
  of: IconShape
  className?: string
  /** Said by screen readers; without it the icon is decoration. */
  label?: string
}

/** One Lucide icon; `size-5` unless the class names another size. */
export function Icon({ of, className, label }: Props) {
  return (
    <svg
      viewBox="0 0 24 24"
      fill="none"
      stroke="currentColor"
      strokeWidth={1.75}
      strokeLinecap="round"
      strokeLinejoin="round"
      className={cx('shrink-0', !className?.includes('size-') && 'size-5', className)}
      role={label ? 'img' : undefined}
      aria-label={label}
      aria-hidden={label ? undefined : true}
      focusable="false"
      // biome-ignore lint/security/noDangerouslySetInnerHtml: constant drawings of icons.ts
      dangerouslySetInnerHTML={{ __html: of }}
    />
  )
}
