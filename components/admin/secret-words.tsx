import { getTranslations } from 'next-intl/server'
import { answerIcons } from '../account/icons'
import { Icon } from '../ui/icon'
import { copy } from '../ui/icons'
import type { SecretWords } from './secret-form'

/** The words of a secret that is shown once. */
export async function secretWords(): Promise<SecretWords> {
  const [t, ui] = await Promise.all([getTranslations('admin.secret'), getTranslations('ui')])
  return {
    once: t('once'),
    id: t('id'),
    secret: t('secret'),
    copy: ui('copy'),
    copied: t('copied'),
    done: t('done'),
  }
}

export const secretIcons = { ...answerIcons, copy: <Icon of={copy} className="size-4" /> }
