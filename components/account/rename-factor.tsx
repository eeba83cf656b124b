import { getTranslations } from 'next-intl/server'
import type { Draft, FormState } from '@/app/_lib/guard'
import { LinkButton } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { SubmitButton } from '../ui/submit-button'
import { ActionForm } from './action-form'
import { FormInput } from './form-field'
import { answerIcons } from './icons'

interface Props {
  kind: 'totp' | 'passkey'
  id: string
  name: string
  action: (previous: FormState | null, form: FormData) => Promise<FormState>
  /** The name as it was typed before a proof was asked for. */
  draft?: Draft
  closeHref: string
}

/** Asks what a factor shall be called. */
export async function RenameFactor({ kind, id, name, action, draft, closeHref }: Props) {
  const [t, ui] = await Promise.all([getTranslations('security.factor'), getTranslations('ui')])
  return (
    <Dialog
      id="rename"
      title={<span className="wrap-anywhere">{t('rename_title', { name })}</span>}
      closeHref={closeHref}
    >
      <ActionForm action={action} icons={answerIcons} draft={draft} className="mt-4 grid gap-5">
        <input type="hidden" name="kind" value={kind} />
        <input type="hidden" name="id" value={id} />
        <FormInput
          id="factor-name"
          name="name"
          label={t('rename_label')}
          hint={t('rename_hint')}
          defaultValue={name}
          maxLength={40}
          autoComplete="off"
          required
          autoFocus
        />
        <div className="flex flex-wrap justify-end gap-3">
          <LinkButton href={closeHref} look="secondary">
            {ui('cancel')}
          </LinkButton>
          <SubmitButton workingLabel={ui('working')}>{t('rename_submit')}</SubmitButton>
        </div>
      </ActionForm>
    </Dialog>
  )
}
