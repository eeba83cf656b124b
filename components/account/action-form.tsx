'use client'

import { createContext, type ReactNode, use, useActionState } from 'react'
import type { Draft, FormState } from '@/app/_lib/guard'
import { cx } from '../ui/cx'

const Answer = createContext<Pick<FormState, 'ok' | 'errors' | 'values'> | null>(null)

const LOOKS = {
  ok: 'border-success-line bg-success-soft',
  bad: 'border-danger-line bg-danger-soft',
  note: 'border-info-line bg-info-soft',
}

interface Props {
  action: (previous: FormState | null, form: FormData) => Promise<FormState>
  /** Icons for the notice, drawn by the server. */
  icons: Record<keyof typeof LOOKS, ReactNode>
  className?: string
  /** What was typed before a proof was asked for. */
  draft?: Draft
  /** What stands in the form's place after it went through; null: the form. */
  done?: (answer: FormState) => ReactNode
  children: ReactNode
}

/** A form of a server action that shows what came of it. Without script the page is rendered anew with the same. */
export function ActionForm({ action, icons, className, draft, done, children }: Props) {
  const [answer, submit] = useActionState(action, null)
  const instead = answer?.ok ? done?.(answer) : null
  if (instead) return instead
  return (
    <form action={submit} className={className}>
      <Answer value={answer ?? (draft ? { ok: false, values: draft.values } : null)}>
        <AnswerNotice answer={answer} draft={draft} icons={icons} />
        {children}
      </Answer>
    </form>
  )
}

/** What came of a form, or why it is still filled in; nothing where there is nothing to say. */
export function AnswerNotice({
  answer,
  draft,
  icons,
}: {
  answer: FormState | null
  draft?: Draft | undefined
  icons: Partial<Record<keyof typeof LOOKS, ReactNode>>
}) {
  const look = answer ? (answer.ok ? 'ok' : 'bad') : 'note'
  const says = answer ? answer.message : draft?.text
  if (!says) return null
  return (
    <div
      role={look === 'bad' ? 'alert' : 'status'}
      className={cx('flex gap-3 rounded-control border px-4 py-3 text-[0.9375rem]', LOOKS[look])}
    >
      {icons[look]}
      <p>
        {says}
        {answer?.reauth ? (
          <>
            {' '}
            <a href={answer.reauth.href} className="link">
              {answer.reauth.label}
            </a>
          </>
        ) : null}
      </p>
    </div>
  )
}

/** What the form last said about one field. `kept`: it says what was typed, so a field without a value had none. */
export function useAnswer(name: string): { error?: string; value?: string; kept: boolean } {
  const answer = use(Answer)
  const values = answer?.ok ? undefined : answer?.values
  return { error: answer?.errors?.[name], value: values?.[name], kept: values !== undefined }
}

/** All that the form last said about fields. */
export const useErrors = (): Record<string, string> => use(Answer)?.errors ?? {}
