import { getTranslations } from 'next-intl/server'
import { BackupCodes } from '../factors/backup-codes'
import { FACTOR_ICONS } from '../factors/icons'
import { Icon } from '../ui/icon'
import { SubmitButton } from '../ui/submit-button'
import { AuthCard } from './auth-shell'

interface Props {
  flow: string
  /** Where "I have saved them" posts: `flow`. */
  action: string
  codes: readonly string[]
  product: string
  account?: string | null
}

/** The backup codes that came with the first second factor, until the person says they are saved. */
export async function CodesForm({ flow, action, codes, product, account }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login.codes'), getTranslations('ui')])
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink print:hidden">
          <Icon of={FACTOR_ICONS.backup_code} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={t('lead')}
    >
      <BackupCodes codes={codes} product={product} account={account} />
      <form method="post" action={action} className="grid print:hidden">
        <input type="hidden" name="flow" value={flow} />
        <SubmitButton wide workingLabel={ui('working')}>
          {t('submit')}
        </SubmitButton>
      </form>
    </AuthCard>
  )
}
