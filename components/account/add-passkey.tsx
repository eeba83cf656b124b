'use client'

import type { PublicKeyCredentialCreationOptionsJSON } from '@simplewebauthn/browser'
import { type ReactNode, startTransition, useActionState, useRef, useState } from 'react'
import type { FormState } from '@/app/_lib/guard'
import type { TroubleWords } from '../factors/trouble-words'
import { buttonClass } from '../ui/button'
import { Spinner } from '../ui/spinner'
import { useAwake } from '../ui/use-awake'

/** What the browser is asked for, or why it is not. */
export interface CeremonyState extends FormState {
  options?: PublicKeyCredentialCreationOptionsJSON
}

interface Props {
  kind: 'passkey' | 'security_key'
  begin: (previous: CeremonyState | null, form: FormData) => Promise<CeremonyState>
  add: (previous: FormState | null, form: FormData) => Promise<FormState>
  label: string
  workingLabel: string
  trouble: TroubleWords
  icon: ReactNode
}

/**
 * Makes a passkey or a security key: asks the server what to ask the browser, asks the browser, and hands its
 * answer in. Only with script, as browsers have it no other way.
 */
export function AddPasskey({ kind, begin, add, label, workingLabel, trouble, icon }: Props) {
  const [answer, hand, handing] = useActionState(add, null)
  const [asking, setAsking] = useState(false)
  const [refused, setRefused] = useState<FormState | null>(null)
  const underWay = useRef(false)
  const working = asking || handing
  const awake = useAwake()
  const said = working ? null : (refused ?? answer)

  async function run(): Promise<void> {
    setRefused(null)
    const form = new FormData()
    form.set('kind', kind)
    const begun = await begin(null, form)
    if (!begun.options) return setRefused(begun)
    const { perform } = await import('../factors/ceremony')
    const made = await perform({ ceremony: 'create', options: begun.options })
    if (!made.ok) {
      if (made.trouble !== 'replaced') setRefused({ ok: false, message: trouble[made.trouble] })
      return
    }
    const response = new FormData()
    response.set('response', made.response)
    startTransition(() => hand(response))
  }

  return (
    <div className="grid gap-3">
      {said?.message ? (
        <p
          role="alert"
          className="rounded-control border border-danger-line bg-danger-soft px-4 py-3 text-[0.9375rem]"
        >
          {said.message}
          {said.reauth ? (
            <>
              {' '}
              <a href={said.reauth.href} className="link">
                {said.reauth.label}
              </a>
            </>
          ) : null}
        </p>
      ) : null}
      <div>
        <button
          type="button"
          className={buttonClass({ look: 'secondary', size: 'sm' }, 'needs-script')}
          disabled={!awake}
          aria-disabled={working || undefined}
          onClick={async () => {
            if (underWay.current || handing) return
            underWay.current = true
            setAsking(true)
            try {
              await run()
            } catch {
              setRefused({ ok: false, message: trouble.failed })
            } finally {
              underWay.current = false
              setAsking(false)
            }
          }}
        >
          {working ? <Spinner label={workingLabel} /> : icon}
          {label}
        </button>
      </div>
    </div>
  )
}
