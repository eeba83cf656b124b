'use client'

import { type FormEvent, type ReactNode, useCallback, useEffect, useRef, useState } from 'react'
import type { Ceremony } from '../factors/ceremony'
import type { TroubleWords } from '../factors/trouble-words'
import { type ButtonStyle, buttonClass } from '../ui/button'
import { Notice } from '../ui/notice'
import { Spinner } from '../ui/spinner'
import { useAwake } from '../ui/use-awake'

interface Props extends ButtonStyle {
  flow: string
  /** Where the response posts: `flow`, `response`, `fields`, and what the children ask for. */
  action: string
  /** Where the options are asked for: `flow`, `fields`, and `conditional` when nobody asked for it. */
  optionsAction: string
  /** Hidden fields of both. */
  fields?: Record<string, string>
  label: string
  workingLabel: string
  icon: ReactNode
  words: TroubleWords
  /** `get`: also offered in the autofill of the page's address field. `create`: made without a question where the browser can. */
  quietly?: 'get' | 'create'
  /** The credential shown last is not known here: the browser is told, so that it stops offering it. */
  unknown?: boolean
  autoFocus?: boolean
  /** Further fields, above the button. */
  children?: ReactNode
}

/** A challenge lives for five minutes; one that waits in the autofill is replaced before. */
const CHALLENGE_MS = 4 * 60_000

/** Which credential was shown last, for the page that comes after it was refused. */
const SHOWN = 'gatehouse.passkey'

/** A passkey or a security key, as a form that posts what the browser answers. Not shown without script. */
export function PasskeyForm(props: Props) {
  const { flow, optionsAction, fields, words, quietly, unknown, icon } = props
  const awake = useAwake()
  const form = useRef<HTMLFormElement>(null)
  const button = useRef<HTMLButtonElement>(null)
  const response = useRef<HTMLInputElement>(null)
  const turn = useRef(0)
  const offeredAt = useRef(Number.NEGATIVE_INFINITY)
  const busy = useRef(false)
  const [working, showWorking] = useState(false)
  const [said, say] = useState<string | null>(null)
  const asked = JSON.stringify({ flow, ...fields })

  const setWorking = useCallback((now: boolean) => {
    busy.current = now
    showWorking(now)
  }, [])

  /** One ceremony. What it comes to is posted; what went wrong is said, unless nobody asked for it. */
  const run = useCallback(
    async (silent: boolean) => {
      const mine = ++turn.current
      const fail = (sentence: string) => {
        if (silent) return
        setWorking(false)
        say(sentence)
        // What waited in the autofill ended when this began.
        offeredAt.current = Number.NEGATIVE_INFINITY
      }
      if (!window.PublicKeyCredential) return fail(words.unsupported)
      try {
        const body = new URLSearchParams(JSON.parse(asked))
        if (silent && quietly === 'create') body.set('conditional', '1')
        const answer = await fetch(optionsAction, { method: 'POST', body })
        const said: Ceremony | { message: string } = await answer.json()
        if ('message' in said) return fail(said.message)
        const { perform } = await import('../factors/ceremony')
        // Another one began meanwhile, and its challenge is the one that counts.
        if (turn.current !== mine) return
        const done = await perform(said, silent)
        if (!done.ok) return done.trouble === 'replaced' ? undefined : fail(words[done.trouble])
        if (said.ceremony === 'get')
          sessionStorage.setItem(SHOWN, JSON.stringify({ rpId: said.options.rpId, id: done.credentialId }))
        if (response.current) response.current.value = done.response
        form.current?.submit()
      } catch {
        // No answer, or none of ours: the way to the portal is broken.
        fail(words.failed)
      }
    },
    [optionsAction, asked, quietly, words, setWorking],
  )

  useEffect(() => {
    if (unknown) forgetShown()
  }, [unknown])

  const { autoFocus } = props
  useEffect(() => {
    // The browser passes over a button that sleeps.
    if (awake && autoFocus && document.activeElement === document.body) button.current?.focus()
  }, [awake, autoFocus])

  useEffect(() => {
    if (!quietly) return
    const offer = async () => {
      if (busy.current || document.visibilityState !== 'visible') return
      if (performance.now() - offeredAt.current < CHALLENGE_MS) return
      offeredAt.current = performance.now()
      if (await canQuietly(quietly)) await run(true)
    }
    offer()
    if (quietly === 'create') return
    const timer = setInterval(offer, 15_000)
    document.addEventListener('visibilitychange', offer)
    return () => {
      clearInterval(timer)
      document.removeEventListener('visibilitychange', offer)
    }
  }, [quietly, run])

  useEffect(() => {
    // Coming Back from the next page, out of the browser's cache.
    const settle = () => setWorking(false)
    window.addEventListener('pageshow', settle)
    return () => window.removeEventListener('pageshow', settle)
  }, [setWorking])

  const submit = (event: FormEvent) => {
    event.preventDefault()
    if (working) return
    setWorking(true)
    say(null)
    run(false)
  }

  return (
    <form
      ref={form}
      method="post"
      action={props.action}
      onSubmit={submit}
      className="needs-script grid gap-5"
    >
      <input type="hidden" name="flow" value={flow} />
      <input ref={response} type="hidden" name="response" defaultValue="" />
      {Object.entries(fields ?? {}).map(([name, value]) => (
        <input key={name} type="hidden" name={name} value={value} />
      ))}
      {said ? (
        <Notice kind="warning" live="alert">
          {said}
        </Notice>
      ) : null}
      {props.children}
      <button
        ref={button}
        type="submit"
        className={buttonClass({ look: props.look, size: props.size, wide: true })}
        disabled={!awake}
        aria-disabled={working || undefined}
      >
        {working ? <Spinner label={props.workingLabel} /> : icon}
        {props.label}
      </button>
    </form>
  )
}

/** True where the browser can do without a dialog what is wanted. */
async function canQuietly(what: 'get' | 'create'): Promise<boolean> {
  const able = window.PublicKeyCredential
  if (what === 'get') return (await able?.isConditionalMediationAvailable?.()) === true
  return (await able?.getClientCapabilities?.())?.conditionalCreate === true
}

/** WebAuthn Signal API: the credential shown last means nothing here. */
function forgetShown(): void {
  const shown = sessionStorage.getItem(SHOWN)
  if (!shown) return
  sessionStorage.removeItem(SHOWN)
  const { rpId, id } = JSON.parse(shown)
  window.PublicKeyCredential?.signalUnknownCredential?.({ rpId, credentialId: id })?.catch(() => {})
}
