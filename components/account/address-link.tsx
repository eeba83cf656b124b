import { getTranslations } from 'next-intl/server'
import { AuthCard } from '../login/auth-shell'
import { Icon } from '../ui/icon'
import { mailCheck } from '../ui/icons'
import { SubmitButton } from '../ui/submit-button'

interface Props {
  id: string
  code: string
  address: string
  action: string
}

/** A mail's link in the browser that asked for it: one button confirms the address. Posts `id`, `code`. */
export async function AddressLink({ id, code, address, action }: Props) {
  const [t, ui] = await Promise.all([getTranslations('account.emails'), getTranslations('ui')])
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
          <Icon of={mailCheck} className="size-7" />
        </span>
      }
      title={t('link_title')}
      lead={<p className="wrap-anywhere">{t('link_text', { address })}</p>}
    >
      <form method="post" action={action} className="grid">
        <input type="hidden" name="id" value={id} />
        <input type="hidden" name="code" value={code} />
        <SubmitButton wide workingLabel={ui('working')}>
          {t('link_submit')}
        </SubmitButton>
      </form>
      <p className="text-sm text-ink-3">{t('link_warning')}</p>
    </AuthCard>
  )
}
