'use client'

import { useEffect, useRef, useState } from 'react'
import { PasswordInput, type PasswordInputProps } from './password-input'

export interface NewPasswordWords {
  /** "Strength:" */
  label: string
  /** Five verdicts, from "very easy to guess" up. */
  verdicts: readonly string[]
  /** What to say while n characters are missing, at index n; empty at index 0. */
  missing: readonly string[]
}

type Check = (password: string, userInputs: string[]) => { score: number }

let loading: Promise<Check> | null = null

/** The estimator and its lists (a few hundred kilobytes): fetched when the field is first used. */
async function estimator(): Promise<Check> {
  loading ??= Promise.all([import('@zxcvbn-ts/core'), import('@zxcvbn-ts/language-common')]).then(
    ([{ ZxcvbnFactory }, { adjacencyGraphs, dictionary }]) => {
      const factory = new ZxcvbnFactory({ graphs: adjacencyGraphs, dictionary })
      return (password, userInputs) => factory.check(password.slice(0, 100), userInputs)
    },
  )
  return loading
}

const INKS = ['text-danger', 'text-danger', 'text-warning', 'text-success', 'text-success']
const FILLS = [
  'bg-danger w-1/5',
  'bg-danger w-2/5',
  'bg-warning w-3/5',
  'bg-success w-4/5',
  'bg-success w-full',
]

/**
 * A field for a new password that says, in words, how hard it is to guess. Advice only: the server
 * decides. The line under the field is there from the start, so nothing moves.
 * @param words from the catalogue, by way of a server component
 */
export function NewPassword({ words, ...props }: PasswordInputProps & { words: NewPasswordWords }) {
  const [verdict, setVerdict] = useState<{ text: string; score: number } | null>(null)
  const [check, setCheck] = useState<Check | null>(null)
  const [password, setPassword] = useState('')
  const wrapper = useRef<HTMLDivElement>(null)

  useEffect(() => {
    if (!password) return setVerdict(null)
    const missing = words.missing[words.missing.length - 1 - Array.from(password).length]
    if (missing) return setVerdict({ text: missing, score: 0 })
    if (!check) return setVerdict(null)
    const timer = setTimeout(() => {
      const form = wrapper.current?.closest('form')
      const known = ['email', 'firstName', 'lastName'].flatMap((name) => {
        const field = form?.elements.namedItem(name)
        return field instanceof HTMLInputElement
          ? field.value.split(/[\s@.]+/).filter((part) => part.length > 2)
          : []
      })
      const { score } = check(password, known)
      setVerdict({ text: words.verdicts[score] ?? '', score })
    }, 120)
    return () => clearTimeout(timer)
  }, [password, check, words])

  return (
    <div ref={wrapper}>
      <PasswordInput
        {...props}
        autoComplete="new-password"
        onFocus={() => void estimator().then((fn) => setCheck(() => fn))}
        onInput={(event) => setPassword(event.currentTarget.value)}
      />
      <div className="needs-script mt-2 flex items-center gap-3 text-sm">
        <span
          aria-hidden
          className={`${verdict ? '' : 'invisible'} h-1 w-24 shrink-0 overflow-hidden rounded-full bg-line`}
        >
          <span
            className={`block h-full rounded-full ${verdict ? FILLS[verdict.score] : 'w-0'} transition-[width]`}
          />
        </span>
        <span role="status" className="min-h-5 text-ink-3">
          {verdict ? (
            <>
              {words.label} <span className={`font-medium ${INKS[verdict.score]}`}>{verdict.text}</span>
            </>
          ) : null}
        </span>
      </div>
    </div>
  )
}
