import { getTranslations } from 'next-intl/server'
import type { ReactNode } from 'react'
import type { FormState } from '@/app/_lib/guard'
import { LinkButton } from '../ui/button'
import { Dialog } from '../ui/dialog'
import { SubmitButton } from '../ui/submit-button'
import { ActionForm } from './action-form'
import { answerIcons } from './icons'

interface Props {
  title: ReactNode
  /** What it does, a paragraph each. */
  effects: ReactNode[]
  /** An action, or the address of a plain form. */
  action: ((previous: FormState | null, form: FormData) => Promise<FormState>) | string
  hidden: Record<string, string>
  /** Null: it can't be done, and the effects say why. */
  submit: string | null
  danger?: boolean
  closeHref: string
}

const FORM = 'mt-6 grid gap-3'

/** A question before a change: what it will do, then the button that does it. */
export async function ConfirmChange({ title, effects, action, hidden, submit, danger, closeHref }: Props) {
  const ui = await getTranslations('ui')
  const fields = (
    <>
      {Object.entries(hidden).map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
      <div className="flex flex-wrap justify-end gap-3">
        <LinkButton href={closeHref} look="secondary">
          {ui(submit ? 'cancel' : 'close')}
        </LinkButton>
        {submit ? (
          <SubmitButton look={danger ? 'danger' : 'primary'} workingLabel={ui('working')}>
            {submit}
          </SubmitButton>
        ) : null}
      </div>
    </>
  )
  return (
    <Dialog id="question" title={<span className="wrap-anywhere">{title}</span>} closeHref={closeHref}>
      {effects.map((effect, index) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: sentences stand in a fixed order
        <p key={index} className="mt-2 text-ink-2 wrap-anywhere">
          {effect}
        </p>
      ))}
      {typeof action === 'string' ? (
        <form method="post" action={action} className={FORM}>
          {fields}
        </form>
      ) : (
        <ActionForm action={action} icons={answerIcons} className={FORM}>
          {fields}
        </ActionForm>
      )}
    </Dialog>
  )
}
