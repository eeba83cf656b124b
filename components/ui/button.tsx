import type { ComponentProps } from 'react'
import { cx } from './cx'

export type ButtonLook = 'primary' | 'secondary' | 'quiet' | 'danger'
export type ButtonSize = 'md' | 'sm'

export interface ButtonStyle {
  look?: ButtonLook
  size?: ButtonSize
  /** As wide as its container. */
  wide?: boolean
}

/** The classes of a button, for elements that are not one (a summary, a label). */
export const buttonClass = (
  { look = 'primary', size = 'md', wide = false }: ButtonStyle = {},
  className?: string,
): string => cx('btn', look, size === 'sm' && 'sm', wide && 'w-full', className)

/** A button; `type` is `button` unless said. For submitting use SubmitButton, which shows it is at work. */
export function Button({
  look,
  size,
  wide,
  className,
  type = 'button',
  ...props
}: ComponentProps<'button'> & ButtonStyle) {
  return <button type={type} className={buttonClass({ look, size, wide }, className)} {...props} />
}

/** A link that looks like a button. It goes somewhere; what changes something is a form. */
export function LinkButton({ look, size, wide, className, ...props }: ComponentProps<'a'> & ButtonStyle) {
  return <a className={buttonClass({ look, size, wide }, className)} {...props} />
}
