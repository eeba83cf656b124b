import { LinkButton } from '../ui/button'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { check, copy, download, printer } from '../ui/icons'
import { PrintButton } from './print-button'

export interface CodesWords {
  /** Names the list to screen readers. */
  list: string
  /** Heads the file and the paper: codes of several places end up in one folder. */
  heading: string
  onceEach: string
  fileName: string
  copy: string
  copied: string
  download: string
  print: string
}

/** New backup codes, the one time they are shown: to copy, to keep as a file, to print. */
export function CodesSheet({ codes, words }: { codes: readonly string[]; words: CodesWords }) {
  const file = `${words.heading}\r\n${words.onceEach}\r\n\r\n${codes.join('\r\n')}\r\n`
  return (
    <div className="codes-sheet grid gap-4">
      <div className="@container rounded-card border border-line bg-sunken px-4 py-5 print:border-0 print:bg-transparent">
        <p className="mb-3 hidden font-semibold print:block">{words.heading}</p>
        <ol
          aria-label={words.list}
          className="mx-auto grid w-fit gap-x-8 gap-y-2.5 font-mono text-[1.0625rem] tracking-wide tabular-nums @[22rem]:grid-cols-2"
        >
          {codes.map((code) => (
            <li key={code} className="whitespace-nowrap">
              {code}
            </li>
          ))}
        </ol>
      </div>
      <div className="flex flex-wrap gap-2 print:hidden">
        <CopyButton
          text={codes.join('\n')}
          label={words.copy}
          copiedLabel={words.copied}
          icon={<Icon of={copy} className="size-4" />}
          copiedIcon={<Icon of={check} className="size-4" />}
        />
        {/* The file is in the link itself: works without script, and no second answer of the server holds the codes. */}
        <LinkButton
          look="secondary"
          size="sm"
          download={words.fileName}
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(file)}`}
        >
          <Icon of={download} className="size-4" />
          {words.download}
        </LinkButton>
        <PrintButton>
          <Icon of={printer} className="size-4" />
          {words.print}
        </PrintButton>
      </div>
    </div>
  )
}
