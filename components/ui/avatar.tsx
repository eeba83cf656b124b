import { cx } from './cx'

const SIZES = { sm: 'size-8 text-[0.8125rem]', md: 'size-11 text-base', lg: 'size-24 text-3xl' } as const

interface Props {
  name: string
  /** Address of the picture; without it the initials are shown. */
  src?: string | null
  size?: keyof typeof SIZES
  /** Said instead of the picture; empty where the name stands beside it. */
  alt?: string
}

/** Of a name its first and last word; of an address the first letter says enough. */
const initials = (name: string): string => {
  const words = name.split(/[\s._-]+/u).filter(Boolean)
  const picked = words.length > 1 && !name.includes('@') ? [words[0], words.at(-1)] : [words[0]]
  return picked.map((word) => Array.from(word ?? '')[0]?.toLocaleUpperCase() ?? '').join('') || '?'
}

/** A person's or an app's picture, round; initials where there is none. */
export function Avatar({ name, src, size = 'md', alt = '' }: Props) {
  const box = cx('inline-grid shrink-0 place-items-center overflow-hidden rounded-full', SIZES[size])
  if (src) {
    return (
      // biome-ignore lint/performance/noImgElement: served by ourselves, already small and square
      <img
        src={src}
        alt={alt}
        width={96}
        height={96}
        className={cx(box, 'border border-line object-cover')}
      />
    )
  }
  const look = cx(box, 'bg-brand-soft font-semibold text-brand-ink select-none')
  return alt ? (
    <span role="img" aria-label={alt} className={look}>
      {initials(name)}
    </span>
  ) : (
    <span aria-hidden className={look}>
      {initials(name)}
    </span>
  )
}
