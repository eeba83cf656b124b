import { getTranslations } from 'next-intl/server'
import { Notice } from '../ui/notice'

/** Said while text messages do not get through: another way, at once. */
export async function SmsTrouble({ emailHref }: { emailHref: string }) {
  const t = await getTranslations('login.phone')
  return (
    <Notice kind="warning">
      {t('down')}{' '}
      <a href={emailHref} className="link">
        {t('back')}
      </a>
    </Notice>
  )
}
