import { getTranslations } from 'next-intl/server'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { check, copy } from '../ui/icons'

/** A command to type, or to copy. */
export async function CommandLine({ text }: { text: string }) {
  const ui = await getTranslations('ui')
  return (
    <div className="mt-2 flex flex-wrap items-center gap-3">
      <code className="min-w-0 rounded-control border border-line bg-sunken px-3 py-2 font-mono text-[0.9375rem] wrap-anywhere">
        {text}
      </code>
      <CopyButton
        text={text}
        label={ui('copy')}
        copiedLabel={ui('copied')}
        icon={<Icon of={copy} className="size-4" />}
        copiedIcon={<Icon of={check} className="size-4" />}
      />
    </div>
  )
}
