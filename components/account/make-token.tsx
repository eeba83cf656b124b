'use client'

import { type ReactNode, useActionState, useEffect, useRef } from 'react'
import type { Draft, FormState } from '@/app/_lib/guard'
import { LinkButton } from '../ui/button'
import { Card } from '../ui/card'
import { CopyButton } from '../ui/copy-button'
import { described, Field } from '../ui/field'
import { Checkbox, Input, Select } from '../ui/input'
import { SubmitButton } from '../ui/submit-button'
import { AnswerNotice } from './action-form'

/** A new token, this once; or why there is none. */
export interface TokenState extends FormState {
  token?: { value: string; name: string }
}

interface Props {
  action: (previous: TokenState | null, form: FormData) => Promise<TokenState>
  doneHref: string
  scopes: { name: string; title: string; text: string }[]
  days: { value: number; label: string }[]
  /** Chosen until somebody chooses. */
  preferred: number
  maxName: number
  /** What was typed before a proof was asked for. */
  draft?: Draft | undefined
  text: {
    title: string
    lead: string
    name: string
    nameHint: string
    ends: string
    sees: string
    seesAlways: string
    submit: string
    working: string
    newTitle: string
    newLead: string
    value: string
    copy: string
    copied: string
    done: string
  }
  icons: { bad: ReactNode; note: ReactNode; copy: ReactNode; copied: ReactNode }
}

/** Makes a token and shows it once, as the answer to the form: no page that is loaded holds it. */
export function MakeToken({ action, doneHref, scopes, days, preferred, maxName, draft, text, icons }: Props) {
  const [answer, submit] = useActionState(action, null)
  const shown = useRef<HTMLDivElement>(null)
  const token = answer?.token
  useEffect(() => {
    if (token) shown.current?.focus()
  }, [token])
  if (token)
    return (
      <Card id="new-token" title={text.newTitle} lead={text.newLead}>
        <div ref={shown} tabIndex={-1} className="grid gap-4 outline-none">
          <p>
            <label htmlFor="token" className="block text-sm font-medium text-ink-2 wrap-anywhere">
              {text.value}
            </label>
            <output
              id="token"
              className="mt-1 block rounded-control bg-sunken px-4 py-3 font-mono wrap-anywhere"
            >
              {token.value}
            </output>
          </p>
          <div className="flex flex-wrap gap-3">
            <CopyButton
              text={token.value}
              label={text.copy}
              copiedLabel={text.copied}
              icon={icons.copy}
              copiedIcon={icons.copied}
              size="md"
            />
            <LinkButton href={doneHref} look="secondary">
              {text.done}
            </LinkButton>
          </div>
        </div>
      </Card>
    )
  const values = answer ? answer.values : draft?.values
  return (
    <Card id="make" title={text.title} lead={text.lead}>
      <form action={submit} className="grid gap-5">
        <AnswerNotice answer={answer} draft={draft} icons={icons} />
        <div className="grid gap-5 sm:grid-cols-2">
          <Field id="token-name" label={text.name} hint={text.nameHint} error={answer?.errors?.name}>
            <Input
              {...described('token-name', { hint: text.nameHint, error: answer?.errors?.name })}
              name="name"
              required
              maxLength={maxName}
              autoComplete="off"
              defaultValue={values?.name ?? ''}
            />
          </Field>
          <Field id="token-days" label={text.ends} error={answer?.errors?.days}>
            <Select
              key={values?.days}
              {...described('token-days', { error: answer?.errors?.days })}
              name="days"
              defaultValue={values?.days ?? String(preferred)}
            >
              {days.map(({ value, label }) => (
                <option key={value} value={value}>
                  {label}
                </option>
              ))}
            </Select>
          </Field>
        </div>
        <fieldset className="grid gap-3">
          <legend className="mb-2 font-medium">{text.sees}</legend>
          <p className="text-[0.9375rem] text-ink-2">{text.seesAlways}</p>
          {scopes.map((scope) => (
            <Checkbox
              key={`${scope.name} ${values?.[`scope ${scope.name}`] ?? ''}`}
              name={`scope ${scope.name}`}
              defaultChecked={values?.[`scope ${scope.name}`] !== undefined}
            >
              <span className="wrap-anywhere">{scope.title}</span>
              {scope.text ? <span className="block text-ink-3">{scope.text}</span> : null}
            </Checkbox>
          ))}
        </fieldset>
        <div>
          <SubmitButton workingLabel={text.working}>{text.submit}</SubmitButton>
        </div>
      </form>
    </Card>
  )
}
