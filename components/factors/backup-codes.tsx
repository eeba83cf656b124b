import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { CopyButton } from '../ui/copy-button'
import { Icon } from '../ui/icon'
import { check, copy, download, printer } from '../ui/icons'
import { PrintButton } from './print-button'

interface Props {
  codes: readonly string[]
  /** Names the file and heads it: codes of several places end up in one folder. */
  product: string
  /** The account they belong to, as its owner knows it. */
  account?: string | null
}

/** New backup codes, the one time they are shown: to copy, to keep as a file, to print. */
export async function BackupCodes({ codes, product, account }: Props) {
  const [t, ui] = await Promise.all([getTranslations('factors.backup_codes'), getTranslations('ui')])
  const heading = account ? t('file_heading_account', { product, account }) : t('file_heading', { product })
  const file = `${heading}\r\n${t('once_each')}\r\n\r\n${codes.join('\r\n')}\r\n`
  return (
    <div className="grid gap-4">
      <div className="rounded-card border border-line bg-sunken px-4 py-5 print:border-0 print:bg-transparent">
        <p className="mb-3 hidden font-semibold print:block">{heading}</p>
        <ol
          aria-label={t('list')}
          className="mx-auto grid w-fit grid-cols-2 gap-x-8 gap-y-2.5 font-mono text-[1.0625rem] tracking-wide tabular-nums max-[22rem]:grid-cols-1"
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
          label={ui('copy')}
          copiedLabel={ui('copied')}
          icon={<Icon of={copy} className="size-4" />}
          copiedIcon={<Icon of={check} className="size-4" />}
        />
        {/* The file is in the link itself: works without script, and no second answer of the server holds the codes. */}
        <LinkButton
          look="secondary"
          size="sm"
          download={`${product.replace(/[^\p{L}\p{N}]+/gu, '-').toLowerCase()}-${t('file_name')}.txt`}
          href={`data:text/plain;charset=utf-8,${encodeURIComponent(file)}`}
        >
          <Icon of={download} className="size-4" />
          {t('download')}
        </LinkButton>
        <PrintButton>
          <Icon of={printer} className="size-4" />
          {t('print')}
        </PrintButton>
      </div>
    </div>
  )
}
