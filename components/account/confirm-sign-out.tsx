import { getTranslations } from 'next-intl/server'
import type { FormState } from '@/app/_lib/guard'
import type { SessionRow } from '@/lib/sessions'
import { LinkButton } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { SubmitButton } from '../ui/submit-button'
import { ActionForm } from './action-form'
import { answerIcons } from './icons'
import { deviceName } from './words'

interface Props {
  /** One session, or all others. */
  what: SessionRow | 'others'
  action: (previous: FormState | null, form: FormData) => Promise<FormState>
  closeHref: string
}

/** Says what a sign-out will do before it is done. */
export async function ConfirmSignOut({ what, action, closeHref }: Props) {
  const [t, ui] = await Promise.all([getTranslations('account.devices'), getTranslations('ui')])
  const all = what === 'others'
  const title = all ? t('confirm_others_title') : t('confirm_one_title', { device: await deviceName(what) })
  return (
    <Dialog id="confirm" title={title} closeHref={closeHref}>
      <p className="mt-2 text-ink-2">{all ? t('confirm_others') : t('confirm_one')}</p>
      <ActionForm action={action} icons={answerIcons} className="mt-6 grid gap-3">
        {all ? null : <input type="hidden" name="sid" value={what.sid} />}
        <div className="flex flex-wrap justify-end gap-3">
          <LinkButton href={closeHref} look="secondary">
            {ui('cancel')}
          </LinkButton>
          <SubmitButton look="danger" workingLabel={ui('working')}>
            {all ? t('confirm_others_submit') : t('confirm_submit')}
          </SubmitButton>
        </div>
      </ActionForm>
    </Dialog>
  )
}
