import de from '@/lib/texts/de/crash.json'
import en from '@/lib/texts/en/crash.json'
import { buttonClass } from './ui/button'

interface Props {
  /** Next's number for the error; the log has it too. */
  digest?: string
  retry?: () => void
}

/** The language of the page that broke; it stands on the document. */
export const crashLanguage = (): 'de' | 'en' =>
  typeof document !== 'undefined' && document.documentElement.lang.startsWith('de') ? 'de' : 'en'

/**
 * What stands where a page broke. It runs in the browser, outside of everything that may be broken,
 * so its few words are in the script, in every language, and not asked for.
 */
export function Crash({ digest, retry }: Props) {
  const words = { de, en }[crashLanguage()]
  return (
    <main className="mx-auto grid min-h-[70dvh] max-w-md content-center gap-4 px-4 py-16" role="alert">
      <title>{words.title}</title>
      <h1 className="text-2xl font-semibold">{words.title}</h1>
      <p className="text-ink-2">{words.text}</p>
      {digest ? (
        <p className="text-sm text-ink-3">
          {words.reference} <code className="font-mono text-ink">{digest}</code>
        </p>
      ) : null}
      <div className="flex flex-wrap gap-3">
        {retry ? (
          <button type="button" className={buttonClass()} onClick={retry}>
            {words.retry}
          </button>
        ) : null}
        <a href="/" className={buttonClass({ look: 'secondary' })}>
          {words.home}
        </a>
      </div>
    </main>
  )
}
