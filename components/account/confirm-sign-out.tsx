import { getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import type { Ending } from '@/lib/oidc'
import { appNames } from './apps'
import { ConfirmChange } from './confirm-change'

export type SignOut = 'session' | 'device' | 'others' | 'all' | 'forget'

interface Props {
  what: SignOut
  /** The device, or when the session began. */
  name?: string
  /** What it would end at this moment. */
  ending: Ending
  /** The device skips the second step, and will not after this. */
  trusted?: boolean
  /** An action, or the address of a plain form. */
  action: ((previous: FormState | null, form: FormData) => Promise<FormState>) | string
  hidden?: Record<string, string>
  closeHref: string
}

/** Says which sessions, apps and tokens a sign-out will end, before it does. */
export async function ConfirmSignOut({ what, name = '', ending, trusted, hidden = {}, ...props }: Props) {
  const t = await getTranslations('account.sign_out')
  const { sessions, more, apps } = ending
  const tokens = apps.reduce((sum, app) => sum + app.tokens, 0)
  const told = apps.filter((app) => app.told)
  const untold = apps.filter((app) => !app.told)
  const effects = [
    t(`${what}_text`),
    what === 'session' ? null : t('sessions', { count: sessions, more: String(more) }),
    apps.length ? t('apps', { apps: await appNames(apps), tokens }) : t('no_apps'),
    told.length ? t('told', { apps: await appNames(told), count: told.length }) : null,
    untold.length ? t('untold', { apps: await appNames(untold), count: untold.length }) : null,
    trusted || what === 'all' || what === 'others' ? t('trust') : null,
  ].filter((effect) => effect !== null)
  return (
    <ConfirmChange
      title={t(`${what}_title`, { name })}
      effects={effects}
      submit={t(`${what}_submit`)}
      hidden={hidden}
      danger
      {...props}
    />
  )
}
