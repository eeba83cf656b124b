'use client'

import { type ReactNode, useActionState, useEffect, useRef } from 'react'
import type { FormState } from '@/app/_lib/guard'
import { CodesSheet, type CodesWords } from '../factors/codes-sheet'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { SubmitButton } from '../ui/submit-button'
import { AnswerNotice } from './action-form'

/** New codes, this once; or why there are none. */
export interface CodesState extends FormState {
  codes?: string[]
}

interface Props {
  action: (previous: CodesState | null, form: FormData) => Promise<CodesState>
  doneHref: string
  words: CodesWords
  text: {
    title: string
    lead: string
    effect: string | null
    submit: string
    working: string
    later: string
    newTitle: string
    newLead: string
    saved: string
  }
  icons: { bad: ReactNode }
}

/** Makes backup codes and shows them once, as the answer to the form: no page that is loaded holds them. */
export function MakeCodes({ action, doneHref, words, text, icons }: Props) {
  const [answer, submit] = useActionState(action, null)
  const shown = useRef<HTMLDivElement>(null)
  const codes = answer?.codes
  useEffect(() => {
    if (codes) shown.current?.focus()
  }, [codes])
  if (codes)
    return (
      <Card id="new-codes" title={text.newTitle} lead={text.newLead}>
        <div ref={shown} tabIndex={-1} className="grid gap-6 outline-none">
          <CodesSheet codes={codes} words={words} />
          <div>
            <LinkButton href={doneHref}>{text.saved}</LinkButton>
          </div>
        </div>
      </Card>
    )
  return (
    <Card id="make-codes" title={text.title} lead={text.lead}>
      <form action={submit} className="grid gap-5">
        <AnswerNotice answer={answer} icons={icons} />
        {text.effect ? <p className="text-ink-2">{text.effect}</p> : null}
        <div className="flex flex-wrap gap-3">
          <SubmitButton workingLabel={text.working}>{text.submit}</SubmitButton>
          <LinkButton href={doneHref} look="secondary">
            {text.later}
          </LinkButton>
        </div>
      </form>
    </Card>
  )
}
