'use client'

import { type ReactNode, useEffect, useRef, useState } from 'react'
import { described, Field } from '../ui/field'
import { useAnswer } from './action-form'

interface Props {
  label: string
  hint: string
  previewAlt: string
  /** The picture as it is now. */
  current: ReactNode
}

/** Chooses a picture and shows it before it is sent. Without script it is the browser's file field. */
export function PictureField({ label, hint, previewAlt, current }: Props) {
  const { error } = useAnswer('avatar')
  const [preview, setPreview] = useState<string | null>(null)
  const input = useRef<HTMLInputElement>(null)
  useEffect(() => (preview ? () => URL.revokeObjectURL(preview) : undefined), [preview])
  useEffect(() => {
    // React empties the form once its action has answered; the file of the preview is gone then.
    const form = input.current?.form
    const forget = () => setPreview(null)
    form?.addEventListener('reset', forget)
    return () => form?.removeEventListener('reset', forget)
  }, [])
  return (
    <div className="flex flex-wrap items-start gap-5 sm:flex-nowrap">
      {preview ? (
        // biome-ignore lint/performance/noImgElement: a file of this device
        <img
          src={preview}
          alt={previewAlt}
          width={96}
          height={96}
          className="size-24 shrink-0 rounded-full border border-line object-cover"
        />
      ) : (
        current
      )}
      <Field id="avatar" label={label} hint={hint} error={error} className="min-w-0 flex-1 basis-60">
        <input
          {...described('avatar', { hint, error })}
          ref={input}
          type="file"
          name="avatar"
          accept="image/jpeg,image/png,image/webp,image/gif,image/avif"
          required
          className="control"
          onChange={(event) => {
            const file = event.currentTarget.files?.[0]
            setPreview(file ? URL.createObjectURL(file) : null)
          }}
        />
      </Field>
    </div>
  )
}
