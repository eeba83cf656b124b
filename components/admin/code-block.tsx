import { getTranslations } from 'next-intl/server'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { circleCheck, copy } from '../ui/icons'

/** A file or a command to be pasted. */
export async function CodeBlock({
  title,
  label = title,
  text,
}: {
  title: string
  /** Where the title alone does not tell it from others of the page. */
  label?: string
  text: string
}) {
  return (
    <figure className="min-w-0 overflow-clip rounded-control border border-line">
      <figcaption className="flex flex-wrap items-center justify-between gap-3 border-b border-line bg-sunken px-4 py-2">
        <span className="min-w-0 font-mono text-sm wrap-anywhere">{title}</span>
        <CopyText text={text} />
      </figcaption>
      <section
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        tabIndex={0}
        aria-label={label}
        className="overflow-x-auto px-4 py-3 text-sm leading-relaxed"
      >
        <pre>
          <code className="font-mono">{text}</code>
        </pre>
      </section>
    </figure>
  )
}

/** The button that puts a text on the clipboard. */
export async function CopyText({ text }: { text: string }) {
  const [t, ui] = await Promise.all([getTranslations('admin.secret'), getTranslations('ui')])
  return (
    <CopyButton
      text={text}
      label={ui('copy')}
      copiedLabel={t('copied')}
      icon={<Icon of={copy} className="size-4" />}
      copiedIcon={<Icon of={circleCheck} className="size-4" />}
    />
  )
}
