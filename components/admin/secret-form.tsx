'use client'

import { type ReactNode, useEffect, useRef } from 'react'
import type { Draft, FormState } from '@/app/_lib/guard'
import { ActionForm } from '../account/action-form'
import { LinkButton } from '../ui/button'
import { CopyButton } from '../ui/copy-button'

/** A secret that was just made, this once. */
export interface SecretState extends FormState {
  made?: { clientId: string; secret: string; href: string }
}

export interface SecretWords {
  once: string
  id: string
  secret: string
  copy: string
  copied: string
  done: string
}

interface Props {
  action: (previous: FormState | null, form: FormData) => Promise<SecretState>
  icons: { ok: ReactNode; bad: ReactNode; note: ReactNode; copy: ReactNode }
  words: SecretWords
  className?: string
  draft?: Draft
  children: ReactNode
}

/** A form whose answer is a secret: it takes the form's place, and no page that is loaded holds it. */
export function SecretForm({ action, icons, words, className, draft, children }: Props) {
  return (
    <ActionForm
      action={action}
      icons={icons}
      className={className}
      draft={draft}
      done={({ made }: SecretState) => (made ? <Shown {...made} icons={icons} words={words} /> : null)}
    >
      {children}
    </ActionForm>
  )
}

function Shown({
  clientId,
  secret,
  href,
  icons,
  words,
}: NonNullable<SecretState['made']> & Pick<Props, 'icons' | 'words'>) {
  const box = useRef<HTMLDivElement>(null)
  useEffect(() => box.current?.focus(), [])
  return (
    <div ref={box} tabIndex={-1} className="grid gap-5 outline-none">
      <p role="status">{words.once}</p>
      {[
        [words.id, clientId],
        [words.secret, secret],
      ].map(([label = '', text = '']) => (
        <div key={label} className="grid gap-1.5">
          <p className="text-[0.9375rem] font-medium">{label}</p>
          <div className="flex flex-wrap items-center gap-3">
            <code className="min-w-0 rounded-control border border-line bg-sunken px-3 py-2 font-mono text-[0.9375rem] wrap-anywhere">
              {text}
            </code>
            <CopyButton
              text={text}
              label={words.copy}
              copiedLabel={words.copied}
              icon={icons.copy}
              copiedIcon={icons.ok}
            />
          </div>
        </div>
      ))}
      <div>
        <LinkButton href={href}>{words.done}</LinkButton>
      </div>
    </div>
  )
}
