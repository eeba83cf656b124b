import { getTranslations } from 'next-intl/server'
import { described, Field } from '../ui/field'
import { Icon } from '../ui/icon'
import { monitorSmartphone } from '../ui/icons'
import { Input } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { AccountChooserLine } from './account-chooser-line'
import { AuthCard } from './auth-shell'
import { RefusalNotice, type RefusalView, refusalText } from './words'

interface Props {
  /** Where the code posts: `user_code`. */
  action: string
  /** From the address; shown, never sent by itself. */
  code: string
  account: { email: string; name?: string | null; avatarUrl?: string | null }
  notice?: RefusalView | null
}

/** "Which code does your device show?" */
export async function DeviceCodeForm({ action, code, account, notice }: Props) {
  const [t, ui] = await Promise.all([getTranslations('login.device'), getTranslations('ui')])
  const error = notice?.code === 'device_code_wrong' ? await refusalText(notice) : undefined
  const hint = t('code_hint')
  return (
    <AuthCard
      top={
        <span className="grid size-14 place-items-center rounded-card bg-brand-soft text-brand-ink">
          <Icon of={monitorSmartphone} className="size-7" />
        </span>
      }
      title={t('title')}
      lead={t('lead')}
    >
      {notice && !error ? <RefusalNotice refusal={notice} /> : null}
      <form method="post" action={action} className="grid gap-5">
        <Field id="user_code" label={t('code')} hint={hint} error={error}>
          <Input
            {...described('user_code', { hint, error })}
            name="user_code"
            required
            autoFocus={!code}
            defaultValue={code}
            placeholder="XXXX-XXXX"
            autoComplete="off"
            autoCapitalize="characters"
            autoCorrect="off"
            spellCheck={false}
            maxLength={20}
            className="text-center font-mono text-xl tracking-[0.18em] uppercase placeholder:text-ink-3/60"
          />
        </Field>
        <SubmitButton wide workingLabel={ui('working')}>
          {t('continue')}
        </SubmitButton>
      </form>
      <AccountChooserLine {...account} />
    </AuthCard>
  )
}
