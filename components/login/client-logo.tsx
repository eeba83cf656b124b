import { cx } from '../ui/cx'

export interface ClientView {
  name: string
  logo?: string | null
}

/** The app that asks: its logo, or its first letter. Square, so that nobody takes it for a person. */
export function ClientLogo({ client, className }: { client: ClientView; className?: string }) {
  const box = cx(
    'grid size-14 shrink-0 place-items-center rounded-card border border-line bg-sunken',
    className,
  )
  if (client.logo)
    return (
      // biome-ignore lint/performance/noImgElement: of unknown size and origin
      <img src={client.logo} alt="" width={56} height={56} className={cx(box, 'object-contain p-1.5')} />
    )
  return (
    <span aria-hidden className={cx(box, 'text-xl font-semibold text-ink-2')}>
      {Array.from(client.name.trim())[0]?.toLocaleUpperCase() ?? '?'}
    </span>
  )
}
