import { getTranslations } from 'next-intl/server'
import { CodesSheet, type CodesWords } from './codes-sheet'

interface Props {
  codes: readonly string[]
  product: string
  /** The account they belong to, as its owner knows it. */
  account?: string | null
}

/** New backup codes on a page of the server. */
export async function BackupCodes({ codes, ...about }: Props) {
  return <CodesSheet codes={codes} words={await codesWords(about)} />
}

/** The words of the sheet, for pages whose codes come with the answer of a form. */
export async function codesWords({ product, account }: Omit<Props, 'codes'>): Promise<CodesWords> {
  const [t, ui] = await Promise.all([getTranslations('factors.backup_codes'), getTranslations('ui')])
  return {
    list: t('list'),
    heading: account ? t('file_heading_account', { product, account }) : t('file_heading', { product }),
    onceEach: t('once_each'),
    fileName: `${product.replace(/[^\p{L}\p{N}]+/gu, '-').toLowerCase()}-${t('file_name')}.txt`,
    copy: ui('copy'),
    copied: ui('copied'),
    download: t('download'),
    print: t('print'),
  }
}
