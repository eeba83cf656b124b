import { getTranslations } from 'next-intl/server'
import { LinkButton } from '../ui/button'
import { Icon } from '../ui/icon'
import { check, circleExclamationPoint, x } from '../ui/icons'
import { AuthCard } from './auth-shell'

interface Props {
  /** `waiting`: nothing came of it. */
  state: 'allowed' | 'denied' | 'waiting'
  app: string | null
}

const LOOKS = {
  allowed: [check, 'bg-success-soft text-success'],
  denied: [x, 'bg-danger-soft text-danger'],
  waiting: [circleExclamationPoint, 'bg-warning-soft text-warning'],
} as const

/** What became of a device that asked to sign in, and where the person goes on. */
export async function DeviceDone({ state, app }: Props) {
  const t = await getTranslations('login.device')
  const [shape, look] = LOOKS[state]
  const name = app ?? t('some_app')
  return (
    <AuthCard
      top={
        <span className={`grid size-14 place-items-center rounded-card ${look}`}>
          <Icon of={shape} className="size-7" />
        </span>
      }
      title={t(`${state}_title`, { app: name })}
      lead={t(`${state}_text`, { app: name })}
    >
      <div className="grid gap-3">
        {state === 'waiting' ? (
          <LinkButton href="/device">{t('again')}</LinkButton>
        ) : (
          <LinkButton href="/account" look="secondary">
            {t('account')}
          </LinkButton>
        )}
      </div>
    </AuthCard>
  )
}
