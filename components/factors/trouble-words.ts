import { getTranslations } from 'next-intl/server'
import type { Trouble } from './ceremony'

/** What a person is told when a ceremony came to nothing; `replaced` needs no words. */
export type TroubleWords = Record<Exclude<Trouble, 'replaced'>, string>

/** The sentences for a ceremony's troubles, made on the server. */
export async function troubleWords(): Promise<TroubleWords> {
  const t = await getTranslations('factors.trouble')
  return {
    cancelled: t('cancelled'),
    timed_out: t('timed_out'),
    exists: t('exists'),
    unsupported: t('unsupported'),
    failed: t('failed'),
  }
}
