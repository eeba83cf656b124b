/** A line with "or" in its middle, between one way and another. */
export const OR =
  'flex items-center gap-3 text-sm text-ink-3 before:h-px before:flex-1 before:bg-line after:h-px after:flex-1 after:bg-line'
