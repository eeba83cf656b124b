import { unstable_isUnrecognizedActionError as isUnrecognizedAction } from 'next/navigation'
import de from '@/lib/texts/de/crash.json'
import en from '@/lib/texts/en/crash.json'
import { buttonClass } from './ui/button'

interface Props {
  /** Next's number for the error; the log has it too. */
  digest?: string
  /** True when only a newer page can help. */
  outdated?: boolean
  retry?: () => void
}

/** The page is of a build that is gone: what it asks for by number or name is not there any more. */
export const isOutdated = (error: Error): boolean =>
  error.name === 'ChunkLoadError' || isUnrecognizedAction(error)

/** The language of the page that broke; it stands on the document. */
export const crashLanguage = (): 'de' | 'en' =>
  typeof document !== 'undefined' && document.documentElement.lang.startsWith('de') ? 'de' : 'en'

/**
 * What stands where a page broke. It runs in the browser, outside of everything that may be broken,
 * so its few words are in the script, in every language, and not asked for.
 */
export function Crash({ digest, outdated, retry }: Props) {
  const words = { de, en }[crashLanguage()]
  const title = outdated ? words.outdatedTitle : words.title
  const again = outdated ? () => window.location.reload() : retry
  return (
    <main className="mx-auto grid min-h-[70dvh] max-w-md content-center gap-4 px-4 py-16" role="alert">
      <title>{title}</title>
      <h1 className="text-2xl font-semibold">{title}</h1>
      <p className="text-ink-2">{outdated ? words.outdated : words.text}</p>
      {digest && !outdated ? (
        <p className="text-sm text-ink-3">
          {words.reference} <code className="font-mono text-ink">{digest}</code>
        </p>
      ) : null}
      <div className="flex flex-wrap gap-3">
        {again ? (
          <button type="button" className={buttonClass()} onClick={again}>
            {outdated ? words.reload : words.retry}
          </button>
        ) : null}
        <a href="/" className={buttonClass({ look: 'secondary' })}>
          {words.home}
        </a>
      </div>
    </main>
  )
}
