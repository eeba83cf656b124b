'use client'

import type { ReactNode } from 'react'
import type { Draft, FormState } from '@/app/_lib/guard'
import { ActionForm } from '../account/action-form'

/** What an app would get of somebody. */
export interface PreviewState extends FormState {
  preview?: {
    who: string
    rows: { scope: string; claim: string; idToken: boolean; userinfo: boolean; value: string }[]
  }
}

type Words = Record<'scope' | 'claim' | 'idToken' | 'userinfo' | 'value' | 'nothing' | 'again', string>

interface Props {
  action: (previous: FormState | null, form: FormData) => Promise<PreviewState>
  icons: { ok: ReactNode; bad: ReactNode; note: ReactNode }
  words: Words
  againHref: string
  className?: string
  draft?: Draft
  children: ReactNode
}

/** A form whose answer is a table of claims; no address holds it. */
export function PreviewForm({ words, againHref, ...props }: Props) {
  return (
    <ActionForm
      {...props}
      done={({ preview }: PreviewState) =>
        preview ? <Shown {...preview} words={words} yes={props.icons.ok} againHref={againHref} /> : null
      }
    />
  )
}

function Shown({
  who,
  rows,
  words,
  yes,
  againHref,
}: NonNullable<PreviewState['preview']> & Pick<Props, 'words' | 'againHref'> & { yes: ReactNode }) {
  return (
    <div className="grid gap-4">
      <p role="status" className="font-medium wrap-anywhere">
        {who}
      </p>
      {rows.length === 0 ? (
        <p className="text-ink-2">{words.nothing}</p>
      ) : (
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reached by keys
        <section tabIndex={0} aria-label={who} className="overflow-x-auto">
          <table className="w-full text-left text-[0.9375rem]">
            <thead className="text-sm text-ink-3">
              <tr>
                {[words.scope, words.claim, words.idToken, words.userinfo, words.value].map((head) => (
                  <th key={head} scope="col" className="py-2 pr-4 font-medium whitespace-nowrap">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody className="divide-y divide-line border-t border-line align-top">
              {rows.map(({ scope, claim, idToken, userinfo, value }) => (
                <tr key={`${scope} ${claim}`}>
                  <td className="py-2 pr-4 font-mono text-sm">{scope}</td>
                  <td className="py-2 pr-4 font-mono text-sm">{claim}</td>
                  <td className="py-2 pr-4">{idToken ? yes : '–'}</td>
                  <td className="py-2 pr-4">{userinfo ? yes : '–'}</td>
                  <td className="min-w-72 py-2 font-mono text-sm wrap-anywhere">{value}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
      <p>
        <a href={againHref} className="link">
          {words.again}
        </a>
      </p>
    </div>
  )
}
